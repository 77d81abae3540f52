/** A PostgreSQL with pgvector for tests: PGlite behind a socket on a free port, in this process. */
import { PGlite } from "@electric-sql/pglite";
import { vector } from "@electric-sql/pglite-pgvector";
import { PGLiteSocketServer } from "@electric-sql/pglite-socket";
import { PostgresStore } from "@langchain/langgraph-checkpoint-postgres/store";
import { LexicalEmbeddings } from "../../src/models/lexical-embeddings.js";

/** Starts it; give back with `close()`. */
export async function startPostgres(): Promise<{ url: string; close(): Promise<void> }> {
  const db = await PGlite.create({ extensions: { vector } });
  await db.exec("CREATE EXTENSION IF NOT EXISTS vector");
  const server = new PGLiteSocketServer({ db, port: 0, host: "127.0.0.1", maxConnections: 20 });
  await server.start();
  return {
    url: `postgresql://postgres:postgres@${server.getServerConn()}/postgres?sslmode=disable`,
    close: async () => {
      await server.stop();
      await db.close();
    },
  };
}

/** LangGraph's store on it, with lexical embeddings. */
export async function openPostgresStore(url: string): Promise<PostgresStore> {
  const embed = new LexicalEmbeddings();
  const dims = (await embed.embedQuery("x")).length;
  const store = PostgresStore.fromConnString(url, { index: { dims, embed, fields: ["content"] } });
  await store.setup();
  return store;
}
