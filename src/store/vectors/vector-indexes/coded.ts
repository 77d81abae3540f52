/**
 * Search by codes: estimates every cosine of the scope, and computes the promising ones.
 *
 * Scores are computed from the stored vectors, so the score of a found item is exact; its estimate decides only whether
 * it is computed at all. How many are computed depends on the query: since the error of estimates is known, the results
 * show how much was probably missed, and the search continues until that is as little as promised, if necessary to the
 * end. Isotropic vectors therefore take more time than texts, but are found just as reliably.
 */
import { BUCKETS, CODE_BLOCK } from "../codes/code-kernel.js";
import type { CodedQuery, CodeTable } from "../codes/code-table.js";
import { normalBelow } from "../codes/normal.js";
import type { SearchPromise, SlotScore, VectorIndex } from "../vector-index.js";
import type { VectorTable } from "../vector-table.js";
import { scan } from "./flat.js";
import { Scorer, TopVersions } from "./top-hits.js";

/** Slots whose cosine is computed first, per wanted result. */
const FIRST_PER_RESULT = 4;
/** Fewest slots whose cosine is computed first. */
const FIRST_LEAST = 64;
/** If more than this share of the scope had to be computed, a full scan is cheaper. */
const SCAN_SHARE = 0.3;

export class CodedIndex implements VectorIndex {
  readonly kind = "codes";

  /** @param lists lists of slots, each ascending */
  constructor(
    private readonly table: VectorTable,
    private readonly codes: CodeTable,
    private readonly lists: readonly Int32Array[],
  ) {}

  get size(): number {
    return this.lists.reduce((sum, list) => sum + list.length, 0);
  }

  search(
    unit: Float32Array,
    k: number,
    accept: (slot: number) => boolean,
    promise: SearchPromise,
  ): SlotScore[] {
    const { table, codes, lists } = this;
    const coded = lists.map((list) => list.subarray(0, countBelow(list, codes.covered)));
    const { query, histogram } = estimate(codes, coded, unit);
    const total = countFrom(histogram, Number.NEGATIVE_INFINITY);
    const top = new TopVersions(table, k);
    const scorer = new Scorer(table, unit, accept, (slot, score) => top.offer(slot, score));
    // Vectors added since have no codes yet; they are few, so all of them are computed.
    for (const [i, list] of lists.entries()) scorer.add(list.subarray((coded[i] as Int32Array).length));
    let wanted = Math.max(FIRST_LEAST, k * FIRST_PER_RESULT);
    let low = thresholdFor(histogram, wanted);
    for (let high = Number.POSITIVE_INFINITY; ; ) {
      gather(codes, coded, low, high, scorer);
      scorer.flush();
      const found = top.finish();
      const looked = countFrom(histogram, low);
      if (looked >= total) return found;
      const enough = found.length === k;
      if (enough && expectedRecall(codes, query, found, low, promise.widen) >= promise.target) return found;
      high = low;
      wanted = Math.max(wanted, looked) * 4;
      // At most four times as many at a time, because what they find may show that it is enough.
      low = thresholdFor(histogram, wanted);
      if (enough) low = Math.max(low, Math.min(high - BUCKET, boundFor(codes, query, found, promise)));
      if (countFrom(histogram, low) > total * SCAN_SHARE) return scan(table, lists, unit, k, accept);
    }
  }
}

/** Estimates the cosines of all slots in some lists. */
function estimate(
  codes: CodeTable,
  lists: readonly Int32Array[],
  unit: Float32Array,
): { query: CodedQuery; histogram: Int32Array } {
  const query = codes.query(unit);
  codes.kernel.begin(query);
  let at = 0;
  for (const list of lists) {
    codes.kernel.estimate(list, at, query);
    at += list.length;
  }
  return { query, histogram: codes.kernel.histogram() };
}

/** Scores the slots whose estimate is at least `low` and below `high`. */
function gather(
  codes: CodeTable,
  lists: readonly Int32Array[],
  low: number,
  high: number,
  scorer: Scorer,
): void {
  let at = 0;
  for (const list of lists) {
    for (let from = 0; from < list.length; from += CODE_BLOCK) {
      const end = Math.min(list.length, from + CODE_BLOCK);
      const found = codes.kernel.collect(at + from, at + end, low, high);
      if (found.length === 0) continue;
      scorer.add(found.map((number) => list[number - at] as number));
    }
    at += list.length;
  }
}

/**
 * The share of the best results expected among those computed. If an item with the score of a found one had the
 * probability p of being computed, each found one stands for 1 / p items (the Horvitz-Thompson estimator).
 */
function expectedRecall(
  codes: CodeTable,
  query: CodedQuery,
  found: readonly SlotScore[],
  low: number,
  widen: number,
): number {
  let all = 0;
  for (const { slot, score } of found) {
    const deviation = codes.deviation(slot, query, score) * widen;
    all += 1 / Math.max(1e-9, deviation > 0 ? normalBelow((score - low) / deviation) : 1);
  }
  return found.length / all;
}

/** The estimate down to which cosines must be computed to find the last result as reliably as promised. */
function boundFor(
  codes: CodeTable,
  query: CodedQuery,
  found: readonly SlotScore[],
  { target, widen }: SearchPromise,
): number {
  const last = found.at(-1) as SlotScore;
  const deviation = Math.max(...found.map(({ slot, score }) => codes.deviation(slot, query, score))) * widen;
  let margin = 0;
  while (normalBelow(margin) < target && margin < 6) margin += 0.1;
  return last.score - margin * deviation;
}

/** Width of a bucket. */
const BUCKET = 4 / BUCKETS;
const VALUE_OF = (bucket: number): number => bucket * BUCKET - 2;

/** The lower bound of the highest buckets that together hold at least `wanted` estimates. */
function thresholdFor(histogram: Int32Array, wanted: number): number {
  let count = 0;
  for (let bucket = BUCKETS - 1; bucket > 0; bucket--) {
    count += histogram[bucket] as number;
    if (count >= wanted) return VALUE_OF(bucket);
  }
  return Number.NEGATIVE_INFINITY;
}

/** How many estimates are at least `low`, counted in whole buckets. */
function countFrom(histogram: Int32Array, low: number): number {
  if (low === Number.NEGATIVE_INFINITY) return histogram.reduce((sum, count) => sum + count, 0);
  let count = 0;
  for (let bucket = Math.max(0, Math.ceil((low + 2) / BUCKET)); bucket < BUCKETS; bucket++) {
    count += histogram[bucket] as number;
  }
  return count;
}

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
