/**
 * The cost of a line of results, from its tokens and prices per million. Pure. Leaves out operations (`lib/usage.ts`).
 */
import type { Price } from "../../lib/usage.js";

/** Prices of a model and of embeddings. */
export interface EvaluationPrice extends Pick<Price, "input" | "output"> {
  /** Price per million tokens embedded over the network; 0 for a model in this process. */
  embedding: number;
}

/** Tokens of some calls; null if a server did not report them. */
export interface PricedTokens {
  prompt_tokens: number | null;
  response_tokens: number | null;
  embedding_tokens?: number | undefined;
}

/**
 * The total price; null without a price, or if any tokens are unknown.
 *
 * @example
 * priceOf([{ prompt_tokens: 2000, response_tokens: 100 }], { input: 0.5, output: 2, embedding: 0 }); // 0.0012
 */
export function priceOf(usages: readonly PricedTokens[], price: EvaluationPrice | undefined): number | null {
  if (!price) return null;
  let sum = 0;
  for (const { prompt_tokens: prompt, response_tokens: response, embedding_tokens: embedded = 0 } of usages) {
    if (prompt === null || response === null) return null;
    sum += prompt * price.input + response * price.output + embedded * price.embedding;
  }
  return sum / 1e6;
}
