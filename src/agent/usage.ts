/**
 * What an invocation used: calls, tokens, time and, if prices are known, money. Pure.
 *
 * Owns the state's `usage`. Leaves out how calls are charged and priced (`lib/usage.ts`), which recordings share.
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

/** The state's `usage`, for the last invocation. */
export interface AgentUsage {
  /** Calls of the acting model. */
  policy: CallUsage;
  /** Calls of the summarizer, and the one for a structured answer. */
  auxiliary: CallUsage;
  /** The same calls by purpose, with the operations that ran; these are the rows of `agemem trace`. */
  operations: UsageByOperation;
  /** Cost of all model calls; null without prices, or if the price of a model or a token count is missing. */
  cost: number | null;
}

/** Who made a call and what for. The operations that a response calls share its cost. */
export interface Caller {
  role: "policy" | "auxiliary";
  /** Name of the model. */
  model: string;
  keys: readonly UsageKey[];
}

/** The usage at the start of an invocation. */
export function noUsage(): AgentUsage {
  return { policy: NO_CALLS, auxiliary: NO_CALLS, operations: {}, cost: null };
}

/** Adds a model call. Its tokens are null if the server reported none. */
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

/** Adds a memory operation. `summarizer` names the model of its auxiliary calls. */
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

/** Memory operations of the invocation so far, including refused ones but not the guard's. */
export function operationsOf(usage: AgentUsage): number {
  return MEMORY_OPS.reduce((sum, op) => sum + (usage.operations[op]?.operations ?? 0), 0);
}

/** Successful deletions of the invocation so far. */
export function deletionsOf({ operations: { DELETE } }: AgentUsage): number {
  return DELETE ? DELETE.operations - DELETE.refused : 0;
}

/** Fills in the cost. */
export function withCost(usage: AgentUsage, prices: Prices | undefined): AgentUsage {
  return prices ? { ...usage, cost: costOf(totalUsage(usage.operations), prices) } : usage;
}
