/**
 * Search by codes: estimates every cosine of the scope, and computes the promising ones.
 *
 * Scores are computed from the stored vectors, so the score of a found item is exact; its estimate decides only whether
 * it is computed at all. How many are computed depends on the query: since the error of estimates is known, the results
 * show how much was probably missed, and the search continues until that is as little as promised, if necessary to the
 * end. Where codes lie by partition, it looks at partitions first to last until no further one is likely to hold a result.
 * Isotropic vectors therefore take more time than texts, but are found just as reliably.
 */
import { BUCKETS } from "../codes/code-kernel.js";
import type { CodedQuery, CodeTable } from "../codes/code-table.js";
import { normalBelow } from "../codes/normal.js";
import type { SearchPromise, SlotScore, VectorIndex } from "../vector-index.js";
import type { VectorTable } from "../vector-table.js";
import { CodeSearch, countBelow, leastIn } from "./code-search.js";
import { scan } from "./flat.js";
import { Scorer, TopVersions } from "./top-hits.js";

/** Slots whose cosine is computed first, per wanted result. */
const FIRST_PER_RESULT = 4;
/** Fewest slots whose cosine is computed first. */
const FIRST_LEAST = 64;
/** Of what a search may miss, the share that it may miss by not computing it. Some lies in partitions it does not look at. */
const UNCOMPUTED_SHARE = 0.75;
/** If more than this share of the scope had to be computed, a full scan is cheaper. */
const SCAN_SHARE = 0.3;

export class CodedIndex implements VectorIndex {
  readonly kind = "codes";

  /** @param lists a list of slots for each namespace, ascending */
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
    const search = new CodeSearch(table, codes, lists, unit);
    const all = k + (promise.spare ?? 0);
    const top = new TopVersions(table, all);
    const scorer = new Scorer(table, unit, accept, (slot, score) => top.offer(slot, score));
    // Vectors added since have no codes yet; they are few, so all of them are computed.
    for (const list of lists) scorer.add(list.subarray(countBelow(list, codes.covered)));
    const most = this.size * SCAN_SHARE;
    let wanted = Math.max(FIRST_LEAST, k * FIRST_PER_RESULT);
    let low = search.bucketFor(wanted);
    search.gather(0, low, BUCKETS, scorer);
    for (;;) {
      scorer.flush();
      const results = top.finish();
      const found = results.slice(0, k);
      const enough = found.length === k;
      const before = search.estimated;
      if (search.further(enough ? (found[k - 1] as SlotScore).score : null, promise.widen)) {
        low = Math.max(low, search.bucketFor(wanted));
        search.gather(before, low, BUCKETS, scorer);
        continue;
      }
      const looked = search.countFrom(low);
      if (looked >= before) return results;
      const needed = enough ? bucketNeeded(codes, search.query, found, promise) : 0;
      if (enough && low <= needed) return results;
      wanted = Math.max(wanted, looked) * 4;
      // At most four times as many at a time, because what they find may show that less is enough.
      const next = Math.max(search.bucketFor(wanted), Math.min(low - 1, needed));
      if (search.countFrom(next) > most) return scan(table, lists, unit, all, accept);
      search.gather(0, next, low, scorer);
      low = next;
    }
  }
}

/**
 * The highest bucket such that computing it and those above is enough. If an item with the score of a found one has the
 * probability p of being in them, each found one stands for 1 / p items (the Horvitz-Thompson estimator), so the share of the
 * best results that is found is about the number found over the sum of these.
 */
function bucketNeeded(
  codes: CodeTable,
  query: CodedQuery,
  found: readonly SlotScore[],
  { target, widen }: SearchPromise,
): number {
  const deviations = found.map(({ slot, score }) => codes.deviation(slot, query, score) * widen);
  const isEnough = (bucket: number): boolean => {
    const low = leastIn(bucket);
    let all = 0;
    for (const [i, { score }] of found.entries()) {
      const deviation = deviations[i] as number;
      all += 1 / Math.max(1e-9, deviation > 0 ? normalBelow((score - low) / deviation) : 1);
    }
    return found.length / all >= 1 - (1 - target) * UNCOMPUTED_SHARE;
  };
  let [enough, tooHigh] = [0, BUCKETS];
  while (tooHigh - enough > 1) {
    const middle = (enough + tooHigh) >>> 1;
    if (isEnough(middle)) enough = middle;
    else tooHigh = middle;
  }
  return enough;
}
