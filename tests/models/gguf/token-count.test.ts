/** Counts of messages and tools add up to the prompt that the model reads. */
import {
  AIMessage,
  type BaseMessage,
  HumanMessage,
  SystemMessage,
  ToolMessage,
} from "@langchain/core/messages";
import { expect, it } from "vitest";
import type { LlamaModel } from "../../../src/models/gguf/llama-api.js";
import { promptOf } from "../../../src/models/gguf/prompt.js";
import { chatTemplate } from "../../../src/models/gguf/template.js";
import { templateCounter } from "../../../src/models/gguf/token-count.js";
import { REQUEST_OVERHEAD } from "../../../src/models/tokens/openai-tokens.js";
import { counterOf } from "../../../src/models/tokens.js";

/** A token per word or mark. */
const model = {
  tokenize: (text: string) => [...text.matchAll(/\w+|\S/g)].map((_, at) => at),
  tokens: { bosString: "<s>", eosString: "</s>", shouldPrependBosToken: true, bos: 1 },
} as unknown as LlamaModel;
const schema = { name: "add", description: "Stores a fact", parameters: { type: "object", properties: {} } };
const sent = [{ type: "function" as const, function: schema }];
const history: BaseMessage[] = [
  new SystemMessage("Be brief, and polite."),
  new HumanMessage("Ada lives in Oslo."),
  new AIMessage({ content: "Noted.", tool_calls: [{ id: "c1", name: "add", args: { content: "Oslo" } }] }),
  new ToolMessage({ content: "stored as m1", tool_call_id: "c1", name: "add" }),
  new AIMessage("I will remember that."),
  new HumanMessage("Where does she live?"),
];
const withTools =
  "{% if tools %}[tools]{{ tools | tojson }}{% endif %}{% if messages[0].role != 'system' %}default system{% endif %}" +
  "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% if m.tool_calls %}{{ m.tool_calls | tojson }}{% endif %}\n" +
  "{% endfor %}[assistant] go on";

it.each(["chatml", "gemma", "plain", withTools])("agrees with the prompt of template %s", (name) => {
  const ready = { model, template: chatTemplate(name, undefined, undefined) };
  const counter = templateCounter(ready, "gguf:test");
  const whole = promptOf(ready, history, sent).prompt.length;
  const counted = history.reduce((sum, message) => sum + counter.countMessage(message), 0);
  expect(counted + counter.countTools([schema]) + REQUEST_OVERHEAD).toBe(whole);
  expect(counter.exact).toBe(true);
  expect(counter.countText("five words, no special <s>")).toBe(8);
});

it("is asked of the model that has one", async () => {
  const own = templateCounter({ model, template: chatTemplate("chatml", undefined, undefined) }, "gguf:own");
  expect(await counterOf({ model: "x", tokenCounter: async () => own })).toBe(own);
  expect((await counterOf({ model: "gpt-4o" })).name).toBe("o200k_base");
});
