/**
 * The estimates of one search: which codes it has looked at so far, in which order, and which of them are promising.
 *
 * Of a namespace without partitions it estimates all codes at once, of one with partitions those of the nearest ones, and
 * further ones when it is asked to. Leaves out scores, and when a search has found enough (`coded.ts`).
 */

import type { CodeGroup } from "../codes/code-group.js";
import { BUCKETS, CODE_BLOCK } from "../codes/code-kernel.js";
import type { CodedQuery, CodeTable } from "../codes/code-table.js";
import type { Nearness } from "../codes/partitions.js";
import { IntegerList } from "../columns.js";
import type { VectorTable } from "../vector-table.js";
import type { Scorer } from "./top-hits.js";

/** Estimates made of a namespace with partitions before anything is scored. */
const FIRST = 4096;
/** If so many of the partitions may hold a better result, all that may are looked at together. */
const WIDE_SHARE = 0.75;
/** Width of a bucket. */
const BUCKET = 4 / BUCKETS;

/** Consecutive estimates: of the records at some positions, or of those from position `first` on. */
interface Stretch {
  at: number;
  count: number;
  first: number;
  slots: Int32Array | null;
}

/** A namespace with partitions, and how many of them were looked at. */
interface Walk {
  group: CodeGroup;
  nearness: Nearness;
  done: number;
}

export class CodeSearch {
  readonly query: CodedQuery;
  readonly #stretches: Stretch[] = [];
  readonly #walks: Walk[] = [];

  /** @param lists ascending lists of slots, one for each namespace */
  constructor(
    table: VectorTable,
    private readonly codes: CodeTable,
    lists: readonly Int32Array[],
    unit: Float32Array,
  ) {
    this.query = codes.query(unit);
    codes.kernel.begin(this.query);
    for (const list of lists) {
      const coded = list.subarray(0, countBelow(list, codes.covered));
      const group = coded.length > 0 ? codes.groups.get(table.ns.at(coded[0] as number)) : undefined;
      if (group) this.#walks.push({ group, nearness: group.partitions.nearTo(unit), done: 0 });
      else this.#takeList(coded);
    }
    this.#walk(FIRST, () => true);
  }

  /** How many estimates were made. */
  get estimated(): number {
    return this.codes.kernel.estimated;
  }

  /**
   * Estimates more: of partitions in which something better than the worst result may be, about as many as so far, or all of
   * them if that is nearly everything. Returns whether there were any.
   *
   * @param worst cosine of the worst result; null while there are too few
   * @param widen factor by which to look farther than calibrated
   */
  further(worst: number | null, widen: number): boolean {
    const distance = worst === null ? Number.POSITIVE_INFINITY : Math.sqrt(Math.max(0, 2 - 2 * worst));
    const before = this.estimated;
    const mayHold = ({ group, nearness }: Walk, partition: number): boolean => {
      // Infinity times zero is not a number, which would end the walk.
      if (worst === null || group.reach === Number.POSITIVE_INFINITY) return true;
      return (nearness.gaps[partition] as number) <= group.reach * widen * distance;
    };
    // Where nearly everything may hold something better, reading it in one go takes half of the time.
    const isWide = (walk: Walk): boolean => {
      const { order } = walk.nearness;
      return mayHold(walk, order[Math.floor((order.length - 1) * WIDE_SHARE)] as number);
    };
    const most = this.#walks.some(isWide) ? Number.POSITIVE_INFINITY : before + Math.max(FIRST, before);
    this.#walk(most, (walk) => mayHold(walk, walk.nearness.order[walk.done] as number));
    return this.estimated > before;
  }

  /** Adds the slots of the estimates from number `from` on that are in bucket `low` or above, and below bucket `high`. */
  gather(from: number, low: number, high: number, scorer: Scorer): void {
    const { kernel, slots: slotAt } = this.codes;
    const all = slotAt.view();
    const taken = new IntegerList();
    let next = 0;
    let stretch = this.#stretches[next++] as Stretch;
    for (let start = from; start < kernel.estimated; start += CODE_BLOCK) {
      const found = kernel.collect(start, Math.min(kernel.estimated, start + CODE_BLOCK), low, high);
      for (let i = 0; i < found.length; i++) {
        const number = found[i] as number;
        while (number >= stretch.at + stretch.count) stretch = this.#stretches[next++] as Stretch;
        const within = number - stretch.at;
        taken.push((stretch.slots ? stretch.slots[within] : all[stretch.first + within]) as number);
      }
    }
    // In the order of memory, vectors are read in half of the time.
    scorer.add(taken.view().sort());
  }

  /** How many estimates are in bucket `low` or above. */
  countFrom(low: number): number {
    const histogram = this.codes.kernel.histogram();
    let count = 0;
    for (let bucket = low; bucket < BUCKETS; bucket++) count += histogram[bucket] as number;
    return count;
  }

  /** The highest bucket such that it and those above hold at least `wanted` estimates; 0 if there are fewer. */
  bucketFor(wanted: number): number {
    const histogram = this.codes.kernel.histogram();
    let count = 0;
    for (let bucket = BUCKETS - 1; bucket > 0; bucket--) {
      count += histogram[bucket] as number;
      if (count >= wanted) return bucket;
    }
    return 0;
  }

  #takeList(slots: Int32Array): void {
    const { kernel } = this.codes;
    if (slots.length === 0) return;
    this.#stretches.push({ at: kernel.estimated, count: slots.length, first: 0, slots });
    const positionOf = this.codes.positions.view();
    const positions = new Int32Array(slots.length);
    for (let i = 0; i < slots.length; i++) positions[i] = positionOf[slots[i] as number] as number;
    kernel.estimateList(positions);
  }

  /** Estimates partitions, nearest first, until there are `most` estimates or no partition may have more to give. */
  #walk(most: number, goesOn: (walk: Walk) => boolean): void {
    for (const walk of this.#walks) {
      const { group, nearness } = walk;
      const begun = walk.done;
      let planned = this.estimated;
      while (walk.done < nearness.order.length && planned < most && goesOn(walk)) {
        planned += group.countOf(nearness.order[walk.done++] as number);
      }
      // Partitions that lie beside each other are read as one.
      this.#take(group, nearness.order.slice(begun, walk.done).sort());
    }
  }

  #take(group: CodeGroup, partitions: Int32Array): void {
    const { kernel } = this.codes;
    let [from, end] = [0, 0];
    const estimate = (): void => {
      if (end === from) return;
      this.#stretches.push({ at: kernel.estimated, count: end - from, first: from, slots: null });
      kernel.estimateRun(from, end - from);
    };
    for (const partition of partitions) {
      group.eachRun(partition, (first, count) => {
        if (first !== end) {
          estimate();
          from = first;
        }
        end = first + count;
      });
    }
    estimate();
  }
}

/** The bucket of an estimate, and the least estimate in a bucket. */
export const bucketOf = (estimate: number): number =>
  Math.max(0, Math.min(BUCKETS - 1, Math.floor((estimate + 2) / BUCKET)));
export const leastIn = (bucket: number): number =>
  bucket === 0 ? Number.NEGATIVE_INFINITY : bucket * BUCKET - 2;

/** How many numbers of an ascending list are below a bound. */
export function countBelow(list: Int32Array, bound: number): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((list[middle] as number) < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
