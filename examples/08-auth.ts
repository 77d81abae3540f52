/** Two users of a server: whose memory, whose thread, whose settings. Offline: the server's part is played here. */
import { MemorySaver } from "@langchain/langgraph";
import { AgeMemError, createAgeMemAgent, FaissStore, LexicalEmbeddings } from "../src/index.js";
import { ownedByUsers } from "../src/server.js";
import { call, modelOr } from "./model.js";

const store = await FaissStore.open(":memory:", { index: { embeddings: new LexicalEmbeddings() } });
const agent = createAgeMemAgent({
  model: modelOr([
    call("Add_memory", { content: "My cat is called Ines." }),
    "Noted.",
    "I do not know you yet.",
  ]),
  store,
  checkpointer: new MemorySaver(),
});

/** As the server runs the graph: with the user that `auth` established, whatever the client says in `context`. */
const ask = async (user: string, thread: string, content: string) => {
  const configurable = { thread_id: thread, langgraph_auth_user_id: user };
  const run = agent.invoke(
    { messages: [{ role: "user", content }] },
    { configurable, context: { user_id: "ada" } },
  );
  return run.then(({ finalAnswer }) => finalAnswer, told);
};
const told = (error: unknown) => (AgeMemError.isInstance(error) ? error.code : error);

console.log("ada:", await ask("ada", "1", "My cat is called Ines."));
console.log("ben:", await ask("ben", "2", "What is my cat called?"));
console.log("ben on ada's thread:", await ask("ben", "1", "What is my cat called?"));

// What the server asks the handlers of examples/auth/auth.ts, here for a run that would do without approval.
const handler = ownedByUsers();
const value = { kwargs: { context: { interrupt_on: [] } } };
try {
  handler({ event: "threads:create_run", value, user: { identity: "ben", permissions: [] } });
} catch (error) {
  console.log("ben's own settings:", told(error));
}
for (const user of ["ada", "ben"]) console.log(user, (await store.search(["memories", user])).length);
await store.close();
