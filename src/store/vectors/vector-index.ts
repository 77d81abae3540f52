/**
 * A vector index: ranks the slots of one scope (a namespace prefix) by cosine.
 *
 * An index holds slots of the {@link VectorTable}, current and replaced ones, of every branch; the caller's `accept` says
 * which of them a view sees. Implementations: `vector-indexes/coded.ts` (our own codes) and `vector-indexes/faiss.ts`
 * (codes in FAISS). A scope without one is scanned (`vector-indexes/flat.ts`: exact, the reference). All of them score with
 * the stored vectors, so a slot has the same score in each.
 */

/** A slot with its cosine. */
export interface SlotScore {
  slot: number;
  score: number;
}

export type IndexKind = "codes" | "faiss";

/** What a search promises. */
export interface SearchPromise {
  /** Share of the true best that is to be found, below 1. */
  target: number;
  /** By how much the errors of estimates are taken for larger than in theory, 1 or more. */
  widen: number;
}

export interface VectorIndex {
  readonly kind: IndexKind;
  /** Slots held. */
  readonly size: number;
  /**
   * The best `k` version rows among the accepted slots, each with its best slot, by score, then creation order.
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
