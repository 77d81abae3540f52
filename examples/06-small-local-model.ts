/**
 * A small local model without tool calling: the paper's tags as plain text, a short guide, a small window.
 * `OPENAI_BASE_URL=http://localhost:11434/v1 AGEMEM_MODEL=openai:qwen2.5:1.5b` runs it on Ollama.
 */
import { createAgeMemAgent, FaissStore, LexicalEmbeddings } from "../src/index.js";
import { modelOr } from "./model.js";

const model = modelOr([
  '<think>A lasting fact.</think><tool_call>[{"name": "Add_memory", "arguments": {"content": "Ada lives in Lisbon."}}]</tool_call>',
  "I have stored it.", // not in tags: it is asked once to say it again
  "<answer>Noted.</answer>",
]);
const store = await FaissStore.open(":memory:", { index: { embeddings: new LexicalEmbeddings() } });
const agent = createAgeMemAgent({
  model,
  store,
  protocol: "text",
  promptVariant: "short",
  budget: { maxTokens: 4096, responseTokens: 512 },
  operations: ["ADD", "RETRIEVE"],
});
const result = await agent.invoke(
  { messages: [{ role: "user", content: "I'm Ada, and I moved to Lisbon." }] },
  { context: { user_id: "ada" } },
);
console.log(result.finalAnswer);
console.log(`responses out of format: ${result.formatErrors}`);
console.log((await store.search(["memories", "ada"])).map((item) => item.value.content).join("\n"));
await store.close();
