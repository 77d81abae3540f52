/**
 * The think node: one policy call over the context, with the overflow guard before it and one repair after it.
 *
 * Owns what the model is shown. Leaves out how a protocol renders and reads it (`protocols/`) and running tools.
 */
import { dispatchCustomEvent } from "@langchain/core/callbacks/dispatch";
import { type AIMessage, type BaseMessage, HumanMessage, SystemMessage } from "@langchain/core/messages";
import type { LangGraphRunnableConfig } from "@langchain/langgraph";
import { countMessages, type FactsUpdate, promptLimit } from "../../context/budget.js";
import { toMessagesUpdate } from "../../context/edit.js";
import { providerView } from "../../context/provider-view.js";
import { AgeMemError } from "../../errors.js";
import { shortHash } from "../../lib/hash.js";
import { ownerOf, runKeyOf } from "../../lib/run-owner.js";
import { describeModelError } from "../../models/chat-model.js";
import { budgetLine, LAST_STEP_LINE, repairPrompt } from "../../prompts.js";
import { reduceOverflow } from "../../tools/overflow.js";
import type { MemoryToolkit } from "../../tools/toolkit.js";
import { modelCallConfig } from "../../tools/tracing.js";
import {
  FORMAT_ERROR_KEY,
  isVersionedStore,
  MEMORY_EVENT,
  METADATA,
  type MemoryOpOutcome,
  PROTOCOL_REPAIR_TAG,
} from "../../types.js";
import type { AgentParts } from "../parts.js";
import type { ModelTurn } from "../protocol.js";
import type { AgentStateUpdate, AgentStateValue } from "../state.js";
import { type AgentUsage, addModelCall, addOutcome, type Caller, noUsage, withCost } from "../usage.js";

/** Builds the node. */
export function thinkNode(parts: AgentParts) {
  return async (state: AgentStateValue, config: LangGraphRunnableConfig): Promise<AgentStateUpdate> => {
    const { owner } = ownerOf(parts.kit.namespace, config, state.memoryOwner);
    const limits = parts.limits(config);
    const steps = (goesOn(state) ? state.steps : 0) + 1;
    const lastStep = steps >= limits.maxSteps && limits.onMaxSteps === "answer";
    const kit = { ...parts.kit, store: await parts.memory(state.ltmVersion, config) };
    const guarded = await guard(parts, kit, state, config);
    const frame = frameOf(parts, guarded.tokens, lastStep);
    const before = steps === 1 ? noUsage() : state.usage;
    const usage = guarded.outcome ? addOutcome(before, guarded.outcome, parts.models.auxiliary) : before;
    const traced = modelCallConfig(config, kit.store);
    const system = new SystemMessage(frame.text);
    const turn = await converse(parts, [system, ...guarded.messages], traced, lastStep, usage);
    return {
      messages: guarded.edited ? toMessagesUpdate([...guarded.messages, turn.message]) : [turn.message],
      contextFacts: guarded.facts,
      contextOverhead: frame.tokens,
      contextTokens: guarded.tokens,
      ...(isVersionedStore(kit.store) ? { ltmVersion: kit.store.version() } : {}),
      ...(state.memoryOwner ? {} : { memoryOwner: owner }),
      usage: withCost(turn.usage, parts.prices),
      steps,
      // Writes only what changes, because every channel of an update is validated and stored at every step.
      ...(guarded.overflowed ? { overflows: state.overflows + 1 } : {}),
      ...(turn.formatErrors > 0 ? { formatErrors: state.formatErrors + turn.formatErrors } : {}),
      ...(steps === 1
        ? { status: "running", finalAnswer: null, structuredResponse: null, structuredError: null }
        : {}),
    };
  };
}

/** Whether the newest message is still the tools' last one; otherwise this is the first step of an invocation. */
function goesOn({ messages, afterTools }: AgentStateValue): boolean {
  return afterTools !== null && messages.at(-1)?.id === afterTools;
}

/** Sets a derived message id in seeded rollouts, which must repeat exactly; other runs keep the provider's id. */
function fixId(message: AIMessage, config: LangGraphRunnableConfig, repair: boolean): void {
  const runKey = runKeyOf(config.configurable);
  if (!runKey) return;
  const call = `${runKey}/${config.metadata?.langgraph_step ?? ""}${repair ? "/repair" : ""}`;
  message.id = `a${shortHash(call, 12)}`;
}

interface GuardedContext {
  messages: BaseMessage[];
  facts: FactsUpdate;
  /** Tokens of the whole prompt: messages, system prompt, tools. */
  tokens: number;
  edited: boolean;
  overflowed: boolean;
  /** The outcome of the emergency summary, or why there is none. */
  outcome?: MemoryOpOutcome;
}

