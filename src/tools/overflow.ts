/**
 * The overflow guard of production: when C exceeds its budget, the oldest rounds are summarised without being asked.
 *
 * Owns the fallback only. It is recorded as an operation of its own, apart from the model's SUMMARY calls, because a
 * policy must not be rewarded for it.
 */
import type { BaseMessage } from "@langchain/core/messages";
import type { LangGraphRunnableConfig } from "@langchain/langgraph";
import type { FactsUpdate } from "../context/budget.js";
import type { ContextEdit } from "../context/edit.js";
import { emergencyPlan } from "../context/emergency.js";
import { AgeMemError } from "../errors.js";
import { type MemoryOpOutcome, type MessageFacts, OVERFLOW_CALL_ID } from "../types.js";
import { noteOperations } from "./limits.js";
import { contextOf } from "./operation-context.js";
import { runSummary } from "./short-term.js";
import type { MemoryToolkit } from "./toolkit.js";

/** What the guard left: the shorter context, and what it did. */
export interface ReducedContext {
  messages: BaseMessage[];
  facts: FactsUpdate;
  /** The edit, for an update that touches only what it names (`targetedUpdate`). */
  edit: ContextEdit;
  outcome: MemoryOpOutcome;
}

/**
 * Summarises the oldest rounds until the context fits. Undefined when it fits already, nothing may be taken out (one
 * message fills the window) or the summariser fails: the context then stays whole, and the provider decides.
 *
 * @param all summarise all but `keepIds`, whether the context fits or not, by an edit that others may be applied beside
 */
export async function reduceOverflow(
  kit: MemoryToolkit,
  state: { messages: BaseMessage[]; contextFacts: MessageFacts },
  overheadTokens: number,
  config: LangGraphRunnableConfig,
  all?: { keepIds: Iterable<string> },
): Promise<ReducedContext | undefined> {
  const started = kit.now();
  const run = { ...config, state: { ...state, contextOverhead: overheadTokens } };
  const context = { ...contextOf(kit, run, { callId: OVERFLOW_CALL_ID }), parallel: all !== undefined };
  const plan = emergencyPlan(state.messages, {
    facts: state.contextFacts,
    counter: kit.counter,
    ...(all
      ? { budget: { maxTokens: 1, responseTokens: 0 }, target: 0, protectIds: all.keepIds }
      : { budget: kit.budget }),
    overheadTokens,
  });
  if (!plan) return undefined;
  try {
    const { edit: summarised, auxiliary } = await runSummary(kit, plan, context, "emergency");
    const edit = noteOperations(summarised, state.messages);
    const { report } = edit;
    const outcome: MemoryOpOutcome = {
      kind: "agemem.op/1",
      op: "SUMMARY",
      toolCallId: OVERFLOW_CALL_ID,
      ok: true,
      memoryIds: [],
      namespace: context.namespace,
      revisionBefore: null,
      revisionAfter: null,
      tokensBefore: report.tokensBefore + overheadTokens,
      tokensAfter: report.tokensAfter + overheadTokens,
      editId: report.editId,
      messageIds: report.removedIds,
      auxiliary,
      latencyMs: kit.now() - started,
    };
    return { messages: edit.messages, facts: edit.facts, edit, outcome };
  } catch (error) {
    if (AgeMemError.isInstance(error) && error.code === "AGEMEM_SUMMARY_FAILED") return undefined;
    throw error;
  }
}
