/** The six tools in a graph of one's own. */
import type { AIMessage } from "@langchain/core/messages";
import { END, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { ToolNode } from "@langchain/langgraph/prebuilt";
import { createMemoryTools, FaissStore, LexicalEmbeddings, memoryGate } from "../src/index.js";
import { call, modelOr } from "./model.js";

const store = await FaissStore.open(":memory:", { index: { embeddings: new LexicalEmbeddings() } });
const model = modelOr([
  call("Add_memory", { content: "The deadline is 3 May.", metadata: { project: "atlas" } }),
  "Noted.",
  call("Retrieve_memory", { query: "deadline", metadata_filter: { project: "atlas" } }),
  "It is due on 3 May.",
]);
// Summaries are written by the graph's own model.
const tools = createMemoryTools({ store, summarizer: model });
const bound = model.bindTools(tools);

const graph = new StateGraph(MessagesAnnotation)
  // A run that does not say whose memory it is fails here, before the model is asked.
  .addNode("whose", memoryGate())
  .addNode("model", async ({ messages }) => ({ messages: [await bound.invoke(messages)] }))
  // The tools answer the model's mistakes themselves; a failing disk must not be told to it.
  .addNode("tools", new ToolNode(tools, { handleToolErrors: false }))
  .addEdge(START, "whose")
  .addEdge("whose", "model")
  .addConditionalEdges("model", ({ messages }) =>
    (messages.at(-1) as AIMessage).tool_calls?.length ? "tools" : END,
  )
  .addEdge("tools", "whose")
  .compile();

for (const content of ["Atlas is due on 3 May.", "When is Atlas due?"]) {
  const { messages } = await graph.invoke(
    { messages: [{ role: "user", content }] },
    { configurable: { user_id: "ada" } },
  );
  console.log(messages.at(-1)?.text);
}
await store.close();
