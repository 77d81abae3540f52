/**
 * The concept of a vector index: ranks the slots of one scope (a namespace prefix) by cosine.
 *
 * An index holds slots of the {@link VectorTable}, live and dead, of every branch; the caller's `accept` says
 * which of them a view sees. Implementations: `vector-indexes/faiss.ts` (exact, FAISS) and
 * `vector-indexes/partitioned.ts` (approximate). Without one a scope is scanned (`vector-indexes/flat.ts`: exact,
 * the reference). All score with the stored vectors, so equal slots have equal scores in each.
 */

/** A slot with its cosine. */
export interface SlotScore {
  slot: number;
  score: number;
}

export type IndexKind = "faiss" | "partitioned";

export interface VectorIndex {
  readonly kind: IndexKind;
  /** False when a result may miss a better slot. */
  readonly exact: boolean;
  /** Slots held. */
  readonly size: number;
  /** Adds a slot of the table. Slots come in growing order. */
  add(slot: number): void;
  /**
   * The best `k` version rows among accepted slots, best slot of each, by score then creation order.
   *
   * @param unit query vector of length 1 (or 0)
   */
  search(unit: Float32Array, k: number, accept: (slot: number) => boolean): SlotScore[];
  /** Bytes held beside the vector table. */
  bytes(): number;
}
