/**
 * What the agent costs beside its model: per step against langchain's `createAgent`, with growing history, and for the
 * context edits. The model answers at once, so all time measured is the framework's. Variants are timed in turns, so
 * that a busy machine slows all of them alike; every figure is the lower quartile. `--rounds 60` sets how many.
 */
import { parseArgs } from "node:util";
import { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { AIMessage, type BaseMessage, HumanMessage } from "@langchain/core/messages";
import type { ChatResult } from "@langchain/core/outputs";
import { tool } from "@langchain/core/tools";
import { END, InMemoryStore, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { ToolNode } from "@langchain/langgraph/prebuilt";
import { createAgent } from "langchain";
import { z } from "zod";
import { countMessages } from "../src/context/budget.js";
import {
  ageMemMiddleware,
  createAgeMemAgent,
  createMemoryTools,
  type MemoryOp,
  tokenCounter,
} from "../src/index.js";
import type { MessageFacts } from "../src/types.js";
import { PAPER_TOOL_NAMES } from "../src/types.js";

const STEPS = 20;
const noop = tool(async () => "ok", { name: "noop", description: "Does nothing.", schema: z.object({}) });

/** Calls the no-op tool a number of times, then answers; at once. */
class InstantModel extends BaseChatModel {
  #left: number;
  constructor(steps: number) {
    super({});
    this.#left = steps;
  }
  override _llmType(): string {
    return "instant";
  }
  override bindTools(): this {
    return this;
  }
  override async _generate(): Promise<ChatResult> {
    const calls = this.#left-- > 0 ? [{ name: "noop", args: {}, id: `c${this.#left}` }] : [];
    const message = new AIMessage({ content: calls.length ? "" : "done", tool_calls: calls });
    return { generations: [{ text: message.text, message }] };
  }
}

type Runner = (messages: BaseMessage[]) => Promise<unknown>;
const store = new InMemoryStore();
const roomy = { maxTokens: 10_000_000, responseTokens: 0 };
const config = { configurable: { user_id: "bench" }, recursionLimit: 1000 };

/** Each builds its graph first; only running it is timed. */
const variants: Record<string, () => Runner> = {
  agemem: () => {
    const model = new InstantModel(STEPS);
    const agent = createAgeMemAgent({ model, store, tools: [noop], maxSteps: STEPS + 5, budget: roomy });
    // A thread's older messages were counted when they came.
    return (messages) => agent.invoke({ messages, contextFacts: factsOf(messages) }, config);
  },
  middleware: () => {
    const middleware = [ageMemMiddleware({ store, budget: roomy })];
    const agent = createAgent({ model: new InstantModel(STEPS), tools: [noop], middleware });
    return (messages) => agent.invoke({ messages }, config);
  },
  createAgent: () => {
    const agent = createAgent({ model: new InstantModel(STEPS), tools: [noop] });
    return (messages) => agent.invoke({ messages }, config);
  },
  langgraph: () => {
    const model = new InstantModel(STEPS);
    const graph = new StateGraph(MessagesAnnotation)
      .addNode("model", async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
      .addNode("tools", new ToolNode([noop]))
      .addEdge(START, "model")
      .addConditionalEdges("model", ({ messages }) =>
        (messages.at(-1) as AIMessage).tool_calls?.length ? "tools" : END,
      )
      .addEdge("tools", "model")
      .compile();
    return (messages) => graph.invoke({ messages }, config);
  },
};

const counter = tokenCounter();
const counted = new Map<number, MessageFacts>();
function factsOf(messages: BaseMessage[]): MessageFacts {
  const facts = counted.get(messages.length) ?? countMessages(messages, {}, counter).facts;
  counted.set(messages.length, facts);
  return facts;
}

/** Runs the benchmark and returns what its last line prints. Times in milliseconds. */
export async function run(args: string[]): Promise<Record<string, number>> {
  const options = { rounds: { type: "string", default: "60" }, json: { type: "boolean" } } as const;
  const { values } = parseArgs({ args, options });
  const rounds = Number(values.rounds);
  const short = await stepTimes(Object.keys(variants), 10, rounds);
  const long = await stepTimes(["agemem", "langgraph"], 1000, rounds);
  const at = (times: Record<string, number>, name: string) => times[name] as number;
  const [own, base] = [at(short, "agemem"), at(short, "createAgent")];
  const langgraphGrowth = at(long, "langgraph") - at(short, "langgraph");
  return rounded({
    step_overhead_vs_create_agent: own / base,
    middleware_overhead_vs_create_agent: at(short, "middleware") / base,
    history_growth: (at(long, "agemem") - langgraphGrowth) / own,
    history_growth_whole: at(long, "agemem") / own,
    history_growth_langgraph: at(long, "langgraph") / at(short, "langgraph"),
    step_ms: own,
    step_ms_create_agent: base,
    step_ms_1000_messages: at(long, "agemem"),
    filter_ms_1000_messages: await editTime("FILTER", { criteria: "cheap sunglasses" }, 1000, rounds),
    summary_overhead_ms: await editTime("SUMMARY", { span: "all" }, 100, rounds),
  });
}

/** Time of one think+tool step, per variant. */
async function stepTimes(names: string[], messages: number, rounds: number): Promise<Record<string, number>> {
  const times: Record<string, number[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = -2; round < rounds; round++) {
    for (const name of names) {
      const runner = (variants[name] as () => Runner)();
      const input = history(messages);
      const started = performance.now();
      await runner(input);
      if (round >= 0) times[name]?.push((performance.now() - started) / STEPS);
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, list]) => [name, quartile(list)]));
}

/** Time of one edit of a context. */
async function editTime(op: MemoryOp, args: object, messages: number, rounds: number): Promise<number> {
  const [edit] = createMemoryTools({
    store,
    operations: [op],
    budget: roomy,
    summarizer: new InstantModel(0),
  });
  const times: number[] = [];
  for (let round = -2; round < rounds; round++) {
    const id = `edit${round}`;
    const call = { type: "tool_call" as const, name: PAPER_TOOL_NAMES[op], args, id };
    const request = new AIMessage({ id: "request", content: "", tool_calls: [{ ...call, args: {} }] });
    const state = { messages: [...history(messages), request] };
    const runtime = { configurable: { user_id: "bench", thread_id: "t" }, state, toolCallId: id };
    const started = performance.now();
    await edit?.invoke(call, runtime);
    if (round >= 0) times.push(performance.now() - started);
  }
  return quartile(times);
}

function history(count: number): BaseMessage[] {
  return Array.from({ length: count }, (_, i) => {
    const noise =
      i % 10 === 0 ? "Buy cheap sunglasses." : `We met at the harbour on day ${i} and spoke of ships.`;
    const fields = { id: `m${i}`, content: noise };
    return i % 2 && i < count - 1 ? new AIMessage(fields) : new HumanMessage(fields);
  });
}

/** Other programs of the machine only ever add time. */
function quartile(list: number[]): number {
  return list.toSorted((a, b) => a - b)[Math.floor(list.length / 4)] as number;
}

function rounded(figures: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, Number(value.toFixed(3))]));
}
