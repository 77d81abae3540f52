/** What an invocation cost: calls, tokens, time and, where prices are known, money. Pure. */
import type { AIMessage } from "@langchain/core/messages";
import { costOf, type ModelTokens, type Prices } from "../lib/usage.js";
import type { CallUsage, MemoryOp, MemoryOpOutcome } from "../types.js";

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
  /** All calls by the name of the model, as in the usage of a recording (`agemem trace`). */
  models: Readonly<Record<string, ModelTokens>>;
  /** Of all model calls, by the table of prices; null without a table, or when it lacks a model that used tokens. */
  cost: number | null;
}

/** Who made a call. */
export interface Caller {
  role: "policy" | "auxiliary";
  /** Name of the model. */
  model: string;
}

const NO_CALLS: CallUsage = { calls: 0, promptTokens: 0, completionTokens: 0, latencyMs: 0 };

/** At the start of an invocation. */
export function noUsage(): AgentUsage {
  return { policy: NO_CALLS, auxiliary: NO_CALLS, operations: {}, models: {}, cost: null };
}

/** With one more model call. Tokens are 0 where the server reported none. */
export function addModelCall(
  usage: AgentUsage,
  response: AIMessage,
  latencyMs: number,
  { role, model }: Caller,
): AgentUsage {
  const { input_tokens = 0, output_tokens = 0 } = response.usage_metadata ?? {};
  const call = { calls: 1, promptTokens: input_tokens, completionTokens: output_tokens, latencyMs };
  return { ...usage, [role]: plus(usage[role], call), models: charged(usage.models, model, call) };
}

/** With one more memory operation. `summarizer` names the model of its own calls. */
export function addOutcome(usage: AgentUsage, outcome: MemoryOpOutcome, summarizer: string): AgentUsage {
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
  const counted = { ...usage, operations: { ...usage.operations, [outcome.op]: operation } };
  const { auxiliary } = outcome;
  if (!auxiliary) return counted;
  return {
    ...counted,
    auxiliary: plus(usage.auxiliary, auxiliary),
    models: charged(usage.models, summarizer, auxiliary),
  };
}

/** Memory operations of the invocation so far, refused ones included. */
export function operationsOf(usage: AgentUsage): number {
  return Object.values(usage.operations).reduce((sum, { calls }) => sum + calls, 0);
}

/** With the money filled in. */
export function withCost(usage: AgentUsage, prices: Prices | undefined): AgentUsage {
  return prices ? { ...usage, cost: costOf(usage, prices) } : usage;
}

function charged(models: AgentUsage["models"], name: string, call: CallUsage): AgentUsage["models"] {
  const { calls, promptTokens, completionTokens } = models[name] ?? NO_CALLS;
  const sum = {
    calls: calls + call.calls,
    promptTokens: promptTokens + call.promptTokens,
    completionTokens: completionTokens + call.completionTokens,
  };
  return { ...models, [name]: sum };
}

function plus(a: CallUsage, b: CallUsage): CallUsage {
  return {
    calls: a.calls + b.calls,
    promptTokens: a.promptTokens + b.promptTokens,
    completionTokens: a.completionTokens + b.completionTokens,
    latencyMs: a.latencyMs + b.latencyMs,
  };
}
