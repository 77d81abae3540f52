/**
 * Token counts of model calls: what a server reported, and how counts add up. Pure.
 *
 * Owns the rule for unknown counts: they are null, and so is every sum that includes one, because a sum that leaves out a
 * call looks complete. `unreported` says how many calls are missing. A failed call counts as 0 tokens, since there was no
 * answer.
 */
import type { AIMessage } from "@langchain/core/messages";
import type { CallUsage } from "../types.js";

/** Calls and tokens without the time. */
export type CallTokens = Omit<CallUsage, "latencyMs">;

/** The usage of no calls at all. */
export const NO_CALLS: Readonly<CallUsage> = {
  calls: 0,
  promptTokens: 0,
  completionTokens: 0,
  latencyMs: 0,
};

/**
 * What the server reported of one call; tokens are null if it reported none. Since no prompt has 0 tokens, 0 counts as
 * unreported: some model classes fill in zeros, and `ChatOpenAI` an object without figures, if the server sent none.
 */
export function reportedTokens({ usage_metadata: told }: Pick<AIMessage, "usage_metadata">): CallTokens {
  // Typed as numbers, but ChatOpenAI omits figures that are 0 or were not sent.
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

/** The sum of calls and tokens. */
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

/** The sum of calls, tokens and time. */
export function addCalls(a: CallUsage, b: CallUsage): CallUsage {
  return { ...addTokens(a, b), latencyMs: a.latencyMs + b.latencyMs };
}

/** A share of a call, such as 0.5. */
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

/** The sum of two counts; null if either is unknown. */
export function plus(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b;
}

function withExtras(tokens: CallTokens, cachedTokens: number, unreported: number): CallTokens {
  return { ...tokens, ...(cachedTokens ? { cachedTokens } : {}), ...(unreported ? { unreported } : {}) };
}
