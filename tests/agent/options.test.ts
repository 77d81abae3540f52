/** Wrong options are refused when something is built, also where no type checker looked at them. */
import { tool } from "@langchain/core/tools";
import { MemorySaver } from "@langchain/langgraph";
import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { createAgeMemAgent } from "../../src/agent/agent.js";
import { AgeMemFilterEdit } from "../../src/agent/middleware/filter-edit.js";
import { ageMemMiddleware } from "../../src/agent/middleware/middleware.js";
import type { FaissStore } from "../../src/store/faiss-store.js";
import { ScriptedChatModel } from "../../src/testing/scripted-model.js";
import { createMemoryTools } from "../../src/tools/memory-tools.js";
import { ada, calls, openStore, says } from "./helpers.js";

let store: FaissStore;
beforeEach(async () => {
  store = await openStore();
  return () => store.close();
});

const model = () => new ScriptedChatModel(["Hello."]);
const checkpointer = new MemorySaver();
const refusal = (message: RegExp) =>
  expect.objectContaining({ code: "AGEMEM_CONFIG_INVALID", message: expect.stringMatching(message) });

/** Of all three ways to the tools. */
const SHARED: [object, RegExp][] = [
  [{ store: undefined }, /store: must be a LangGraph store/],
  [{ store: "./memory" }, /store: must be a LangGraph store/],
  [{ namespace: ["memories", "{user_id"] }, /namespace: "\{user_id" has a brace/],
  [{ namespace: ["memories", "user_id}"] }, /namespace: .* has a brace/],
  [{ namespace: ["memories", "{}"] }, /namespace: .* has a brace/],
  [{ namespace: ["memories", "{ user_id }"] }, /namespace: .* has a brace/],
  [{ namespace: [] }, /namespace: is empty/],
  [{ namespace: ["memories", ""] }, /namespace: has an empty label/],
  [{ namespace: "memories" }, /namespace: must be a list/],
  [{ namespace: ["memories.v1", "{user_id}"] }, /namespace: .* has a dot/],
  [{ namespace: ["langgraph", "{user_id}"] }, /namespace: .* LangGraph reserves/],
  [{ limits: { operations: 2.5 } }, /limits\.operations: must be a whole number/],
  [{ limits: { operations: "20" } }, /limits\.operations: must be a whole number/],
  [{ limits: { operation: 20 } }, /unknown option "limits\.operation" \(did you mean "operations"\?\)/],
  [{ theta: 1.5 }, /theta: must be a number from 0 to 1/],
  [{ theta: Number.NaN }, /theta: must be a number/],
  [{ topK: 2.5 }, /topK: must be a whole number of 1 to 50/],
  [{ topK: "3" }, /topK: must be a whole number/],
  [{ budget: { maxTokens: 1.5 } }, /budget\.maxTokens: must be a whole number/],
  [{ budget: { maxTokens: 100, responseTokens: 100 } }, /budget: leaves no tokens/],
  [{ budget: { max_tokens: 9000 } }, /unknown option "budget\.max_tokens"/],
  [{ segmentMinTokens: 0 }, /segmentMinTokens: must be a whole number/],
  [{ summarizerWindow: -1 }, /summarizerWindow: must be a whole number/],
  [{ summarizer: "openai:gpt-4o-mini" }, /summarizer: must be a chat model/],
  [{ embeddings: {} }, /embeddings: must be a LangChain embedding model/],
  [{ counter: () => 1 }, /counter: must be a TokenCounter/],
  [{ names: { add: "Remember" } }, /unknown option "names\.add" \(did you mean "ADD"\?\)/],
  [{ names: { ADD: "Add memory" } }, /names\.ADD: must be 1 to 64 letters/],
  [{ operations: ["Add_memory"] }, /operations\.0: must be one of "ADD"/],
  [{ operations: ["ADD", "ADD"] }, /operations: names an operation twice/],
  [{ operatons: ["ADD"] }, /unknown option "operatons" \(did you mean "operations"\?\)/],
  [{ theta: null }, /theta: must be a number/],
];

