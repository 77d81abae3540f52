/**
 * Hybrid ranking: brings keyword and vector scores of the same candidates to one scale and averages them. Pure.
 *
 * Owns the scale and the default shares. Leaves out candidates and their scores (`run-search.ts`).
 *
 * It averages scores, not ranks, because scores say how much better the first hit is than the second. On LoCoMo with
 * MiniLM that gains 2 points of recall@10 over reciprocal rank fusion. One share serves all questions: shares by kind of
 * question, z-scores and a fitted model were tried and are no better held out (`bench/fusion.ts`, docs/store.md).
 */

/** A candidate with both scores. */
export interface Candidate {
  /** BM25; 0 if no term of the query occurs. */
  keyword: number;
  /** Cosine; undefined if the item has no vector. */
  cosine: number | undefined;
}

/**
 * The default share of the cosine in a hybrid score: the best on LoCoMo with MiniLM, and with the lexical embeddings,
 * which find little that keywords do not.
 */
export const VECTOR_SHARE = { semantic: 0.55, lexical: 0.15 } as const;

/** With so many candidates, half of the lowest cosine is the bottom of the scale; see {@link fuse}. */
const FEW = 10;

/**
 * Scores of the candidates, 0 to 1: `(1 - share) * keyword / max(keyword) + share * (cosine - low) / (max - low)`.
 *
 * BM25 has a natural zero; cosines do not (depending on the model, unrelated texts score 0 or 0.7). So `low` is the
 * cosine of the least similar of the `n` candidates, times `n / (n + 10)`: the second of two candidates need not be
 * unrelated, but the last of two hundred is.
 *
 * @param vectorShare 0 (keywords only) to 1 (vectors only)
 * @example
 * fuse([{ keyword: 4, cosine: 0 }, { keyword: 0, cosine: 0.6 }], 0.55); // [0.45, 0.55]
 */
export function fuse(candidates: readonly Candidate[], vectorShare: number): number[] {
  let [most, least, high] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { keyword, cosine } of candidates) {
    most = Math.max(most, keyword);
    if (cosine === undefined) continue;
    least = Math.min(least, cosine);
    high = Math.max(high, cosine);
  }
  const low = (least * candidates.length) / (candidates.length + FEW);
  return candidates.map(({ keyword, cosine }) => {
    const words = most > 0 ? keyword / most : 0;
    // If no cosine is above `low`, all candidates are equally similar.
    const meaning = cosine === undefined ? 0 : high > low ? Math.max(0, cosine - low) / (high - low) : 1;
    return (1 - vectorShare) * words + vectorShare * meaning;
  });
}
