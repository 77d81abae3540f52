/**
 * Counts of model calls: what a server reported of one, and how counts add up. Pure.
 *
 * A count that nobody knows is null, and so is every sum it is part of: a sum that leaves a call out looks like one that
 * does not. `unreported` says how many calls are missing. A call that failed is a call of 0 tokens: it gave no answer.
 */
import type { AIMessage } from "@langchain/core/messages";
import type { CallUsage } from "../types.js";

/** Tokens and calls without the time. */
export type CallTokens = Omit<CallUsage, "latencyMs">;

export const NO_CALLS: Readonly<CallUsage> = {
  calls: 0,
  promptTokens: 0,
  completionTokens: 0,
  latencyMs: 0,
};

/**
 * What the server reported of one call; null where it reported nothing. No prompt has 0 tokens: some model classes put
 * zeros, and `ChatOpenAI` an object without figures, where the server sent none.
 */
export function reportedTokens({ usage_metadata: told }: Pick<AIMessage, "usage_metadata">): CallTokens {
  // Typed as numbers, but ChatOpenAI leaves out what is 0 or was not sent.
  const {
    input_tokens: prompt,
    output_tokens: completion,
    total_tokens: total,
  }: Partial<typeof told> = told ?? {};
  if (!prompt) return { calls: 1, promptTokens: null, completionTokens: null, unreported: 1 };
  const known = completion ?? (total === undefined ? null : total - prompt);
  const cached = told?.input_token_details?.cache_read;
  return {
    calls: 1,
    promptTokens: prompt,
    completionTokens: known,
    ...(cached ? { cachedTokens: cached } : {}),
    ...(known === null ? { unreported: 1 } : {}),
  };
}

/** Both together, calls and tokens. */
export function addTokens(a: CallTokens, b: CallTokens): CallTokens {
  return withExtras(
    {
      calls: a.calls + b.calls,
      promptTokens: plus(a.promptTokens, b.promptTokens),
      completionTokens: plus(a.completionTokens, b.completionTokens),
    },
    (a.cachedTokens ?? 0) + (b.cachedTokens ?? 0),
    (a.unreported ?? 0) + (b.unreported ?? 0),
  );
}

/** Both together, time included. */
export function addCalls(a: CallUsage, b: CallUsage): CallUsage {
  return { ...addTokens(a, b), latencyMs: a.latencyMs + b.latencyMs };
}

/** An equal share of a call. */
export function shareOf(call: CallTokens, share: number): CallTokens {
  const part = (tokens: number | null): number | null => (tokens === null ? null : tokens * share);
  return withExtras(
    {
      calls: call.calls * share,
      promptTokens: part(call.promptTokens),
      completionTokens: part(call.completionTokens),
    },
    (call.cachedTokens ?? 0) * share,
    (call.unreported ?? 0) * share,
  );
}

/** The sum of two counts; null when one is not known. */
export function plus(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b;
}

function withExtras(tokens: CallTokens, cachedTokens: number, unreported: number): CallTokens {
  return { ...tokens, ...(cachedTokens ? { cachedTokens } : {}), ...(unreported ? { unreported } : {}) };
}
