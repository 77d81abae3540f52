/** What an agent's usage and its recording say of calls that failed, were cached, or that the server did not report. */
import { AIMessage, HumanMessage } from "@langchain/core/messages";
import { ChatOpenAI } from "@langchain/openai";
import { createAgent } from "langchain";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AgeMemAgent, createAgeMemAgent } from "../../src/agent/agent.js";
import { ageMemMiddleware } from "../../src/agent/middleware/middleware.js";
import type { AgentUsage } from "../../src/agent/usage.js";
import { costOf, totalUsage } from "../../src/lib/usage.js";
import type { FaissStore } from "../../src/store/faiss-store.js";
import { type OpenAIServer, startOpenAIServer } from "../../src/testing/openai-server.js";
import type { WireReply } from "../../src/testing/openai-wire.js";
import { ScriptedChatModel } from "../../src/testing/scripted-model.js";
import { TrajectoryRecorder } from "../../src/trajectory/recorder.js";
import { usageOfSteps } from "../../src/trajectory/usage.js";
import { METADATA } from "../../src/types.js";
import { ToolBench } from "../tools/bench-kit.js";
import { ada, openStore, outcomesOf, says } from "./helpers.js";

let store: FaissStore;
let server: OpenAIServer | undefined;
beforeEach(async () => {
  store = await openStore();
  return () => store.close();
});
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const tokens = (input_tokens: number, output_tokens: number) => ({
  input_tokens,
  output_tokens,
  total_tokens: input_tokens + output_tokens,
});
const told = (content: string, input: number, output: number) =>
  new AIMessage({ content, usage_metadata: tokens(input, output) });
const summary = (id: string) =>
  new AIMessage({
    content: "",
    tool_calls: [{ name: "Summary_context", args: { span: "all" }, id }],
    usage_metadata: tokens(1000, 100),
  });
const talk = "I would like to tell you at length about my many visits to the harbour of Oslo. ".repeat(5);
const history = () => ({
  messages: [new HumanMessage(talk), new AIMessage("Hm."), new HumanMessage("Now.")],
});
const prices = { scripted: { input: 2, output: 10 }, notes: { input: 1, output: 1 } };

/** A run with its recorder. */
function recorded(thread = "t") {
  const recorder = new TrajectoryRecorder();
  return {
    config: { ...ada(thread), callbacks: [recorder], metadata: { [METADATA.rolloutId]: "r1" } },
    take: () => recorder.take("r1"),
  };
}

async function openai(replies: WireReply[]): Promise<ChatOpenAI> {
  server = await startOpenAIServer(replies);
  const configuration = { baseURL: server.url };
  return new ChatOpenAI({ model: "gpt", apiKey: "none", maxRetries: 0, configuration });
}

type Recorded = ReturnType<typeof recorded>["config"];

/** The usage of an invocation; a consumer of message chunks makes the model stream. */
async function usageOf(agent: AgeMemAgent, config: Recorded, streamed: boolean): Promise<AgentUsage> {
  if (!streamed) return (await agent.invoke(says("Hello."), config)).usage;
  let usage: AgentUsage | undefined;
  const modes = { ...config, streamMode: ["messages", "values"] as const };
  for await (const part of await agent.stream(says("Hello."), modes as never)) {
    const [mode, chunk] = part as unknown as [string, { usage: AgentUsage }];
    if (mode === "values") usage = chunk.usage;
  }
  return usage as AgentUsage;
}

describe.each([{ streamed: false }, { streamed: true }])(
  "a server's report, streamed: $streamed",
  ({ streamed }) => {
    const price = { gpt: { input: 2, output: 10, cachedInput: 0.5 } };

    it("that there is none of leaves tokens and cost unknown, not 0", async () => {
      const model = await openai([{ content: "Hi.", usage: null }]);
      const agent = createAgeMemAgent({ model, store, prices: price });
      const { config, take } = recorded();
      const usage = await usageOf(agent, config, streamed);
      const unknown = { calls: 1, promptTokens: null, completionTokens: null, unreported: 1 };
      expect(usage).toMatchObject({ policy: unknown, operations: { ANSWER: unknown }, cost: null });
      expect(usage.auxiliary).toMatchObject({ calls: 0, promptTokens: 0, completionTokens: 0 });
      const steps = take();
      expect(steps[0]).toMatchObject({ usage: null, error: null });
      expect(totalUsage(usageOfSteps(steps))).toMatchObject(unknown);
    });

    it("of cached tokens is kept in the recording, and priced there as in the agent", async () => {
      const reported = { prompt_tokens: 1000, completion_tokens: 10, cached_tokens: 600 };
      const model = await openai([{ content: "Hi.", usage: reported }]);
      const agent = createAgeMemAgent({ model, store, prices: price });
      const { config, take } = recorded();
      const usage = await usageOf(agent, config, streamed);
      const steps = take();
      expect(steps[0]?.usage).toEqual(reported);
      expect(usage.cost).toBeCloseTo((400 * 2 + 600 * 0.5 + 100) / 1e6, 12);
      expect(costOf(totalUsage(usageOfSteps(steps)), price)).toBe(usage.cost);
    });
  },
);

