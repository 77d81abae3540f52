/** What an invocation cost: calls, tokens, time and, where prices are known, money. Pure. */
import type { AIMessage } from "@langchain/core/messages";
import type { CallUsage, MemoryOp, MemoryOpOutcome } from "../types.js";

/** Price of a model in money per million tokens; the currency is yours. */
export interface ModelPrice {
  input: number;
  output: number;
}

/** What one operation cost over an invocation. */
export interface OperationUsage {
  calls: number;
  refused: number;
  /** Wall time in milliseconds, its model calls included. */
  latencyMs: number;
  /** Tokens that left the context. */
  tokensSaved: number;
}

/** The state's `usage`: of the last invocation. */
export interface AgentUsage {
  /** Calls of the acting model. */
  policy: CallUsage;
  /** Calls of the summariser, and the one for a structured answer. */
  auxiliary: CallUsage;
  operations: Partial<Record<MemoryOp, OperationUsage>>;
  /** Of all model calls; null when no prices were given. */
  cost: number | null;
}

/** Prices of the acting model and of the summariser, which is the acting model unless given. */
export interface Prices {
  policy: ModelPrice;
  auxiliary?: ModelPrice;
}

const NO_CALLS: CallUsage = { calls: 0, promptTokens: 0, completionTokens: 0, latencyMs: 0 };

/** At the start of an invocation. */
export function noUsage(): AgentUsage {
  return { policy: NO_CALLS, auxiliary: NO_CALLS, operations: {}, cost: null };
}

/** With one more model call. Tokens are 0 where the server reported none. */
export function addModelCall(
  usage: AgentUsage,
  response: AIMessage,
  latencyMs: number,
  role: "policy" | "auxiliary" = "policy",
): AgentUsage {
  const { input_tokens = 0, output_tokens = 0 } = response.usage_metadata ?? {};
  const call = { calls: 1, promptTokens: input_tokens, completionTokens: output_tokens, latencyMs };
  return { ...usage, [role]: plus(usage[role], call) };
}

/** With one more memory operation. */
export function addOutcome(usage: AgentUsage, outcome: MemoryOpOutcome): AgentUsage {
  const { calls, refused, latencyMs, tokensSaved } = usage.operations[outcome.op] ?? {
    calls: 0,
    refused: 0,
    latencyMs: 0,
    tokensSaved: 0,
  };
  const operation: OperationUsage = {
    calls: calls + 1,
    refused: refused + (outcome.ok ? 0 : 1),
    latencyMs: latencyMs + outcome.latencyMs,
    tokensSaved: tokensSaved + Math.max(0, outcome.tokensBefore - outcome.tokensAfter),
  };
  return {
    ...usage,
    auxiliary: outcome.auxiliary ? plus(usage.auxiliary, outcome.auxiliary) : usage.auxiliary,
    operations: { ...usage.operations, [outcome.op]: operation },
  };
}

/** Memory operations of the invocation so far, refused ones included. */
export function operationsOf(usage: AgentUsage): number {
  return Object.values(usage.operations).reduce((sum, { calls }) => sum + calls, 0);
}

/** With the money filled in. */
export function withCost(usage: AgentUsage, prices: Prices | undefined): AgentUsage {
  if (!prices) return usage;
  const cost = price(usage.policy, prices.policy) + price(usage.auxiliary, prices.auxiliary ?? prices.policy);
  return { ...usage, cost };
}

function price({ promptTokens, completionTokens }: CallUsage, { input, output }: ModelPrice): number {
  return (promptTokens * input + completionTokens * output) / 1e6;
}

function plus(a: CallUsage, b: CallUsage): CallUsage {
  return {
    calls: a.calls + b.calls,
    promptTokens: a.promptTokens + b.promptTokens,
    completionTokens: a.completionTokens + b.completionTokens,
    latencyMs: a.latencyMs + b.latencyMs,
  };
}
