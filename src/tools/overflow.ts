/**
 * The overflow guard: when the context exceeds its budget in production, the oldest rounds are summarized without the
 * model asking.
 *
 * Owns this fallback only. It is recorded under a call id of its own, apart from the model's SUMMARY calls, because a
 * policy must not be rewarded for it.
 */
import type { BaseMessage } from "@langchain/core/messages";
import type { LangGraphRunnableConfig } from "@langchain/langgraph";
import { countMessages, type FactsUpdate, promptLimit } from "../context/budget.js";
import type { AppliedEdit } from "../context/edit.js";
import { emergencyPlan, type FixedTokens, fixedTokens } from "../context/edits/emergency.js";
import { AgeMemError, InputError } from "../errors.js";
import { type MemoryOpOutcome, type MessageFacts, OVERFLOW_CALL_ID } from "../types.js";
import { noteOperations } from "./limits.js";
import { contextOf } from "./operation-context.js";
import { runSummary, spentOn } from "./operations/short-term.js";
import type { MemoryToolkit } from "./toolkit.js";

/** What the guard did. `reduced` is the shorter context; if it is absent, the outcome says why. */
export interface GuardReport {
  outcome: MemoryOpOutcome;
  reduced?: ReducedContext;
}

/** The shorter context. */
export interface ReducedContext {
  messages: BaseMessage[];
  facts: FactsUpdate;
  /** The edit, for an update that touches only the messages it names (`targetedUpdate`). */
  edit: AppliedEdit;
}

/**
 * Summarizes the oldest rounds until the context fits; undefined if it already does. If no summary can make room
 * (`AGEMEM_CONTEXT_FULL`) or writing one fails (`AGEMEM_SUMMARY_FAILED`), the context stays whole, the outcome says so,
 * and it is up to the provider to accept the prompt.
 *
 * @param all summarize everything but `keepIds`, whether the context fits or not, by an edit that can be applied beside
 * others
 */
export async function reduceOverflow(
  kit: MemoryToolkit,
  state: { messages: BaseMessage[]; contextFacts: MessageFacts },
  overheadTokens: number,
  config: LangGraphRunnableConfig,
  all?: { keepIds: Iterable<string> },
): Promise<GuardReport | undefined> {
  const started = Date.now();
  const call = {
    id: OVERFLOW_CALL_ID,
    args: {},
    state: { ...state, contextOverhead: overheadTokens },
    config,
  };
  const context = { ...contextOf(kit, call), parallel: all !== undefined };
  const counted = { facts: state.contextFacts, counter: kit.counter, overheadTokens };
  const tokens = countMessages(state.messages, state.contextFacts, kit.counter).total + overheadTokens;
  const outcome = (rest: Partial<MemoryOpOutcome>): MemoryOpOutcome => ({
    ...blankOutcome(context.namespace, tokens),
    ...rest,
    latencyMs: Date.now() - started,
  });
  const plan = emergencyPlan(state.messages, {
    ...counted,
    ...(all ? { ...EVERYTHING, protectIds: all.keepIds } : { budget: kit.budget }),
  });
  if (!plan) {
    const limit = promptLimit(kit.budget);
    if (tokens <= limit) return undefined;
    return {
      outcome: outcome({
        ok: false,
        error: contextFull(fixedTokens(state.messages, counted), tokens, limit),
      }),
    };
  }
  try {
    const { edit: summarized, auxiliary } = await runSummary(kit, plan, context, "emergency");
    const edit = noteOperations(summarized, state.messages);
    const { editId, removedIds: messageIds, tokensAfter } = edit.report;
    return {
      outcome: outcome({ editId, messageIds, auxiliary, tokensAfter: tokensAfter + overheadTokens }),
      reduced: { messages: edit.messages, facts: edit.facts, edit },
    };
  } catch (error) {
    // Nothing has changed, even if it was the archive that failed.
    if (!AgeMemError.isInstance(error) || error.name !== InputError.name) throw error;
    const { code, message } = error;
    return { outcome: outcome({ ok: false, error: { code, message }, ...spentOn(error) }) };
  }
}

/** A budget that nothing fits, so that everything removable is summarized. */
const EVERYTHING = { budget: { maxTokens: 1, responseTokens: 0 }, target: 0, summaryTokens: 512 } as const;

function blankOutcome(namespace: readonly string[], tokens: number): MemoryOpOutcome {
  return {
    kind: "agemem.op/1",
    op: "SUMMARY",
    toolCallId: OVERFLOW_CALL_ID,
    ok: true,
    memoryIds: [],
    namespace,
    revisionBefore: null,
    revisionAfter: null,
    tokensBefore: tokens,
    tokensAfter: tokens,
    latencyMs: 0,
  };
}

/** The error that lists what fills the context. */
function contextFull(fixed: FixedTokens, tokens: number, limit: number): { code: string; message: string } {
  const n = (count: number) => count.toLocaleString("en-US");
  const parts = [
    `the system prompt and tools (${n(fixed.overhead)} tokens)`,
    fixed.user > 0 ? `the newest user message (${n(fixed.user)})` : "",
    fixed.exchange > 0 ? `the exchange in progress (${n(fixed.exchange)})` : "",
    fixed.other > 0 ? `messages that must stay (${n(fixed.other)})` : "",
  ].filter(Boolean);
  const why =
    fixed.total > limit ? "no summary makes room" : "what could be summarized is too little to help";
  const error = new InputError(
    "AGEMEM_CONTEXT_FULL",
    `The prompt has ${n(tokens)} tokens and ${why}: ${parts.join(", ")} take ${n(fixed.total)} of ${n(limit)} tokens`,
    { remedy: "Raise budget.maxTokens, shorten the instructions, offer fewer tools or shorter results." },
  );
  return { code: error.code, message: `${error.message}. ${error.remedy}` };
}
