/**
 * Hybrid ranking: keyword and vector scores of the same candidates, brought to one scale and averaged. Pure.
 *
 * Owns the scale and the default shares. Leaves out finding the candidates and their scores (`run-search.ts`).
 *
 * Scores are averaged rather than ranks, because a score says how much better the first hit is than the second. On
 * LoCoMo with MiniLM that is worth 2 points of recall@10 over reciprocal rank fusion (docs/store.md).
 */

/** One candidate with both scores. */
export interface Candidate {
  /** BM25; 0 where no term of the query occurs. */
  keyword: number;
  /** Cosine; undefined where the item has no vector. */
  cosine: number | undefined;
}

/**
 * The vectors' share of a hybrid score where the store's options do not say: best on LoCoMo with MiniLM, and with
 * the lexical embeddings, which see little that keywords do not.
 */
export const VECTOR_SHARE = { semantic: 0.55, lexical: 0.15 } as const;

/** Candidates whose worth of evidence a low cosine has to outweigh before it counts as the bottom of the scale. */
const FEW = 10;

/**
 * Scores of the candidates, 0 to 1: `(1 - share) * keyword / max(keyword) + share * (cosine - low) / (max - low)`.
 *
 * BM25 has a natural zero; the cosines of an embedding model do not (unrelated texts may score 0 or 0.7), so `low` is
 * that of the least similar of the `n` candidates, times `n / (n + 10)`: of two candidates the second need not be
 * unrelated, of two hundred the last is.
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
    // Nothing above the bottom of the scale: all are equally similar, and none stands behind another.
    const meaning = cosine === undefined ? 0 : high > low ? Math.max(0, cosine - low) / (high - low) : 1;
    return (1 - vectorShare) * words + vectorShare * meaning;
  });
}
