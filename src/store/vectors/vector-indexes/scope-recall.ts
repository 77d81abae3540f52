/**
 * The recall of codes in one scope, and what follows from it.
 *
 * Owns the last searches of the scope, the measured recall, and how much more widely than theory requires a search
 * looks: more so while the measured recall is below the target, and finally exactly. Leaves out measuring (`recall.ts`)
 * and when it happens (`index-set.ts`).
 */
import type { SearchPromise } from "../vector-index.js";
import type { Recall } from "./recall.js";

/** How many searches are remembered for measuring. */
const ASKED = 32;
/** Measured recall may be below the target by this much, which is the noise of a sample. */
const TOLERANCE = 0.005;
const WIDEN_BY = 1.4;
/** Beyond this factor the scope is searched exactly. */
const WIDEN_MOST = 4;
/** Measured again when the scope has grown by this factor. */
const GROWN = 2;

export class ScopeRecall {
  /** The last queries. */
  readonly asked: Float32Array[] = [];
  /** The last measurement; null before the first. */
  measured: Recall | null = null;
  /** Whether measurements have shown that only an exact search reaches the target. */
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

  /** Whether a scope that now has so many vectors needs to be measured. */
  isDue(size: number): boolean {
    return this.measured === null || size > this.#size * GROWN;
  }

  /** Whether the last measurement is out of date, in the scope's size or its searches. */
  isStale(size: number): boolean {
    return this.isDue(size) || this.measured?.searches !== this.asked.length || this.#searches > ASKED;
  }

  /** Takes a measurement. Returns whether to measure again, because searches will now look more widely. */
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
