/** Memory for an agent of langchain: one line of middleware. */
import { createAgent } from "langchain";
import { ageMemMiddleware, FaissStore, LexicalEmbeddings } from "../src/index.js";
import { call, modelOr } from "./model.js";

const model = modelOr([
  call("Add_memory", { content: "Ada lives in Lisbon." }),
  "Noted.",
  call("Retrieve_memory", { query: "Where does Ada live?" }),
  "You live in Lisbon.",
]);
const store = await FaissStore.open(":memory:", { index: { embeddings: new LexicalEmbeddings() } });
const agent = createAgent({ model, middleware: [ageMemMiddleware({ store })] });

for (const question of ["I'm Ada, and I moved to Lisbon.", "Where do I live?"]) {
  // Each question is a conversation of its own: nothing but the store connects them.
  const { messages } = await agent.invoke(
    { messages: [{ role: "user", content: question }] },
    { context: { user_id: "ada" } },
  );
  console.log(messages.at(-1)?.text);
}
await store.close();
