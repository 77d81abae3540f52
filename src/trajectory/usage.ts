/** Usage per operation from recorded steps. Pure. */
import type { CallTokens } from "../lib/call-usage.js";
import {
  chargeCall,
  chargeOperation,
  type ModelCall,
  type UsageByOperation,
  type UsageKey,
} from "../lib/usage.js";
import type { StepRecord } from "./schema.js";
import type { MemoryOpRecord } from "./schema-parts.js";
import { conversationsOf, type RecordedTurn } from "./trace/conversations.js";

/**
 * Calls, tokens, time and savings per operation; `lib/usage.ts` says what is charged to what. Tokens are those that the
 * server reported, null where it reported none. A failed call counts as a call of 0 tokens.
 *
 * @example
 * const usage = usageOfSteps(recorder.take("r1"));
 * costOf(totalUsage(usage), { "gpt-4o-mini": { input: 0.15, output: 0.6 } });
 */
export function usageOfSteps(steps: readonly StepRecord[]): UsageByOperation {
  let usage: UsageByOperation = {};
  for (const conversation of conversationsOf(steps)) {
    const { turns } = conversation;
    const first = turns[0];
    usage = chargeAuxiliary(usage, conversation.auxBefore, [], first?.guardOps ?? []);
    for (const [i, turn] of turns.entries()) {
      usage = chargeCall(usage, keysOf(turn), callOf(turn.step));
      for (const op of turn.guardOps) usage = charge(usage, op, "GUARD");
      for (const op of turn.ops) usage = charge(usage, op, op.op);
      usage = chargeAuxiliary(usage, turn.aux, turn.ops, turns[i + 1]?.guardOps ?? []);
    }
  }
  return usage;
}

/** Tokens of one recorded call, in the form in which `reportedTokens` gives those of a response. */
export function recordedTokens({ usage, error }: Pick<StepRecord, "usage" | "error">): CallTokens {
  // A failed call has no usage to report.
  const none = error === null ? null : 0;
  const cached = usage?.cached_tokens;
  return {
    calls: 1,
    promptTokens: usage?.prompt_tokens ?? none,
    completionTokens: usage?.completion_tokens ?? none,
    ...(cached ? { cachedTokens: cached } : {}),
    ...(usage === null && none === null ? { unreported: 1 } : {}),
  };
}

/** What a call is charged to: what its response asked for. */
function keysOf({ step, ops }: RecordedTurn): UsageKey[] {
  const known = new Set(ops.map((op) => op.tool_call_id));
  const own = step.tool_runs.filter((run) => run.tool_call_id === null || !known.has(run.tool_call_id));
  const keys: UsageKey[] = [...ops.map((op) => op.op), ...own.map(() => "TOOLS" as const)];
  return keys.length > 0 ? keys : ["ANSWER"];
}

function charge(usage: UsageByOperation, op: MemoryOpRecord, key: UsageKey): UsageByOperation {
  const operation = {
    op: op.op,
    ok: op.ok,
    tokensBefore: op.tokens_before,
    tokensAfter: op.tokens_after,
    latencyMs: op.latency_ms,
  };
  return chargeOperation(usage, operation, { key, auxiliaryMs: op.auxiliary?.latency_ms ?? 0 });
}

/**
 * Charges the calls between two policy calls: the summaries that the response asked for come first, then the guard's.
 */
function chargeAuxiliary(
  usage: UsageByOperation,
  aux: readonly StepRecord[],
  ops: readonly MemoryOpRecord[],
  guardOps: readonly MemoryOpRecord[],
): UsageByOperation {
  const summaries = ops.filter((op) => op.op === "SUMMARY");
  const guarded = guardOps.reduce((sum, op) => sum + (op.auxiliary?.calls ?? 0), 0);
  return aux.reduce((sum, step, i) => {
    const isGuards = i >= aux.length - guarded;
    return chargeCall(sum, [isGuards ? "GUARD" : summaries.length > 0 ? "SUMMARY" : "AUX"], callOf(step));
  }, usage);
}

function callOf(step: StepRecord): ModelCall {
  const { model, latency_ms: latencyMs } = step;
  return { model: model ?? "unknown", ...recordedTokens(step), latencyMs };
}
