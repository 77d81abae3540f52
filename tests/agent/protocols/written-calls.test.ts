/** Models that write calls into their text: the agent runs them, and never shows them as the answer. */
import { AIMessage, HumanMessage } from "@langchain/core/messages";
import { describe, expect, it } from "vitest";
import { createAgeMemAgent } from "../../../src/agent/agent.js";
import type { AgeMemAgentOptions } from "../../../src/agent/options.js";
import { LexicalEmbeddings } from "../../../src/models/lexical-embeddings.js";
import { FaissStore } from "../../../src/store/faiss-store.js";
import { ScriptedChatModel, type ScriptedStep } from "../../../src/testing/scripted-model.js";
import { TrajectoryRecorder } from "../../../src/trajectory/recorder.js";

const json = (key: string) =>
  `{"name": "Add_memory", "${key}": {"content": "Ada lives in Oslo.", "memory_type": "fact"}}`;

async function run(steps: ScriptedStep[], model = "scripted", options: Partial<AgeMemAgentOptions> = {}) {
  const embeddings = new LexicalEmbeddings();
  const store = await FaissStore.open(":memory:", { index: { embeddings, fields: ["content"] } });
  const scripted = new ScriptedChatModel(steps, model);
  const agent = createAgeMemAgent({ model: scripted, store, ...options });
  const recorder = new TrajectoryRecorder();
  const state = await agent.invoke(
    { messages: [new HumanMessage("Ada lives in Oslo.")] },
    { context: { user_id: "ada" }, callbacks: [recorder], metadata: { "agemem.rollout_id": "r" } },
  );
  const stored = await store.search(["memories", "ada"], { limit: 9 });
  await store.close();
  return { state, stored: stored.map((item) => item.value.content), steps: recorder.take("r") };
}

describe("calls written into the text", () => {
  it.each([
    ["Qwen/Qwen2.5-7B-Instruct", `<tool_call>\n${json("arguments")}\n</tool_call>`],
    ["mistralai/Mistral-7B-Instruct-v0.3", `[TOOL_CALLS][${json("arguments")}]`],
    ["meta-llama/Llama-3.1-8B-Instruct", json("parameters")],
    ["google/gemma-3-4b-it", `\`\`\`json\n${json("arguments")}\n\`\`\``],
    ["my-own-policy", `<think>A fact.</think>${json("parameters")}`],
  ])("of %s run, and are recorded with their step", async (model, text) => {
    const { state, stored, steps } = await run([text, "Noted."], model);
    expect(stored).toEqual(["Ada lives in Oslo."]);
    expect(state.finalAnswer).toBe("Noted.");
    expect(steps[0]?.memory_ops.map((op) => [op.op, op.ok])).toEqual([["ADD", true]]);
    expect(steps[0]?.response?.content).toBe(text);
  });

  it("go back to the model when they are broken", async () => {
    const { state, stored, steps } = await run([
      '<tool_call>{"name": "Add_memory", "arguments": {oops}</tool_call>',
      "Noted.",
    ]);
    expect([stored, state.finalAnswer]).toEqual([[], "Noted."]);
    expect(steps[0]?.format_error).toMatch(/broke the protocol/);
  });

  it("leave reasoning out of the answer", async () => {
    const { state } = await run(["<think>Easy.</think>\nHello Ada."]);
    expect(state.finalAnswer).toBe("Hello Ada.");
  });

  it("are text where the provider reports calls itself, and once it did", async () => {
    const text = `<tool_call>${json("arguments")}</tool_call>`;
    expect((await run([text], "gpt-4o-mini")).state.finalAnswer).toBe(text);
    const reported: ScriptedStep = { tool_calls: [{ name: "Retrieve_memory", args: { query: "Ada" } }] };
    const { state, stored } = await run([reported, text], "my-own-policy");
    expect([state.finalAnswer, stored]).toEqual([text, []]);
  });

  it("can be switched off, and a form insisted on", async () => {
    const text = json("parameters");
    expect((await run([text], "my-own-policy", { writtenCalls: "off" })).state.finalAnswer).toBe(text);
    expect((await run([text, "Noted."], "gpt-4o-mini", { writtenCalls: "llama3" })).stored).toHaveLength(1);
  });

  const reported: ScriptedStep = { tool_calls: [{ name: "Retrieve_memory", args: { query: "Ada" } }] };

  it.each([
    [
      "JSON that is not closed",
      '<tool_call>{"name": "Add_memory", "arguments": {"content": "Ada</tool_call>',
    ],
    ["single quotes", "<tool_call>{'name': 'Add_memory', 'arguments': {}}</tool_call>"],
    ["a tag that is not closed either", 'I note: <tool_call>\n{"name": "Add_memory", "argum'],
    ["no arguments", '<tool_call>{"name": "Add_memory"}</tool_call>'],
    ["another key", `<tool_call>${json("parameters")}</tool_call>`],
    ["a list", `<tool_call>[${json("arguments")}]</tool_call>`],
    [
      "a good call before it",
      `<tool_call>${json("arguments")}</tool_call><tool_call>{"name": "Add</tool_call>`,
    ],
  ])("that a parsing server hands back, with %s, are format errors", async (_what, text) => {
    for (const model of ["Qwen/Qwen2.5-7B-Instruct", "my-own-policy"]) {
      const { state, stored, steps } = await run([reported, text, "Noted."], model);
      expect([state.finalAnswer, state.formatErrors, stored]).toEqual(["Noted.", 1, []]);
      expect(steps[1]?.format_error).toMatch(/broke the protocol/);
    }
  });

  it("are not looked for in the text of a model whose provider always reports them", async () => {
    const text = "<tool_call>{'name': 'Add_memory'}</tool_call>";
    const { state } = await run([reported, text], "gpt-4o-mini");
    expect([state.finalAnswer, state.formatErrors]).toEqual([text, 0]);
  });

  it.each([false, true])(
    "of a response that was cut off run in no part (calls reported before: %s)",
    async (before) => {
      const text = `<tool_call>${json("arguments")}</tool_call>`;
      const cut = new AIMessage({ content: text, response_metadata: { finish_reason: "length" } });
      const { state, stored } = await run([...(before ? [reported] : []), cut, "Noted."], "qwen");
      expect([state.finalAnswer, state.formatErrors, stored]).toEqual(["Noted.", 1, []]);
    },
  );

  it("run in no part when a server reports the good ones and leaves a malformed one in the text", async () => {
    const half: ScriptedStep = {
      content: '<tool_call>{"name": "Add_memory", "arguments": {"content": "Ada',
      tool_calls: [{ name: "Add_memory", args: { content: "Ada lives in Oslo." } }],
    };
    const { state, stored } = await run([half, "Noted."], "qwen");
    expect([state.finalAnswer, state.formatErrors, stored]).toEqual(["Noted.", 1, []]);
  });
});
