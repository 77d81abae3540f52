/**
 * Random conversations with the real agent, or with langchain's createAgent and the middleware, every request of which is
 * checked against the providers' rules. All from one seed.
 */
import {
  AIMessage,
  type BaseMessage,
  HumanMessage,
  RemoveMessage,
  SystemMessage,
  ToolMessage,
} from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { Command, InMemoryStore, MemorySaver, type Operation } from "@langchain/langgraph";
import { createAgent } from "langchain";
import { z } from "zod";
import { createAgeMemAgent } from "../../src/agent/agent.js";
import { ageMemMiddleware } from "../../src/agent/middleware/middleware.js";
import { StoreError } from "../../src/errors.js";
import { createRandom, type Random } from "../../src/lib/random.js";
import { ScriptedChatModel } from "../../src/testing/scripted-model.js";
import { charCounter } from "../context/helpers.js";
import { anthropicProblems, openAIProblems } from "./provider-rules.js";
import { anthropicRequest, openAIMessages } from "./provider-wire.js";
import { RandomModel, TOPICS, talk } from "./random-model.js";

/** What a number of conversations came to. */
export interface ConversationReport {
  conversations: number;
  /** Requests checked, by provider. */
  calls: { openai: number; anthropic: number };
  /** Summaries and filters made. */
  edits: number;
  /** Each with its seed. */
  violations: { openai: string[]; anthropic: string[] };
  /** Failures that no conversation should meet. */
  failures: string[];
}

export const NO_REPORT = (): ConversationReport => ({
  conversations: 0,
  calls: { openai: 0, anthropic: 0 },
  edits: 0,
  violations: { openai: [], anthropic: [] },
  failures: [],
});

/** Two reports as one. */
export function addReports(a: ConversationReport, b: ConversationReport): ConversationReport {
  return {
    conversations: a.conversations + b.conversations,
    calls: { openai: a.calls.openai + b.calls.openai, anthropic: a.calls.anthropic + b.calls.anthropic },
    edits: a.edits + b.edits,
    violations: {
      openai: [...a.violations.openai, ...b.violations.openai],
      anthropic: [...a.violations.anthropic, ...b.violations.anthropic],
    },
    failures: [...a.failures, ...b.failures],
  };
}

/** One line: what was played, checked and found. */
export function describeReport({
  conversations,
  calls,
  edits,
  violations,
  failures,
}: ConversationReport): string {
  const of = (name: "openai" | "anthropic") =>
    `${calls[name]} requests by ${name}'s rules, ${violations[name].length} violations`;
  return `${conversations} conversations, ${edits} edits; ${of("openai")}; ${of("anthropic")}; ${failures.length} failures`;
}

/** Plays the conversation of a seed and adds it to the report. */
export async function playConversation(seed: number, report: ConversationReport): Promise<void> {
  const random = createRandom(`conversation-${seed}`);
  const style = random.next() < 0.25 ? ("blocks" as const) : ("plain" as const);
  const sameIds = random.next() < 0.2;
  const model = new RandomModel({ random, style, sameIds, onRequest: (m) => check(m, style, seed, report) });
  const store = new FlakyStore(random);
  const agent = random.next() < 0.5 ? ownAgent(model, store, random) : langchainAgent(model, store, random);
  const config = { context: { user_id: "ada" }, configurable: { thread_id: "t" }, recursionLimit: 40 };
  for (let turn = 0, turns = 1 + random.integer(3); turn < turns; turn++) {
    try {
      await agent.invoke({ messages: userTurn(random, turn) }, config);
    } catch (error) {
      const text = String((error as Error)?.message ?? error);
      if (!/is down|disk failed|Recursion limit/.test(text)) report.failures.push(`seed ${seed}: ${text}`);
    }
  }
  report.conversations += 1;
  report.edits += (await store.search(["agemem-archive"], { limit: 1000 })).length;
}

function check(
  messages: readonly BaseMessage[],
  style: string,
  seed: number,
  report: ConversationReport,
): void {
  const { system, messages: sent } = anthropicRequest(messages);
  report.calls.anthropic += 1;
  for (const each of anthropicProblems(system, sent))
    report.violations.anthropic.push(`seed ${seed}: ${each}`);
  // Blocks of Anthropic's are never sent to OpenAI.
  if (style === "blocks") return;
  report.calls.openai += 1;
  for (const each of openAIProblems(openAIMessages(messages)))
    report.violations.openai.push(`seed ${seed}: ${each}`);
}

interface Agent {
  invoke(input: { messages: BaseMessage[] }, config: Record<string, unknown>): Promise<unknown>;
}

function settings(random: Random) {
  return {
    budget: { maxTokens: random.pick([1500, 2200, 4000]), responseTokens: 200 },
    counter: charCounter(),
    theta: random.pick([0.15, 0.3, 0.6]),
    segmentMinTokens: random.pick([20, 80]),
    summarizer: summarizer(random),
  };
}

