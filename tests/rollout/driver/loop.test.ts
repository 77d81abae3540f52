/** The agent as a plain loop: the state that the graph leaves, and what handlers are told of models called directly. */
import { BaseCallbackHandler } from "@langchain/core/callbacks/base";
import { AIMessage, type BaseMessage, HumanMessage, RemoveMessage } from "@langchain/core/messages";
import { InMemoryStore, messagesStateReducer, REMOVE_ALL_MESSAGES } from "@langchain/langgraph";
import { describe, expect, it } from "vitest";
import { createAgeMemAgent } from "../../../src/agent/agent.js";
import type { AgeMemAgentOptions } from "../../../src/agent/options.js";
import { reduceMessages } from "../../../src/agent/state.js";
import { OfflineSummarizer } from "../../../src/offline/summarizer.js";
import type { DriverRun } from "../../../src/rollout/driver/agent-driver.js";
import { createAgentLoop } from "../../../src/rollout/driver/loop.js";
import { ScriptedChatModel, type ScriptedStep } from "../../../src/testing/scripted-model.js";

const add = (content: string) => ({ tool_calls: [{ name: "Add_memory", args: { content } }] });
const context = { user_id: "ada" };

/** Without times; ids of runs are numbered. */
function plain(state: unknown): unknown {
  return JSON.parse(JSON.stringify(state), (key, value) => (key === "latencyMs" ? 0 : value));
}

async function bothStates(
  steps: ScriptedStep[],
  options: Partial<AgeMemAgentOptions>,
  messages: BaseMessage[],
  run: DriverRun = {},
) {
  const given = () => ({ ...options, model: new ScriptedChatModel(steps), store: new InMemoryStore() });
  const config = { context, configurable: { agemem_run_key: "r1" }, ...run };
  const loop = await createAgentLoop(given()).invoke({ messages }, config);
  const graph = await createAgeMemAgent(given()).invoke({ messages }, config);
  expect(plain(loop)).toEqual(plain(graph));
  return loop;
}

const question = [new HumanMessage({ id: "h1", content: "I live in Tartu. Where do I live?" })];

describe("the loop leaves the state of the graph", () => {
  it("after memory operations and an answer", async () => {
    const state = await bothStates([add("Lives in Tartu."), "In Tartu."], {}, question);
    expect(state).toMatchObject({ status: "answered", finalAnswer: "In Tartu.", steps: 2 });
    expect(state.usage.operations.ADD).toMatchObject({ operations: 1 });
  });

  it.each(["answer", "stop"] as const)("when the steps run out, %s", async (onMaxSteps) => {
    const steps = new Array(4).fill(add("Lives in Tartu."));
    const state = await bothStates(steps, { maxSteps: 2, onMaxSteps }, question);
    expect(state).toMatchObject({ status: "max_steps", finalAnswer: null, steps: 2 });
  });

  it("when the response cannot be read, also after a repair", async () => {
    const state = await bothStates(["", ""], {}, question);
    expect(state).toMatchObject({ status: "format_error", formatErrors: 2 });
  });

  it("when the guard summarizes the oldest rounds", async () => {
    const history = Array.from({ length: 12 }, (_, i) => {
      const content = `Day ${i}: we spoke about the ${i}th harbour at length, and about its ships and cranes.`;
      return i % 2
        ? new AIMessage({ id: `m${i}`, content })
        : new HumanMessage({ id: `m${i}`, content: `${content} ${content}` });
    });
    const options = {
      budget: { maxTokens: 1000, responseTokens: 100 },
      summarizer: new OfflineSummarizer(),
    };
    const state = await bothStates(["Noted."], options, [...history, ...question]);
    expect(state).toMatchObject({ overflows: 1, status: "answered" });
  });

  it.each([
    [new Error("gone"), { context }, "AGEMEM_MODEL_FAILED"],
    [add("Lives in Tartu."), {}, "AGEMEM_NAMESPACE_VALUE_MISSING"],
  ])("throws what the graph throws: %s", async (step, run, code) => {
    const given = () => ({ model: new ScriptedChatModel([step]), store: new InMemoryStore() });
    for (const agent of [createAgentLoop(given()), createAgeMemAgent(given())]) {
      await expect(agent.invoke({ messages: question }, run)).rejects.toMatchObject({ code });
    }
  });

  it("stops at the signal, although the model does not", async () => {
    const model = new ScriptedChatModel([() => new Promise<never>(() => undefined)]);
    const controller = new AbortController();
    const run = createAgentLoop({ model, store: new InMemoryStore() }).invoke(
      { messages: question },
      { context, signal: controller.signal },
    );
    setTimeout(() => controller.abort(new Error("enough")), 10);
    await expect(run).rejects.toThrow("enough");
  });
});

