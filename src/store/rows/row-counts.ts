/**
 * Counts of the rows written, so that a search can tell without a query when there is nothing to find. Pure.
 *
 * Derived from the rows that memory loads. A sidecar does not hold all rows, so once one was loaded nothing is known
 * and every query runs.
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

  /** Notes that memory has loaded rows without counting them. */
  markIncomplete(): void {
    this.#complete = false;
  }

  /** Starts again from zero. */
  clear(): void {
    this.#puts.clear();
    this.#withoutVector = 0;
    this.#complete = true;
  }

  /** Upper bound of the items that a view sees in all namespaces; `Infinity` when unknown. */
  most({ levels }: View): number {
    if (!this.#complete) return Number.POSITIVE_INFINITY;
    return levels.reduce((sum, { branch }) => sum + (this.#puts.get(branch) ?? 0), 0);
  }

  /** Whether every item is known to have a vector. */
  get allHaveVectors(): boolean {
    return this.#complete && this.#withoutVector === 0;
  }
}
