/**
 * What an index of codes misses in one scope: measured, kept, and acted upon.
 *
 * Owns the last searches of the scope, the measured recall, and by how much a search looks further than theory asks,
 * which grows while the measured recall is below the promise, up to an exact search. Leaves out measuring
 * (`recall.ts`) and when it happens (`index-set.ts`).
 */
import type { SearchPromise } from "../vector-index.js";
import type { Recall } from "./recall.js";

/** Searches remembered, to measure recall with. */
const ASKED = 32;
/** Measured recall may be below the target by this much, the noise of a sample. */
const TOLERANCE = 0.005;
const WIDEN_BY = 1.4;
/** Beyond it the scope is searched exactly. */
const WIDEN_MOST = 4;
/** Measured again when the scope has grown by this factor. */
const GROWN = 2;

export class ScopeRecall {
  /** The last queries. */
  readonly asked: Float32Array[] = [];
  /** The last measurement; null before the first. */
  measured: Recall | null = null;
  /** Measurements have shown that only an exact search keeps the promise. */
  exact = false;
  #widen = 1;
  #size = 0;
  #searches = 0;

  constructor(private readonly target: number) {}

  get promise(): SearchPromise {
    return { target: this.target, widen: this.#widen };
  }

  note(unit: Float32Array): void {
    if (this.asked.includes(unit)) return;
    this.asked.push(unit);
    if (this.asked.length > ASKED) this.asked.shift();
    this.#searches++;
  }

  /** Whether a scope of so many vectors has not been measured as it is. */
  isDue(size: number): boolean {
    return this.measured === null || size > this.#size * GROWN;
  }

  /** Whether the last measurement had other searches than there are now. */
  isStale(size: number): boolean {
    return this.isDue(size) || this.measured?.searches !== this.asked.length || this.#searches > ASKED;
  }

  /** Takes a measurement over. Returns whether to measure again, with searches that look further. */
  take(recall: Recall, size: number): boolean {
    this.measured = recall;
    this.#size = size;
    this.#searches = 0;
    const found = Math.min(recall.stored, recall.searched ?? 1);
    if (this.exact || found >= this.target - TOLERANCE) return false;
    this.#widen *= WIDEN_BY;
    this.exact = this.#widen > WIDEN_MOST;
    return true;
  }
}
