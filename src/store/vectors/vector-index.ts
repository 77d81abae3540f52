/**
 * A vector index: ranks the slots of one scope (a namespace prefix) by cosine.
 *
 * An index holds slots of the {@link VectorTable}, current and replaced ones, of every branch; the caller's `accept` says
 * which of them a view sees. Implementations: `vector-indexes/faiss.ts` (exact, FAISS) and `vector-indexes/partitioned.ts`
 * (approximate). A scope without one is scanned (`vector-indexes/flat.ts`: exact, the reference). All of them score with
 * the stored vectors, so a slot has the same score in each.
 */

/** A slot with its cosine. */
export interface SlotScore {
  slot: number;
  score: number;
}

export type IndexKind = "faiss" | "partitioned";

export interface VectorIndex {
  readonly kind: IndexKind;
  /** Whether a search is sure to find the best slots. */
  readonly exact: boolean;
  /** Slots held. */
  readonly size: number;
  /** Adds a slot of the table; slots come in ascending order. */
  add(slot: number): void;
  /**
   * The best `k` version rows among the accepted slots, each with its best slot, by score, then creation order.
   *
   * @param unit query vector of length 1 (or 0)
   */
  search(unit: Float32Array, k: number, accept: (slot: number) => boolean): SlotScore[];
  /** Bytes held besides the vector table. */
  bytes(): number;
}
