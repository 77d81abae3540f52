/** Several users, and a person who approves deletions. */
import { Command, MemorySaver } from "@langchain/langgraph";
import { type ApprovalRequest, createAgeMemAgent, FaissStore, LexicalEmbeddings } from "../src/index.js";
import { modelOr } from "./model.js";

const store = await FaissStore.open(":memory:", { index: { embeddings: new LexicalEmbeddings() } });
for (const user of ["ada", "ben"]) {
  await store.put(["memories", user], "m1", { content: `${user}'s cat is called Ines.` }, ["content"]);
}
const agent = createAgeMemAgent({
  model: modelOr([
    { tool_calls: [{ name: "Delete_memory", args: { memory_id: "m1", confirmation: true } }] },
    "It is forgotten.",
  ]),
  store,
  interruptOn: { Delete_memory: true },
  checkpointer: new MemorySaver(),
});

const run = { context: { user_id: "ada" }, configurable: { thread_id: "1" } };
const stopped = await agent.invoke({ messages: [{ role: "user", content: "Forget my cat." }] }, run);
const { __interrupt__ } = stopped as unknown as { __interrupt__: { value: ApprovalRequest }[] };
console.log(__interrupt__[0]?.value.actionRequests[0]?.description);

const done = await agent.invoke(new Command({ resume: { decisions: [{ type: "approve" }] } }), run);
console.log(done.finalAnswer);
for (const user of ["ada", "ben"]) {
  console.log(user, (await store.search(["memories", user])).length);
}
await store.close();
