/**
 * Counts of the rows written, from which a search knows without a query that there is nothing to find. Pure.
 *
 * Derived from the rows that memory takes over. After a sidecar was loaded, which does not hold all rows, nothing is
 * known and every query runs.
 */
import type { View } from "./branches.js";

export class RowCounts {
  readonly #puts = new Map<number, number>();
  #withoutVector = 0;
  #complete = true;

  /** Counts a row; `op` is 0 for a deletion. */
  note(row: { branch: number; op: number; vectors: readonly unknown[] }): void {
    if (row.op === 0) return;
    this.#puts.set(row.branch, (this.#puts.get(row.branch) ?? 0) + 1);
    if (row.vectors.length === 0) this.#withoutVector++;
  }

  /** Memory took rows over that were not counted. */
  markIncomplete(): void {
    this.#complete = false;
  }

  /** Starts again with nothing written. */
  clear(): void {
    this.#puts.clear();
    this.#withoutVector = 0;
    this.#complete = true;
  }

  /** Items that a view sees at most, over all namespaces; `Infinity` when unknown. */
  most({ levels }: View): number {
    if (!this.#complete) return Number.POSITIVE_INFINITY;
    return levels.reduce((sum, { branch }) => sum + (this.#puts.get(branch) ?? 0), 0);
  }

  /** Whether every item is known to have a vector. */
  get allHaveVectors(): boolean {
    return this.#complete && this.#withoutVector === 0;
  }
}
