/** What an invocation gives beside the answer: the structured answer and what it cost. */
import { AIMessage, AIMessageChunk, HumanMessage } from "@langchain/core/messages";
import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { createAgeMemAgent } from "../../../src/agent/agent.js";
import { costOf, totalUsage, type UsageByOperation } from "../../../src/lib/usage.js";
import type { FaissStore } from "../../../src/store/faiss-store.js";
import { ScriptedChatModel } from "../../../src/testing/scripted-model.js";
import { TrajectoryRecorder } from "../../../src/trajectory/recorder.js";
import { usageOfSteps } from "../../../src/trajectory/usage.js";
import { METADATA } from "../../../src/types.js";
import { ada, calls, openStore, says, scripted } from "../helpers.js";

let store: FaissStore;
beforeEach(async () => {
  store = await openStore();
  return () => store.close();
});

const city = z.object({ city: z.string() });
const structured = (args: Record<string, unknown>) =>
  new AIMessageChunk({
    content: "",
    tool_calls: [{ name: "extract", args, id: "s1" }],
    usage_metadata: tokens(20, 5),
  });
const tokens = (input_tokens: number, output_tokens: number) => ({
  input_tokens,
  output_tokens,
  total_tokens: input_tokens + output_tokens,
});

describe("responseFormat", () => {
  it("gives the answer in the form of the schema, and none of it in the messages", async () => {
    const { agent, model } = scripted(["You live in Oslo.", structured({ city: "Oslo" })], {
      store,
      responseFormat: city,
    });
    const result = await agent.invoke(says("Where do I live?"), ada());
    expect(result).toMatchObject({ finalAnswer: "You live in Oslo.", structuredResponse: { city: "Oslo" } });
    expect(result.messages).toHaveLength(2);
    expect(model.calls[1]?.messages.at(-1)?.text).toBe("You live in Oslo.");
    expect(result.usage).toMatchObject({ auxiliary: { calls: 1, promptTokens: 20, completionTokens: 5 } });
  });

  it("is null again in an invocation without an answer", async () => {
    const { agent } = scripted(
      ["Oslo.", structured({ city: "Oslo" }), calls(["Retrieve_memory", { query: "x" }])],
      {
        store,
        responseFormat: city,
        maxSteps: 1,
      },
    );
    const first = await agent.invoke(says("Where?"), ada());
    const second = await agent.invoke(
      { ...first, messages: [...first.messages, new HumanMessage("And?")] },
      ada(),
    );
    expect(second).toMatchObject({ status: "max_steps", structuredResponse: null });
  });

  it.each([
    ["does not fit the schema", structured({ town: 1 }), 2],
    [
      "was cut off, though its guess fits",
      new AIMessageChunk({
        content: "",
        tool_call_chunks: [
          { type: "tool_call_chunk", index: 0, id: "s1", name: "extract", args: '{"city": "Os' },
        ],
        usage_metadata: tokens(20, 5),
      }),
      2,
    ],
    ["never comes, because the model fails", new Error("down"), 1],
  ])("keeps the finished answer when the structured one %s", async (_, step, calls) => {
    const { agent } = scripted(["You live in Oslo.", step], { store, responseFormat: city });
    const result = await agent.invoke(says("Where?"), ada());
    expect(result).toMatchObject({
      finalAnswer: "You live in Oslo.",
      status: "answered",
      structuredResponse: null,
      structuredError: { code: "AGEMEM_MODEL_FAILED" },
    });
    expect(result.usage.policy.calls + result.usage.auxiliary.calls).toBe(calls);
  });

  it("is asked for under the agent's system prompt", async () => {
    const { agent, model } = scripted(["Oslo.", structured({ city: "Oslo" })], {
      store,
      responseFormat: city,
      systemPrompt: "Spell cities in capitals.",
    });
    expect(await agent.invoke(says("Where?"), ada())).toMatchObject({ structuredError: null });
    const [system, ...rest] = model.calls[1]?.messages ?? [];
    expect(system?.type).toBe("system");
    expect(system?.text).toContain("Spell cities in capitals.");
    expect(rest.map((m) => m.text)).toEqual(["Where?", "Oslo."]);
  });

  it("has the type of the schema", async () => {
    const model = new ScriptedChatModel(["Oslo.", structured({ city: "Oslo" })]);
    const agent = createAgeMemAgent({ model, store, responseFormat: city });
    const { structuredResponse } = await agent.invoke(says("Where?"), ada());
    const known: string | undefined = structuredResponse?.city;
    expect(known).toBe("Oslo");
    // @ts-expect-error the schema has no town
    expect(structuredResponse?.town).toBeUndefined();
  });

  it("is refused with the text protocol", () => {
    const model = new ScriptedChatModel([]);
    expect(() => createAgeMemAgent({ model, store, responseFormat: city, protocol: "text" })).toThrow(
      expect.objectContaining({ code: "AGEMEM_CONFIG_INVALID" }),
    );
  });
});