const AGENT: [object, RegExp][] = [
  [{ model: undefined }, /model: must be a chat model/],
  [{ model: "openai:gpt-4o-mini" }, /model: must be a chat model object/],
  [
    { interruptOn: { DELETE: true }, checkpointer },
    /interruptOn names tools the agent does not have: DELETE/,
  ],
  [{ interruptOn: ["Delete_memory"], checkpointer }, /interruptOn: must be an object keyed by tool name/],
  [
    { interruptOn: { Delete_memory: "yes" }, checkpointer },
    /interruptOn\.Delete_memory: must be true, false or/,
  ],
  [
    { interruptOn: { Delete_memory: { allowedDecisions: ["approve", "ask"] } }, checkpointer },
    /interruptOn\.Delete_memory: must be true, false or/,
  ],
  [
    { interuptOn: { Delete_memory: true }, checkpointer },
    /unknown option "interuptOn" \(did you mean "interruptOn"\?\)/,
  ],
  [
    { interruptOn: { Delete_memory: true } },
    /interruptOn: a run that stops for a person needs a checkpointer/,
  ],
  [{ memoryConsistency: "checkpoint" }, /memoryConsistency: "checkpoint" needs a checkpointer/],
  [{ memoryConsistency: "strict" }, /memoryConsistency: must be one of "latest", "checkpoint"/],
  [{ protocol: "xml" }, /protocol: must be one of "native", "text"/],
  [{ maxSteps: 2.5 }, /maxSteps: must be a whole number of 1 or more/],
  [{ maxSteps: 0 }, /maxSteps: must be a whole number/],
  [{ onMaxSteps: "throw" }, /onMaxSteps: must be one of/],
  [{ onOverflow: "summarise" }, /onOverflow: must be one of "summarize"/],
  [{ promptVariant: "tiny" }, /promptVariant: must be one of/],
  [{ tools: {} }, /tools: must be a list of tools/],
  [{ tools: [undefined] }, /tools\.0: must be a LangChain tool/],
  [{ tools: [{}] }, /tools\.0: must be a LangChain tool/],
  [{ prices: { "gpt-4o": 3 } }, /prices\.gpt-4o: must be \{ input, output, cachedInput\? \}/],
  [{ checkpointer: true }, /checkpointer: must be a checkpointer/],
  [{ responseFormat: "json" }, /responseFormat: must be a zod schema/],
  [{ systemPrompt: 5 }, /systemPrompt: must be text/],
  // Names that options had before.
  [{ instructions: "Be brief." }, /unknown option "instructions" \(it is now called "systemPrompt"\)/],
  [{ approve: ["DELETE"] }, /unknown option "approve" \(it is now "interruptOn", .*Delete_memory: true/],
  [
    { overflow: "summarise" },
    /unknown option "overflow" \(it is now "onOverflow": "summarize" or "record"\)/,
  ],
  [{ now: Date.now }, /unknown option "now"/],
  [{ overheadTokens: () => 5 }, /unknown option "overheadTokens"/],
];

describe("options that are wrong", () => {
  it.each(SHARED)("%j are refused by all three ways to the tools", (wrong, message) => {
    const given = { store, ...wrong } as never;
    expect(() => createMemoryTools(given)).toThrow(refusal(message));
    expect(() => ageMemMiddleware(given)).toThrow(refusal(message));
    expect(() => createAgeMemAgent({ model: model(), ...(given as object) } as never)).toThrow(
      refusal(message),
    );
  });

  it.each(AGENT)("%j are refused by the agent", (wrong, message) => {
    expect(() => createAgeMemAgent({ model: model(), store, ...wrong } as never)).toThrow(refusal(message));
  });

  it("are all named at once, with what was called", () => {
    expect(() => createAgeMemAgent({ model: model(), store, maxSteps: 0, protocol: "xml" } as never)).toThrow(
      refusal(/^createAgeMemAgent: .*(protocol|maxSteps).*; .*(protocol|maxSteps)/),
    );
    for (const nothing of [undefined, null, "store"]) {
      expect(() => createMemoryTools(nothing as never)).toThrow(
        refusal(/^createMemoryTools: the options: must be/),
      );
    }
  });

  it("are refused by the filter of contexts", () => {
    const wrong: [object, RegExp][] = [
      [{ criteria: "" }, /criteria: must be text/],
      [{ theta: 2 }, /theta/],
      [{ store: undefined }, /store/],
      [{ maxTokens: "5" }, /maxTokens/],
      [{ criterion: "x" }, /unknown option "criterion"/],
    ];
    for (const [options, message] of wrong) {
      expect(() => new AgeMemFilterEdit({ store, criteria: "noise", ...options } as never)).toThrow(
        refusal(message),
      );
    }
  });

  it("are no agent for a model without tools, but for the text protocol", () => {
    const plain = Object.assign(model(), { bindTools: undefined });
    expect(() => createAgeMemAgent({ model: plain as never, store })).toThrow(
      refusal(/model: cannot call tools/),
    );
    expect(() => createAgeMemAgent({ model: plain as never, store, protocol: "text" })).not.toThrow();
  });
});

describe("options that are right", () => {
  it("may be left undefined, and a checkpointer may come from elsewhere", () => {
    const own = tool(async () => "x", { name: "look", description: "", schema: z.object({}) });
    const options = {
      model: model(),
      store,
      tools: [own],
      namespace: ["notes"],
      theta: undefined,
      topK: undefined,
    };
    expect(() => createAgeMemAgent(options as never)).not.toThrow();
    for (const where of [checkpointer, "inherited"] as const) {
      const interruptOn = {
        Delete_memory: true,
        look: false,
        Add_memory: { allowedDecisions: ["reject"] },
      } as const;
      const needs = {
        interruptOn,
        tools: [own],
        memoryConsistency: "checkpoint",
        checkpointer: where,
      } as const;
      expect(() => createAgeMemAgent({ model: model(), store, ...needs })).not.toThrow();
    }
  });
});

describe("values of a run", () => {
  it.each([
    [{ max_steps: "3" }, /max_steps must be a whole number/],
    [{ max_steps: 0 }, /max_steps must be a whole number/],
    [{ max_steps: 1.5 }, /max_steps must be a whole number/],
    [{ on_max_steps: "throw" }, /on_max_steps must be one of/],
    [{ agemem_run_key: 5 }, /agemem_run_key must be text/],
  ])("%j are refused in configurable before the model is asked", async (wrong, message) => {
    const asked = new ScriptedChatModel([calls(["Add_memory", { content: "x" }]), "Hello."]);
    const agent = createAgeMemAgent({ model: asked, store });
    await expect(agent.invoke(says("Hi."), ada(undefined, wrong))).rejects.toMatchObject({
      code: "AGEMEM_INPUT_ARGUMENT",
      message: expect.stringMatching(message),
    });
    expect(asked.calls).toHaveLength(0);
  });
});
