/**
 * BM25's weight of a term in a document, shared by keyword search and the choice of distractors. Pure.
 *
 * Owns the formula. Leaves out how documents are found: in SQLite's postings (`store/search/keyword.ts`), or in a map of
 * a small collection (`evaluation/tasks/bm25.ts`).
 */

/** How soon repetition stops counting (`k1`), and how strongly long documents are penalized (`b`). */
export interface Bm25Settings {
  readonly k1: number;
  readonly b: number;
}

/**
 * Inverse document frequency in Lucene's form, which is never negative.
 *
 * @example
 * inverseFrequency(100, 1) > inverseFrequency(100, 50); // true
 */
export function inverseFrequency(documents: number, matching: number): number {
  return Math.log(1 + (documents - matching + 0.5) / (matching + 0.5));
}

/** Weight of a term that occurs `count` times in a document; multiplied by its {@link inverseFrequency}, its score. */
export function termWeight(
  count: number,
  length: number,
  meanLength: number,
  { k1, b }: Bm25Settings,
): number {
  const norm = k1 * (1 - b + (b * length) / Math.max(meanLength, 1e-9));
  return (count * (k1 + 1)) / (count + norm);
}
