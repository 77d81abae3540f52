/**
 * Memory for several machines: LangGraph's PostgresStore with pgvector. `POSTGRES_URL` names a server; without it one
 * is started inside this process.
 */
import { PostgresStore } from "@langchain/langgraph-checkpoint-postgres/store";
import { createAgeMemAgent, LexicalEmbeddings } from "../src/index.js";
import { call, modelOr } from "./model.js";

const local = process.env.POSTGRES_URL ? undefined : await startPostgres();
const embed = new LexicalEmbeddings();
const dims = (await embed.embedQuery("dimension")).length;
const store = PostgresStore.fromConnString(local?.url ?? (process.env.POSTGRES_URL as string), {
  index: { dims, embed, fields: ["content"] },
});
await store.setup();
const agent = createAgeMemAgent({
  model: modelOr([
    call("Add_memory", { content: "Ada lives in Lisbon." }),
    "Noted.",
    call("Retrieve_memory", { query: "Where does Ada live?" }),
    "You live in Lisbon.",
  ]),
  store,
});
for (const content of ["I'm Ada, and I moved to Lisbon.", "Where do I live?"]) {
  const { finalAnswer } = await agent.invoke(
    { messages: [{ role: "user", content }] },
    { context: { user_id: "ada" } },
  );
  console.log(finalAnswer);
}
await store.stop();
await local?.close();

async function startPostgres() {
  const { PGlite } = await import("@electric-sql/pglite");
  const { vector } = await import("@electric-sql/pglite-pgvector");
  const { PGLiteSocketServer } = await import("@electric-sql/pglite-socket");
  const db = await PGlite.create({ extensions: { vector } });
  const server = new PGLiteSocketServer({ db, port: 0, host: "127.0.0.1", maxConnections: 10 });
  await server.start();
  const close = async () => {
    await server.stop();
    await db.close();
  };
  return { url: `postgresql://postgres@${server.getServerConn()}/postgres?sslmode=disable`, close };
}