describe("the summarizer's calls", () => {
  it("are marked where nothing was reported of them; the acting model's stay known", async () => {
    const summarizer = new ScriptedChatModel(["They talked."], "notes");
    const model = new ScriptedChatModel([summary("1"), told("Done.", 200, 20)]);
    const agent = createAgeMemAgent({ model, store, summarizer, prices });
    const { config, take } = recorded();
    const result = await agent.invoke(history(), config);
    const { usage } = result;
    expect(usage.policy).toMatchObject({ promptTokens: 1200, completionTokens: 120 });
    const unknown = { calls: 1, promptTokens: null, completionTokens: null, unreported: 1 };
    expect(usage.auxiliary).toMatchObject(unknown);
    expect(totalUsage(usage.operations).models.notes).toEqual(unknown);
    expect(usage.cost).toBeNull();
    const op = take()[0]?.memory_ops[0];
    expect(op?.auxiliary).toMatchObject({ calls: 1, prompt_tokens: null, completion_tokens: null });
  });

  const long = told("They talked at length. ".repeat(200), 500, 400);
  const down = () => Promise.reject(new Error("down"));

  it("are counted and priced where the summary failed or was refused, in the agent", async () => {
    const summarizer = new ScriptedChatModel([long, down], "notes");
    const model = new ScriptedChatModel([summary("1"), summary("2"), told("Done.", 200, 20)]);
    const agent = createAgeMemAgent({ model, store, summarizer, prices });
    const { config, take } = recorded();
    const { usage, messages } = await agent.invoke(history(), config);
    expect(outcomesOf(messages).map(({ ok, error }) => [ok, error?.code])).toEqual([
      [false, "AGEMEM_SUMMARY_FAILED"],
      [false, "AGEMEM_SUMMARY_FAILED"],
    ]);
    expect(usage.auxiliary).toMatchObject({ calls: 2, promptTokens: 500, completionTokens: 400 });
    expect(usage.operations.SUMMARY).toMatchObject({ operations: 2, refused: 2, promptTokens: 2500 });
    expect(usage.cost).toBeCloseTo((2200 * 2 + 220 * 10 + 500 + 400) / 1e6, 12);
    expect(costOf(totalUsage(usageOfSteps(take())), prices)).toBeCloseTo(usage.cost as number, 12);
  });

  it("are counted and priced where the summary failed or was refused, in the middleware", async () => {
    const summarizer = new ScriptedChatModel([long, down], "notes");
    const model = new ScriptedChatModel([summary("1"), summary("2"), told("Done.", 200, 20)]);
    const agent = createAgent({ model, middleware: [ageMemMiddleware({ store, summarizer })] });
    const { config, take } = recorded();
    const { messages } = await agent.invoke(history(), config);
    const spent = outcomesOf(messages).map(({ ok, auxiliary }) => ({ ok, ...auxiliary }));
    expect(spent).toMatchObject([
      { ok: false, calls: 1, promptTokens: 500, completionTokens: 400 },
      { ok: false, calls: 1, promptTokens: 0, completionTokens: 0 },
    ]);
    const rows = usageOfSteps(take());
    expect(rows.SUMMARY).toMatchObject({ operations: 2, refused: 2, promptTokens: 2500 });
    expect(costOf(totalUsage(rows), prices)).toBeCloseTo((2200 * 2 + 220 * 10 + 500 + 400) / 1e6, 12);
  });

  it("are counted where what was summarized cannot be archived", async () => {
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    const spoken = [
      new HumanMessage({ id: "h1", content: talk }),
      new AIMessage({ id: "a1", content: "Hm.", additional_kwargs: { circle } }),
      new HumanMessage({ id: "h2", content: "Now." }),
    ];
    const summarizer = new ScriptedChatModel([told("They talked.", 500, 50)], "notes");
    const bench = new ToolBench({ store, summarizer }, spoken);
    const { outcome } = await bench.call("SUMMARY", { span: "all" });
    expect(outcome).toMatchObject({ ok: false, error: { code: "AGEMEM_INPUT_ARGUMENT" } });
    expect(outcome.auxiliary).toMatchObject({ calls: 1, promptTokens: 500, completionTokens: 50 });
  });
});
