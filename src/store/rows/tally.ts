/**
 * Counts of what was written, by which a search knows without a query that there is nothing to find.
 *
 * Derived from the rows that the engine takes over. After a sidecar was loaded, which does not hold all rows, nothing is
 * known and every query runs. Pure.
 */
import type { View } from "./branches.js";

/** A row as it counts. */
export interface TalliedRow {
  branch: number;
  /** 0 for a deletion. */
  op: number;
  vectors: number;
}

export class Tally {
  readonly #puts = new Map<number, number>();
  #withoutVector = 0;
  #whole = true;

  note({ branch, op, vectors }: TalliedRow): void {
    if (op === 0) return;
    this.#puts.set(branch, (this.#puts.get(branch) ?? 0) + 1);
    if (vectors === 0) this.#withoutVector++;
  }

  /** Rows were taken over that this tally has not seen. */
  lose(): void {
    this.#whole = false;
  }

  /** Starts again with nothing written. */
  clear(): void {
    this.#puts.clear();
    this.#withoutVector = 0;
    this.#whole = true;
  }

  /** Items that a view sees at most, over all namespaces; `Infinity` when unknown. */
  most({ levels }: View): number {
    if (!this.#whole) return Number.POSITIVE_INFINITY;
    return levels.reduce((sum, { branch }) => sum + (this.#puts.get(branch) ?? 0), 0);
  }

  /** Whether every item is known to have a vector. */
  get allHaveVectors(): boolean {
    return this.#whole && this.#withoutVector === 0;
  }
}
