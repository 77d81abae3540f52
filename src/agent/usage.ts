/**
 * What an invocation cost: calls, tokens, time and, where prices are known, money. Pure.
 *
 * Owns the state's `usage`. What a call is charged to, and what it costs, is that of a recording (`lib/usage.ts`).
 */
import type { AIMessage } from "@langchain/core/messages";
import { addCalls, NO_CALLS, reportedTokens } from "../lib/call-usage.js";
import {
  chargeCall,
  chargeOperation,
  costOf,
  type Prices,
  totalUsage,
  type UsageByOperation,
  type UsageKey,
} from "../lib/usage.js";
import { type CallUsage, MEMORY_OPS, type MemoryOpOutcome, OVERFLOW_CALL_ID } from "../types.js";

/** The state's `usage`: of the last invocation. */
export interface AgentUsage {
  /** Calls of the acting model. */
  policy: CallUsage;
  /** Calls of the summarizer, and the one for a structured answer. */
  auxiliary: CallUsage;
  /** The same calls by what they were for, with the operations that ran; the rows of `agemem trace`. */
  operations: UsageByOperation;
  /** Of all model calls, by the table of prices; null without a table, or when it or a server's report lacks something. */
  cost: number | null;
}

/** Who made a call, and what for: the operations a response asks for share it. */
export interface Caller {
  role: "policy" | "auxiliary";
  /** Name of the model. */
  model: string;
  keys: readonly UsageKey[];
}

/** At the start of an invocation. */
export function noUsage(): AgentUsage {
  return { policy: NO_CALLS, auxiliary: NO_CALLS, operations: {}, cost: null };
}

/** With one more model call. Tokens are null where the server reported none. */
export function addModelCall(
  usage: AgentUsage,
  response: AIMessage,
  latencyMs: number,
  { role, model, keys }: Caller,
): AgentUsage {
  const call = { ...reportedTokens(response), latencyMs };
  return {
    ...usage,
    [role]: addCalls(usage[role], call),
    operations: chargeCall(usage.operations, keys, { ...call, model }),
  };
}

/** With one more memory operation. `summarizer` names the model of its own calls. */
export function addOutcome(usage: AgentUsage, outcome: MemoryOpOutcome, summarizer: string): AgentUsage {
  const { auxiliary } = outcome;
  const key: UsageKey = outcome.toolCallId === OVERFLOW_CALL_ID ? "GUARD" : outcome.op;
  const own = { key, auxiliaryMs: auxiliary?.latencyMs ?? 0 };
  const operations = chargeOperation(usage.operations, outcome, own);
  if (!auxiliary) return { ...usage, operations };
  return {
    ...usage,
    auxiliary: addCalls(usage.auxiliary, auxiliary),
    operations: chargeCall(operations, [key], { ...auxiliary, model: summarizer }),
  };
}

/** Memory operations of the invocation so far, refused ones included; not the guard's. */
export function operationsOf(usage: AgentUsage): number {
  return MEMORY_OPS.reduce((sum, op) => sum + (usage.operations[op]?.operations ?? 0), 0);
}

/** Memories that the invocation has deleted so far. */
export function deletionsOf({ operations: { DELETE } }: AgentUsage): number {
  return DELETE ? DELETE.operations - DELETE.refused : 0;
}

/** With the money filled in. */
export function withCost(usage: AgentUsage, prices: Prices | undefined): AgentUsage {
  return prices ? { ...usage, cost: costOf(totalUsage(usage.operations), prices) } : usage;
}