class Events extends BaseCallbackHandler {
  readonly name = "events";
  readonly seen: string[] = [];
  override awaitHandlers = true;
  override handleChatModelStart(
    _model: unknown,
    messages: BaseMessage[][],
    _runId: string,
    _parentRunId?: string,
    extra?: Record<string, unknown>,
    tags?: string[],
  ): void {
    const { tools } = { ...(extra?.invocation_params as object) } as { tools?: unknown[] };
    this.seen.push(`model ${messages[0]?.length} messages, ${tools?.length} tools, tags ${tags?.join()}`);
  }
  override handleLLMEnd(): void {
    this.seen.push("model end");
  }
  override handleLLMError(error: Error): void {
    this.seen.push(`model error ${error.message}`);
  }
}

describe("a model called directly", () => {
  it("tells handlers what invoke tells them, and keeps to invoke where the model has surroundings of its own", async () => {
    const told = async (own: boolean, steps: ScriptedStep[]) => {
      const events = new Events();
      const model = new ScriptedChatModel(steps);
      if (own) model.callbacks = [new Events()];
      const agent = createAgentLoop({ model, store: new InMemoryStore() });
      await agent.invoke({ messages: question }, { context, callbacks: [events] }).catch(() => undefined);
      return events.seen;
    };
    const steps = () => ["", add("Lives in Tartu."), new Error("gone")];
    const directly = await told(false, steps());
    expect(directly).toEqual([
      "model 2 messages, 6 tools, tags ",
      "model end",
      // The empty response is not shown to the model: providers refuse an assistant's message without content.
      "model 3 messages, 6 tools, tags agemem:repair",
      "model end",
      "model 4 messages, 6 tools, tags ",
      "model error gone",
    ]);
    expect(await told(true, steps())).toEqual(directly);
  });
});

describe("messages of an update join the state as LangGraph puts them there", () => {
  const a = new HumanMessage({ id: "a", content: "1" });
  const b = new AIMessage({ id: "b", content: "2" });
  const updates: [string, BaseMessage[]][] = [
    ["none", []],
    ["new ones", [new HumanMessage({ id: "c", content: "3" }), new AIMessage({ id: "d", content: "4" })]],
    ["one known by its id", [new HumanMessage({ id: "a", content: "5" })]],
    [
      "two of one id",
      [new HumanMessage({ id: "c", content: "6" }), new AIMessage({ id: "c", content: "7" })],
    ],
    ["a removal", [new RemoveMessage({ id: "a" }), new AIMessage({ id: "c", content: "8" })]],
    ["a new list", [new RemoveMessage({ id: REMOVE_ALL_MESSAGES }), b]],
    ["one in another form", [{ role: "user", id: "c", content: "9" } as unknown as BaseMessage]],
  ];

  it.each(updates)("%s", (_, update) => {
    expect(reduceMessages([a, b], update)).toEqual(messagesStateReducer([a, b], update));
  });

  it("one without an id, which gets one", () => {
    const ids = reduceMessages([a], [new AIMessage("10")]).map(({ id }) => id);
    expect(ids).toEqual(["a", expect.stringMatching(/^[0-9a-f-]{36}$/)]);
  });
});