describe("usage", () => {
  const reply = (content: string, input: number, output: number) =>
    new AIMessage({ content, usage_metadata: tokens(input, output) });
  const acts = new AIMessage({
    content: "",
    tool_calls: [
      { name: "Add_memory", args: { content: "Ada lives in Oslo." }, id: "1" },
      { name: "Delete_memory", args: { memory_id: "m0" }, id: "2" },
      { name: "Summary_context", args: { span: "all" }, id: "3" },
    ],
    usage_metadata: tokens(1000, 100),
  });

  it("counts calls, tokens, operations and money of the invocation", async () => {
    const summarizer = new ScriptedChatModel([reply("They talked.", 500, 50)], "notes");
    const prices = { scripted: { input: 2, output: 10 }, notes: { input: 1, output: 1 } };
    const { agent } = scripted([acts, reply("Done.", 1200, 20)], { store, summarizer, prices });
    const talk = "I would like to tell you at length about my many visits to the harbour of Oslo. ".repeat(5);
    const messages = [new HumanMessage(talk), new AIMessage("Hm."), new HumanMessage("Now.")];
    const recorder = new TrajectoryRecorder();
    const run = { ...ada(), callbacks: [recorder], metadata: { [METADATA.rolloutId]: "r1" } };
    const { usage } = await agent.invoke({ messages }, run);
    expect(usage.policy).toMatchObject({ calls: 2, promptTokens: 2200, completionTokens: 120 });
    expect(usage.auxiliary).toMatchObject({ calls: 1, promptTokens: 500, completionTokens: 50 });
    expect(usage.operations).toMatchObject({
      ADD: { operations: 1, refused: 0, tokensSaved: 0, promptTokens: 1000 / 3 },
      DELETE: { operations: 1, refused: 1 },
      SUMMARY: { operations: 1, refused: 0, promptTokens: 1000 / 3 + 500 },
      ANSWER: { calls: 1, promptTokens: 1200, completionTokens: 20 },
    });
    expect(usage.operations.SUMMARY?.tokensSaved).toBeGreaterThan(20);
    expect(totalUsage(usage.operations).models).toEqual({
      scripted: { calls: 2, promptTokens: 2200, completionTokens: expect.closeTo(120, 9) },
      notes: { calls: 1, promptTokens: 500, completionTokens: 50 },
    });
    expect(usage.cost).toBeCloseTo((2200 * 2 + 120 * 10 + 500 + 50) / 1e6, 12);
    // The rows are those of a recording, apart from the times: the agent's clock and the recorder's differ.
    const recorded = usageOfSteps(recorder.take("r1"));
    expect(timeless(usage.operations)).toEqual(timeless(recorded));
    expect(usage.cost).toBe(costOf(totalUsage(recorded), prices));
    expect(costOf(totalUsage(usage.operations), { scripted: prices.scripted })).toBeNull();
  });

  it("charges a structured answer to the acting model, whoever summarizes", async () => {
    const { agent } = scripted([reply("Oslo.", 100, 10), structured({ city: "Oslo" })], {
      store,
      summarizer: new ScriptedChatModel([], "notes"),
      responseFormat: city,
      prices: { scripted: { input: 2, output: 10 }, notes: { input: 1, output: 1 } },
    });
    const { usage } = await agent.invoke(says("Where do I live?"), ada());
    expect(usage.cost).toBeCloseTo((120 * 2 + 15 * 10) / 1e6, 12);
  });

  it("begins anew with each invocation and costs null without prices; a repaired response counts twice", async () => {
    const { agent } = scripted([reply("One.", 10, 1), reply("", 5, 1), reply("Two.", 30, 3)], { store });
    const first = await agent.invoke(says("Hi."), ada());
    expect(first.usage).toMatchObject({ policy: { calls: 1, promptTokens: 10 }, operations: {}, cost: null });
    const second = await agent.invoke(
      { ...first, messages: [...first.messages, new HumanMessage("Hi.")] },
      ada(),
    );
    expect(second.usage).toMatchObject({ policy: { calls: 2, promptTokens: 35, completionTokens: 4 } });
  });
});

function timeless(usage: UsageByOperation): unknown {
  return Object.fromEntries(Object.entries(usage).map(([key, row]) => [key, { ...row, latencyMs: 0 }]));
}