/** Counts the context. If it exceeds the limit, summarizes the oldest rounds (production) or only records it (training). */
async function guard(
  parts: AgentParts,
  kit: MemoryToolkit,
  state: AgentStateValue,
  config: LangGraphRunnableConfig,
): Promise<GuardedContext> {
  const overhead = frameOf(parts, 0, false).tokens;
  const counted = countMessages(state.messages, state.contextFacts, kit.counter);
  const tokens = counted.total + overhead;
  const whole = { messages: state.messages, facts: counted.update, tokens, edited: false };
  if (tokens <= limitOf(parts)) return { ...whole, overflowed: false };
  if (parts.onOverflow === "record") return { ...whole, overflowed: true };
  const done = await reduceOverflow(kit, { ...state, contextFacts: counted.facts }, overhead, config);
  if (!done) return { ...whole, overflowed: true };
  const { outcome, reduced } = done;
  config.writer?.({ event: MEMORY_EVENT, ...outcome });
  await dispatchCustomEvent(MEMORY_EVENT, outcome, config);
  if (!reduced) return { ...whole, overflowed: true, outcome };
  const facts = { ...counted.update, ...reduced.facts };
  const { messages } = reduced;
  return { messages, facts, tokens: outcome.tokensAfter, edited: true, overflowed: true, outcome };
}

/** In training only exceeding the whole window counts; production keeps room for the response. */
function limitOf({ onOverflow, kit: { budget } }: AgentParts): number {
  return onOverflow === "record" ? budget.maxTokens : promptLimit(budget);
}

/** The system prompt of a step, and its tokens together with those of the tool schemas. */
function frameOf(parts: AgentParts, tokens: number, lastStep: boolean) {
  const budget = parts.tellsBudget ? budgetLine(tokens, limitOf(parts)) : "";
  const lines = [parts.system, lastStep ? LAST_STEP_LINE : "", budget];
  const text = lines.filter(Boolean).join("\n\n");
  return { text, tokens: parts.systemTokens(text) + parts.sentToolTokens };
}

/** Calls the model, and once more if the response breaks the protocol; that exchange stays out of the context. */
async function converse(
  parts: AgentParts,
  messages: BaseMessage[],
  config: LangGraphRunnableConfig,
  lastStep: boolean,
  before: AgentUsage,
): Promise<ModelTurn & { formatErrors: number; usage: AgentUsage }> {
  const first = await ask(parts, providerView(messages), config, lastStep, false);
  const usage = addModelCall(before, first.message, first.latencyMs, callerOf(parts, first));
  if (first.formatError === undefined) return { ...first, formatErrors: 0, usage };
  const repair = new HumanMessage(
    repairPrompt(first.formatError, parts.protocol.name, parts.protocol.hasTools),
  );
  const again = providerView([...messages, first.message, repair]);
  const second = await ask(parts, again, config, lastStep, true);
  if (second.formatError !== undefined) {
    second.message.additional_kwargs = {
      ...second.message.additional_kwargs,
      [FORMAT_ERROR_KEY]: second.formatError,
    };
  }
  const both = addModelCall(usage, second.message, second.latencyMs, callerOf(parts, second));
  return { ...second, formatErrors: second.formatError === undefined ? 1 : 2, usage: both };
}

/** A model call is charged to the operations its response calls, or to the answer if it calls none. */
function callerOf({ models, operations }: AgentParts, { message, formatError }: ModelTurn): Caller {
  const calls = formatError === undefined ? (message.tool_calls ?? []) : [];
  const keys = calls.map((call) => operations.get(call.name)?.op ?? "TOOLS");
  return { role: "policy", model: models.policy, keys: keys.length > 0 ? keys : ["ANSWER"] };
}

async function ask(
  parts: AgentParts,
  messages: BaseMessage[],
  config: LangGraphRunnableConfig,
  lastStep: boolean,
  repair: boolean,
): Promise<ModelTurn & { latencyMs: number }> {
  const started = Date.now();
  let response: AIMessage;
  try {
    response = await parts.protocol.call(
      messages,
      {
        ...config,
        runName: "agemem.think",
        metadata: {
          ...config.metadata,
          [METADATA.callRole]: "policy",
          [METADATA.protocol]: parts.protocol.name,
        },
        ...(repair ? { tags: [...(config.tags ?? []), PROTOCOL_REPAIR_TAG] } : {}),
      },
      { lastStep },
    );
  } catch (error) {
    if (AgeMemError.isInstance(error) || config.signal?.aborted) throw error;
    throw describeModelError(error);
  }
  // The recorder has read it by now; in a checkpoint it would double the size of every message.
  delete response.additional_kwargs.__raw_response;
  fixId(response, config, repair);
  return { ...parts.protocol.read(response), latencyMs: Date.now() - started };
}
