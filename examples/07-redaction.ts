/**
 * No e-mail address reaches the memories: langchain's `piiMiddleware` takes it out of what the user writes and what
 * tools return before the model reads it, so the model has none to store.
 */
import { tool } from "@langchain/core/tools";
import { createAgent, piiMiddleware } from "langchain";
import { z } from "zod";
import { ageMemMiddleware, FaissStore, LexicalEmbeddings } from "../src/index.js";
import type { ScriptedStep } from "../src/testing.js";
import { call, modelOr } from "./model.js";

const lookUp = tool(async () => "Ben Silva, Porto, ben@example.com", {
  name: "look_up_colleague",
  description: "The staff directory.",
  schema: z.object({ name: z.string() }),
});
/** A model that stores word for word what it has just read. */
const storeWhatIsThere: ScriptedStep = (messages) => ({
  tool_calls: [{ name: "Add_memory", args: { content: messages.at(-1)?.text } }],
});
const model = modelOr([
  storeWhatIsThere,
  call("look_up_colleague", { name: "Ben" }),
  storeWhatIsThere,
  "Noted.",
]);
const store = await FaissStore.open(":memory:", { index: { embeddings: new LexicalEmbeddings() } });
const agent = createAgent({
  model,
  tools: [lookUp],
  middleware: [
    piiMiddleware("email", { strategy: "redact", applyToInput: true, applyToToolResults: true }),
    ageMemMiddleware({ store }),
  ],
});

const { messages } = await agent.invoke(
  { messages: [{ role: "user", content: "I'm Ada (ada@example.com). Remember me, and my colleague Ben." }] },
  { context: { user_id: "ada" } },
);
console.log(messages.at(-1)?.text);
const stored = await store.search(["memories", "ada"]);
for (const text of stored.map((item) => String(item.value.content)).sort()) console.log(text);
await store.close();
