/**
 * What operations cost: calls, tokens and time per operation and model, and money by the caller's table of prices.
 *
 * Owns how calls are charged, so that the rows add up to the total. A policy call is charged in equal shares to the
 * operations its response calls, or to "ANSWER" if it calls none; a summarizer's call to the SUMMARY or overflow guard
 * that made it. Pure; nothing is mutated.
 */
import type { CallUsage, MemoryOp, MemoryOpOutcome } from "../types.js";
import { addCalls, addTokens, type CallTokens, NO_CALLS, shareOf } from "./call-usage.js";

/**
 * The rows: the six operations, final answers, the application's own tools, emergency summaries of the overflow guard,
 * and auxiliary calls that no operation made (such as a judge's).
 */
export type UsageKey = MemoryOp | "ANSWER" | "TOOLS" | "GUARD" | "AUX";

/** Tokens of one model; null if the server did not report them. They can be fractions, because calls are shared out. */
export type ModelTokens = CallTokens;

/** The usage of one row. */
export interface OperationUsage extends CallUsage {
  /** How often it ran, including refusals. */
  operations: number;
  /** How often it was refused. */
  refused: number;
  /** Tokens that edits removed from the context; negative if an edit made it longer. */
  tokensSaved: number;
  /** The same calls by model name. */
  models: Readonly<Record<string, ModelTokens>>;
}

/** Usage by row; rows without any are absent. */
export type UsageByOperation = Readonly<Partial<Record<UsageKey, OperationUsage>>>;

/** One model call, or several calls of one model added up. */
export type ModelCall = CallUsage & { model: string };

/** Price per million tokens, in any currency. */
export interface Price {
  input: number;
  /** Price of prompt tokens from the provider's cache; default that of input. */
  cachedInput?: number;
  output: number;
}

/** Prices by model name, as recorded. There is no built-in list, because it would go stale. */
export type Prices = Readonly<Record<string, Price>>;

/** The part of an outcome that is charged. */
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

/** Charges a model call to rows in equal shares; a key that occurs twice gets two shares. */
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

/** Counts an operation with its own time; model calls within it are charged by {@link chargeCall}. */
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

/** The sum of all rows. */
export function totalUsage(usage: UsageByOperation): OperationUsage {
  return Object.values(usage).reduce(addRows, NOTHING);
}

/**
 * The cost of a row or a total; null if a model that used tokens has no price, or a server did not report tokens.
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
