/**
 * Partitions of the vectors of a large namespace: directions, each vector belonging to the nearest one.
 *
 * Owns which partition a vector belongs to, and in which order a search looks at partitions. Directions are in groups, so
 * that placing a vector compares it with a few of them only. Leaves out how they are found (`train-partitions.ts`), the
 * codes in a partition (`code-group.ts`) and how far a search looks (`vector-indexes/code-search.ts`).
 */
import { RowKernel } from "./row-kernel.js";

/** The most partitions of a namespace. */
export const MOST_PARTITIONS = 8192;
/** Groups whose directions a vector is compared with. */
const GROUPS_TRIED = 4;
/** Gaps are sorted into so many buckets. */
const GAP_BUCKETS = 1024;

/** Partitions in the order of a search. */
export interface Nearness {
  order: Int32Array;
  /** By partition: how much farther from the query its direction is than the nearest one, as a difference of cosines. */
  gaps: Float32Array;
}

/** Saved partitions. */
export interface SavedPartitions {
  rows: Int8Array;
  scales: Float32Array;
}

export class Partitions {
  readonly count: number;
  /** The directions, then those of the groups. */
  readonly #kernel: RowKernel;

  /** @param sizes number of directions in each group */
  constructor(
    readonly dims: number,
    readonly sizes: readonly number[],
  ) {
    this.count = sizes.reduce((sum, size) => sum + size, 0);
    this.#kernel = new RowKernel(dims, this.count + sizes.length);
  }

  /** Sets a direction; those of the groups follow the others. */
  set(row: number, direction: ArrayLike<number>): void {
    this.#kernel.set(row, direction);
  }

  /** The partition of a vector, which starts at `from` in an array. */
  of(vector: Float32Array, from: number): number {
    const { sizes, count } = this;
    this.#kernel.load(vector, from);
    const groups = this.#kernel.products(count, count + sizes.length).slice();
    let [best, most] = [0, Number.NEGATIVE_INFINITY];
    for (let n = 0; n < Math.min(GROUPS_TRIED, sizes.length); n++) {
      const group = indexOfLargest(groups);
      groups[group] = Number.NEGATIVE_INFINITY;
      let start = 0;
      for (let i = 0; i < group; i++) start += sizes[i] as number;
      const products = this.#kernel.products(start, start + (sizes[group] as number));
      const nearest = indexOfLargest(products);
      if ((products[nearest] as number) <= most) continue;
      most = products[nearest] as number;
      best = start + nearest;
    }
    return best;
  }

  /** The partitions by nearness to a query. */
  nearTo(unit: Float32Array): Nearness {
    this.#kernel.load(unit, 0);
    const gaps = this.#kernel.products(0, this.count).slice();
    const most = gaps[indexOfLargest(gaps)] as number;
    let widest = 0;
    for (let i = 0; i < gaps.length; i++) {
      gaps[i] = most - (gaps[i] as number);
      widest = Math.max(widest, gaps[i] as number);
    }
    // Counted into buckets, since partitions are many and their exact order does not matter.
    const scale = widest > 0 ? (GAP_BUCKETS - 1) / widest : 0;
    const starts = new Int32Array(GAP_BUCKETS + 1);
    for (const gap of gaps) {
      const at = Math.floor(gap * scale) + 1;
      starts[at] = (starts[at] as number) + 1;
    }
    for (let i = 1; i <= GAP_BUCKETS; i++) starts[i] = (starts[i] as number) + (starts[i - 1] as number);
    const order = new Int32Array(this.count);
    for (let i = 0; i < gaps.length; i++) {
      const bucket = Math.floor((gaps[i] as number) * scale);
      const at = starts[bucket] as number;
      order[at] = i;
      starts[bucket] = at + 1;
    }
    return { order, gaps };
  }

  /** The parts to save, or to fill with saved ones; they share memory. */
  parts(): SavedPartitions {
    return this.#kernel.parts();
  }

  bytes(): number {
    return this.#kernel.bytes();
  }
}

function indexOfLargest(numbers: Float32Array): number {
  let best = 0;
  for (let i = 1; i < numbers.length; i++) if ((numbers[i] as number) > (numbers[best] as number)) best = i;
  return best;
}
