/** Log-probabilities of given tokens under a model: what to ask for, and the arithmetic. Pure. */
import { ModelError } from "../../errors.js";
import type { LlamaSampling, LlamaScore, LlamaScoreItem } from "./llama-api.js";

/** Leaves every token its place and probability. */
export const WHOLE_DISTRIBUTION: LlamaSampling = { temperature: 1, topK: 0, topP: 1, minP: 0, seed: 0 };

/** Input that asks at each position for the token that follows: `last` of the prompt, then the tokens but the last. */
export function scoreItems(last: number, tokens: readonly number[]): [number, LlamaScoreItem][] {
  return tokens.map((token, index) => [
    index === 0 ? last : (tokens[index - 1] as number),
    {
      generateNext: {
        // The largest logit is what the total weight is relative to.
        logits: { filter: { tokens: [token], includeTop: 1 } },
        totalLogitWeight: true,
        options: WHOLE_DISTRIBUTION,
      },
    },
  ]);
}

/** log p = logit - largest logit - log Σ exp(logit - largest logit). */
export function logProbabilities(
  tokens: readonly number[],
  scores: readonly (LlamaScore | undefined)[],
): number[] {
  return tokens.map((token, index) => {
    const { logits, totalLogitWeight } = scores[index]?.next ?? {};
    const logit = logits?.get(token);
    if (!logits || logit === undefined || totalLogitWeight === undefined) {
      throw new ModelError(
        "AGEMEM_MODEL_FAILED",
        `The model gave no logit for token ${index} of its response`,
        {
          remedy: "Install the version of node-llama-cpp that agemem is tested with.",
        },
      );
    }
    return logit - Math.max(...logits.values()) - Math.log(totalLogitWeight);
  });
}
