/**
 * A vector index: ranks the slots of one scope (a namespace prefix) by cosine.
 *
 * An index holds slots of the {@link VectorTable}, current and replaced, of every branch; the caller's `accept` says
 * which of them a view sees. Implementations: `vector-indexes/coded.ts` (codes held by the store) and
 * `vector-indexes/faiss.ts` (codes held by FAISS). A scope without an index is scanned (`vector-indexes/flat.ts`,
 * exact, the reference). All of them compute scores from the stored vectors, so a slot has the same score in each.
 */

/** A slot and its cosine. */
export interface SlotScore {
  slot: number;
  score: number;
}

export type IndexKind = "codes" | "faiss";

/** The recall that a search must reach. */
export interface SearchPromise {
  /** Share of the true best results to find, below 1. */
  target: number;
  /** Factor of 1 or more by which errors of estimates are assumed to be larger than in theory. */
  widen: number;
  /** Further results to return: the next best ones found on the way, for which nothing is promised. */
  spare?: number;
}

export interface VectorIndex {
  readonly kind: IndexKind;
  /** Number of slots. */
  readonly size: number;
  /**
   * The best `k` version rows, and as many more as are spare, among the accepted slots, each with its best slot, ordered by score, then creation.
   *
   * @param unit query vector of length 1 (or 0)
   */
  search(
    unit: Float32Array,
    k: number,
    accept: (slot: number) => boolean,
    promise: SearchPromise,
  ): SlotScore[];
}
