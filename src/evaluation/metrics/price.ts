/** What a line of results cost, from its tokens and a price per million of them. Pure; `lib/usage.ts` prices operations. */
import type { Price } from "../../lib/usage.js";

/** Price of a model and of the embeddings beside it. */
export interface EvaluationPrice extends Pick<Price, "input" | "output"> {
  /** Per million tokens that were embedded over the network; 0 for a model in the process. */
  embedding: number;
}

/** Tokens of some calls; null where a server did not report them. */
export interface PricedTokens {
  prompt_tokens: number | null;
  response_tokens: number | null;
  embedding_tokens?: number | undefined;
}

/**
 * The price of all of them together; null without a price, or when the tokens of one are not known.
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
