/**
 * What operations cost: calls, tokens, time per operation and model, and the price by a table of the caller's.
 *
 * A policy call is charged in equal shares to the operations its response asks for, or to "ANSWER" when it asks for
 * none; a summarizer's call to the SUMMARY that made it. So the rows add up to the total. Pure; nothing is mutated.
 */
import type { CallUsage, MemoryOp, MemoryOpOutcome } from "../types.js";
import { addCalls, addTokens, type CallTokens, NO_CALLS, shareOf } from "./call-usage.js";

/**
 * Rows beside the six operations: the final answers, the application's own tools, emergency summaries of the overflow
 * guard, and auxiliary calls that no operation made (a judge's).
 */
export type UsageKey = MemoryOp | "ANSWER" | "TOOLS" | "GUARD" | "AUX";

/** Tokens of one model; null where the server did not report them. Shares of calls add up, so they can be fractions. */
export type ModelTokens = CallTokens;

/** What one row took. */
export interface OperationUsage extends CallUsage {
  /** How often it ran, and how often it was refused. */
  operations: number;
  refused: number;
  /** Tokens that edits took out of the context; negative when an edit made it longer. */
  tokensSaved: number;
  /** The same calls by the name of the model. */
  models: Readonly<Record<string, ModelTokens>>;
}
export type UsageByOperation = Readonly<Partial<Record<UsageKey, OperationUsage>>>;

/** One model call, or several of one model taken together. */
export type ModelCall = CallUsage & { model: string };

/** Price per million tokens, in the currency of the caller's choice. */
export interface Price {
  input: number;
  /** Of prompt tokens from the provider's cache; default the price of input. */
  cachedInput?: number;
  output: number;
}
/** By model name, as recorded. There is no built-in list: it would go stale. */
export type Prices = Readonly<Record<string, Price>>;

/** What is known of an operation. */
export type ChargedOperation = Pick<
  MemoryOpOutcome,
  "op" | "ok" | "tokensBefore" | "tokensAfter" | "latencyMs"
>;

const NOTHING: OperationUsage = {
  operations: 0,
  refused: 0,
  ...NO_CALLS,
  tokensSaved: 0,
  models: {},
};

/** Charges a model call to rows, in equal shares; a key that occurs twice gets two shares. */
export function chargeCall(
  usage: UsageByOperation,
  keys: readonly UsageKey[],
  call: ModelCall,
): UsageByOperation {
  const share = 1 / Math.max(1, keys.length);
  const tokens = shareOf(call, share);
  const row: OperationUsage = {
    ...NOTHING,
    ...tokens,
    latencyMs: call.latencyMs * share,
    models: { [call.model]: tokens },
  };
  return keys.reduce((sum, key) => addRow(sum, key, row), usage);
}

/** Counts an operation with its own time; model calls inside of it are charged by {@link chargeCall}. */
export function chargeOperation(
  usage: UsageByOperation,
  operation: ChargedOperation,
  own: { key?: UsageKey; auxiliaryMs?: number } = {},
): UsageByOperation {
  const isEdit = operation.op === "SUMMARY" || operation.op === "FILTER";
  return addRow(usage, own.key ?? operation.op, {
    ...NOTHING,
    operations: 1,
    refused: operation.ok ? 0 : 1,
    latencyMs: Math.max(0, operation.latencyMs - (own.auxiliaryMs ?? 0)),
    tokensSaved: operation.ok && isEdit ? operation.tokensBefore - operation.tokensAfter : 0,
  });
}

/** Adds two reports row by row. */
export function addUsage(a: UsageByOperation, b: UsageByOperation): UsageByOperation {
  return (Object.entries(b) as [UsageKey, OperationUsage][]).reduce(
    (sum, [key, row]) => addRow(sum, key, row),
    a,
  );
}

/** All rows as one. */
export function totalUsage(usage: UsageByOperation): OperationUsage {
  return Object.values(usage).reduce(addRows, NOTHING);
}

/**
 * The price of a row or a total; null when the table lacks a model that used tokens, or a server did not report them.
 *
 * @example
 * costOf(totalUsage(result.usage.operations), { "gpt-4o-mini": { input: 0.15, output: 0.6 } });
 */
export function costOf(usage: OperationUsage, prices: Prices): number | null {
  let cost = 0;
  for (const [model, tokens] of Object.entries(usage.models)) {
    const price = prices[model];
    const { promptTokens, completionTokens, cachedTokens = 0 } = tokens;
    if (promptTokens === null || completionTokens === null) return null;
    if (price) {
      const { input, output, cachedInput = input } = price;
      const prompt = (promptTokens - cachedTokens) * input + cachedTokens * cachedInput;
      cost += (prompt + completionTokens * output) / 1e6;
    } else if (promptTokens + completionTokens > 0) return null;
  }
  return cost;
}

function addRow(usage: UsageByOperation, key: UsageKey, row: OperationUsage): UsageByOperation {
  return { ...usage, [key]: addRows(usage[key] ?? NOTHING, row) };
}

function addRows(a: OperationUsage, b: OperationUsage): OperationUsage {
  const models: Record<string, ModelTokens> = { ...a.models };
  for (const [name, tokens] of Object.entries(b.models)) {
    const known = models[name];
    models[name] = known ? addTokens(known, tokens) : tokens;
  }
  return {
    operations: a.operations + b.operations,
    refused: a.refused + b.refused,
    ...addCalls(a, b),
    tokensSaved: a.tokensSaved + b.tokensSaved,
    models,
  };
}
