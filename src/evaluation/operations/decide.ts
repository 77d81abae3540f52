/**
 * Plays a situation through the agent's own nodes up to the choice, and asks the model under test for it.
 *
 * The model reads the product's own system prompt, tool schemas, retrieval blocks and tool answers, not copies of them.
 * Owns that one decision. Leaves out the verdict (`grade.ts`) and runs over many situations (`run.ts`).
 */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import type { AIMessage } from "@langchain/core/messages";
import type { BaseStore } from "@langchain/langgraph";
import { thinkNode } from "../../agent/nodes/think.js";
import type { AgeMemAgentOptions } from "../../agent/options.js";
import { type AgentParts, createParts } from "../../agent/parts.js";
import type { AgentStateValue } from "../../agent/state.js";
import { addTokens, NO_CALLS, reportedTokens } from "../../lib/call-usage.js";
import { shortHash } from "../../lib/hash.js";
import type { PromptVariant } from "../../prompts.js";
import { applyUpdate } from "../../rollout/driver/loop.js";
import { FORMAT_ERROR_KEY, isOutcome } from "../../types.js";
import type { GradedDecision } from "./grade.js";
import { play } from "./play.js";
import type { OperationSituation } from "./situation.js";

/** A model under test, and its settings. */
export interface Subject {
  model: BaseChatModel;
  /** Default "native". */
  protocol?: "native" | "text";
  /** Default "full". */
  promptVariant?: PromptVariant;
  /** A token counter that fits the model. */
  counter?: NonNullable<AgeMemAgentOptions["counter"]>;
}

/** A decision and its cost. */
export interface Decided extends GradedDecision {
  /** The model's first response; if it was repaired, the decision is the repaired one. */
  first: string;
  /** Prompt tokens of all calls, including a repair; null if the server did not report them. */
  promptTokens: number | null;
  responseTokens: number | null;
  /** 1, or 2 with a repair. */
  modelCalls: number;
  /** Milliseconds. */
  latencyMs: number;
}

/** Budget of situations that do not say how full their context is; large enough for all of them. */
const WIDE_BUDGET = 8192;

/**
 * Gets one decision.
 *
 * @param store may be shared: each situation has a user of its own, so that they do not see each other's memories
 * @throws ModelError `AGEMEM_MODEL_*` when the model cannot be asked
 * @example
 * const decided = await askForDecision(situation, { model, protocol: "text" }, store);
 * grade(situation, decided).rightOperation;
 */
export async function askForDecision(
  situation: OperationSituation,
  subject: Subject,
  store: BaseStore,
): Promise<Decided> {
  const user = shortHash(`${situation.id}/${subject.protocol}/${subject.promptVariant}`, 16);
  await remember(situation, store, user);
  const script: AIMessage[] = [];
  const asked: AIMessage[] = [];
  const build = (maxTokens: number): AgentParts =>
    createParts(optionsOf(subject, store, maxTokens), {
      ask: async (model, messages, config) => {
        const played = script.shift();
        if (played) return played;
        const response = (await model.invoke(messages, config)) as AIMessage;
        asked.push(response);
        return response;
      },
      run: (operation, call) => operation.run(call),
    });
  const config = { context: { user_id: user }, configurable: { agemem_run_key: situation.id } };
  const played = await play(build(WIDE_BUDGET), situation, script, config);
  const budget =
    situation.fill === undefined
      ? WIDE_BUDGET
      : Math.ceil(sizeOf(build(WIDE_BUDGET), played) / situation.fill);
  const parts = build(budget);
  const started = performance.now();
  const after = applyUpdate(played, await thinkNode(parts)(played, config));
  const latencyMs = performance.now() - started;
  return { ...readDecision(parts, played, after), ...costOf(asked), latencyMs };
}

function optionsOf(subject: Subject, store: BaseStore, maxTokens: number): AgeMemAgentOptions {
  return {
    model: subject.model,
    store,
    protocol: subject.protocol ?? "native",
    promptVariant: subject.promptVariant ?? "full",
    namespace: ["situations", "{user_id}", "memories"],
    // The guard must not act in place of the model.
    onOverflow: "record",
    budget: { maxTokens, responseTokens: 0 },
    ...(subject.counter ? { counter: subject.counter } : {}),
  };
}

async function remember({ memories }: OperationSituation, store: BaseStore, user: string): Promise<void> {
  for (const { id, content } of memories) {
    const value = { content, memory_type: "fact", metadata: {}, source: {} };
    await store.put(["situations", user, "memories"], id, value, ["content"]);
  }
}

/** Tokens of the prompt on which the choice is made, except for the digits in the budget line. */
function sizeOf(parts: AgentParts, state: AgentStateValue): number {
  const messages = state.messages.reduce((sum, message) => sum + parts.kit.counter.countMessage(message), 0);
  return messages + parts.systemTokens(parts.system) + parts.sentToolTokens;
}

function readDecision(parts: AgentParts, before: AgentStateValue, after: AgentStateValue): GradedDecision {
  const message = after.messages.at(-1) as AIMessage;
  const broken = message.additional_kwargs[FORMAT_ERROR_KEY] as string | undefined;
  const repaired = after.formatErrors > before.formatErrors;
  const { formatError, answer } = parts.protocol.read(message);
  const calls = broken === undefined ? (message.tool_calls ?? []) : [];
  const added = before.messages.findLast(
    ({ type, artifact }: { type: string; artifact?: unknown }) =>
      type === "tool" && isOutcome(artifact) && artifact.op === "ADD" && artifact.ok,
  ) as { artifact: { memoryIds: string[] } } | undefined;
  const problem = broken ?? (repaired ? "the first response broke the protocol" : undefined);
  return {
    calls: calls.map((call) => ({ op: parts.operations.get(call.name)?.op, call })),
    answer: calls.length > 0 || formatError !== undefined ? null : answer,
    ...(problem === undefined ? {} : { formatError: problem }),
    ...(added?.artifact.memoryIds[0] === undefined ? {} : { addedId: added.artifact.memoryIds[0] }),
  };
}

function costOf(asked: readonly AIMessage[]): Omit<Decided, keyof GradedDecision | "latencyMs"> {
  const { promptTokens, completionTokens } = asked.map(reportedTokens).reduce(addTokens, NO_CALLS);
  const [first] = asked;
  const calls = first?.tool_calls?.length ? JSON.stringify(first.tool_calls) : "";
  return {
    first: [first?.text, calls].filter(Boolean).join("\n"),
    promptTokens,
    responseTokens: completionTokens,
    modelCalls: asked.length,
  };
}
