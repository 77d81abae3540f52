/**
 * What operations cost: calls, tokens, time per operation and model, and the price by a table of the caller's.
 *
 * A policy call is charged in equal shares to the operations its response asks for, or to "ANSWER" when it asks for
 * none; a summariser's call to the SUMMARY that made it. So the rows add up to the total. Pure; nothing is mutated.
 */
import type { CallUsage, MemoryOp, MemoryOpOutcome } from "../types.js";

/**
 * Rows beside the six operations: the final answers, the application's own tools, emergency summaries of the overflow
 * guard, and auxiliary calls that no operation made (a judge's).
 */
export type UsageKey = MemoryOp | "ANSWER" | "TOOLS" | "GUARD" | "AUX";

/** Tokens of one model; 0 where the server reported none. */
export interface ModelTokens {
  /** Shares of calls add up, so this can be a fraction. */
  calls: number;
  promptTokens: number;
  completionTokens: number;
  /** Prompt tokens that came from the provider's cache; absent for none. */
  cachedTokens?: number;
  /** Calls of which the server reported no tokens; absent for none. Then the cost is not known. */
  unreported?: number;
}

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
export interface ModelCall {
  model: string;
  /** Default 1. */
  calls?: number;
  promptTokens: number;
  completionTokens: number;
  /** Of the prompt's, from the provider's cache; default 0. */
  cachedTokens?: number;
  /** False when the server reported no tokens; default true. */
  reported?: boolean;
  latencyMs: number;
}

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
  calls: 0,
  promptTokens: 0,
  completionTokens: 0,
  latencyMs: 0,
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
  const tokens = {
    calls: (call.calls ?? 1) * share,
    promptTokens: call.promptTokens * share,
    completionTokens: call.completionTokens * share,
  };
  const ofModel = withExtras(tokens, {
    cachedTokens: (call.cachedTokens ?? 0) * share,
    unreported: call.reported === false ? tokens.calls : 0,
  });
  const row: OperationUsage = {
    ...NOTHING,
    ...tokens,
    latencyMs: call.latencyMs * share,
    models: { [call.model]: ofModel },
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
    if (tokens.unreported) return null;
    const { promptTokens, completionTokens, cachedTokens = 0 } = tokens;
    if (price) {
      const { input, output, cachedInput = input } = price;
      const prompt = (promptTokens - cachedTokens) * input + cachedTokens * cachedInput;
      cost += (prompt + completionTokens * output) / 1e6;
    } else if (tokens.promptTokens + tokens.completionTokens > 0) return null;
  }
  return cost;
}

function withExtras(
  tokens: ModelTokens,
  { cachedTokens, unreported }: { cachedTokens: number; unreported: number },
): ModelTokens {
  return { ...tokens, ...(cachedTokens ? { cachedTokens } : {}), ...(unreported ? { unreported } : {}) };
}

function addRow(usage: UsageByOperation, key: UsageKey, row: OperationUsage): UsageByOperation {
  return { ...usage, [key]: addRows(usage[key] ?? NOTHING, row) };
}

function addRows(a: OperationUsage, b: OperationUsage): OperationUsage {
  const models: Record<string, ModelTokens> = { ...a.models };
  for (const [name, tokens] of Object.entries(b.models)) {
    const known: ModelTokens = models[name] ?? { calls: 0, promptTokens: 0, completionTokens: 0 };
    const sums = {
      calls: known.calls + tokens.calls,
      promptTokens: known.promptTokens + tokens.promptTokens,
      completionTokens: known.completionTokens + tokens.completionTokens,
    };
    models[name] = withExtras(sums, {
      cachedTokens: (known.cachedTokens ?? 0) + (tokens.cachedTokens ?? 0),
      unreported: (known.unreported ?? 0) + (tokens.unreported ?? 0),
    });
  }
  return {
    operations: a.operations + b.operations,
    refused: a.refused + b.refused,
    calls: a.calls + b.calls,
    promptTokens: a.promptTokens + b.promptTokens,
    completionTokens: a.completionTokens + b.completionTokens,
    latencyMs: a.latencyMs + b.latencyMs,
    tokensSaved: a.tokensSaved + b.tokensSaved,
    models,
  };
}