function ownAgent(model: RandomModel, store: InMemoryStore, random: Random): Agent {
  const maxSteps = 1 + random.integer(6);
  const tools = ownTools(random, true);
  const checkpointer = memorySaver(random);
  return createAgeMemAgent({ model, store, tools, maxSteps, checkpointer, ...settings(random) }) as Agent;
}

function langchainAgent(model: RandomModel, store: InMemoryStore, random: Random): Agent {
  const trigger = random.pick([{ messages: 6 }, { tokens: 900 }, { messages: 40 }]);
  const keep = random.pick([{ messages: 2 }, { fraction: 0.5 }]);
  return createAgent({
    model,
    systemPrompt: "You are Otto.",
    tools: ownTools(random, false),
    checkpointer: memorySaver(random),
    middleware: [ageMemMiddleware({ store, trigger, keep, ...settings(random) })],
  }) as unknown as Agent;
}

/** Checkpoints go through their storage form in one conversation of four: it takes as long as all the rest. */
function memorySaver(random: Random): MemorySaver {
  if (random.next() < 0.25) return new MemorySaver();
  const asIs = {
    dumpsTyped: async (value: unknown) => ["json", value],
    loadsTyped: async (_: string, value: unknown) => value,
  };
  return new MemorySaver(asIs as unknown as ConstructorParameters<typeof MemorySaver>[0]);
}

function summarizer(random: Random): ScriptedChatModel {
  const step = () => {
    if (random.next() < 0.15) throw new Error("the summarizer is down");
    return random.next() < 0.1 ? "" : "They talked.";
  };
  return new ScriptedChatModel(new Array(400).fill(step));
}

/** Tools of an application: long and empty answers, failures, messages in the user's role, messages taken away. */
function ownTools(random: Random, alone: boolean) {
  const schema = z.object({ topic: z.string().optional() });
  const make = (name: string, run: (runtime: Runtime) => unknown) =>
    tool(async (_, runtime) => run(runtime as unknown as Runtime), { name, description: name, schema });
  const removes = ({ state, toolCallId }: Runtime) => {
    const first = state.messages.find((message) => message.type !== "system");
    const answer = new ToolMessage({ content: "ok", tool_call_id: toolCallId });
    return new Command({ update: { messages: [new RemoveMessage({ id: first?.id ?? "" }), answer] } });
  };
  const says = ({ toolCallId }: Runtime) => {
    const messages = [
      new ToolMessage({ content: "ok", tool_call_id: toolCallId }),
      new HumanMessage("Be brief."),
    ];
    return new Command({ update: { messages } });
  };
  return [
    make("look", () => (random.next() < 0.2 ? "" : talk(random, random.pick([1, 3, 12])))),
    make("fail", () => {
      throw new Error("no signal");
    }),
    // Calls of createAgent run at the same time; there, one message may not be removed twice.
    ...(alone ? [make("trim", removes), make("remind", says)] : []),
  ];
}

interface Runtime {
  state: { messages: BaseMessage[] };
  toolCallId: string;
}

/** What a user, a developer or an import puts into the thread. */
function userTurn(random: Random, turn: number): BaseMessage[] {
  const human = new HumanMessage(talk(random, random.pick([1, 2, 15])));
  const draw = random.next();
  if (draw < 0.06) return [new HumanMessage(random.pick(["", "  "]))];
  if (draw < 0.14) return [human, new SystemMessage(random.pick(["Be brief.", ""]))];
  if (draw < 0.2) return [new SystemMessage("Today is Monday."), human];
  if (draw < 0.26) {
    const image = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } };
    return [new HumanMessage({ content: [{ type: "text", text: random.pick(TOPICS) }, image] })];
  }
  if (turn > 0 || draw < 0.6) return [human];
  const open = { name: "look", args: {}, id: "old", type: "tool_call" as const };
  const call = new AIMessage({ content: "", tool_calls: [open] });
  const answer = (id: string) => new ToolMessage({ content: "old", tool_call_id: id });
  const pasts: BaseMessage[][] = [
    [new AIMessage("Hello! What can I do for you?")],
    [new HumanMessage("Hi."), call],
    [call, answer("old")],
    [new HumanMessage("Hi."), answer("gone"), new AIMessage("")],
    [new HumanMessage("Hi."), call, new HumanMessage("Well?"), answer("old")],
  ];
  return [...random.pick(pasts), human];
}

/** A disk that fails now and then, in the middle of a step. */
class FlakyStore extends InMemoryStore {
  constructor(private readonly random: Random) {
    super();
  }
  override async batch<Op extends readonly Operation[]>(operations: Op) {
    if (operations.some((op) => "value" in op) && this.random.next() < 0.02) {
      throw new StoreError("AGEMEM_STORE_IO", "The disk failed");
    }
    return super.batch(operations);
  }
}
