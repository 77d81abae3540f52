/**
 * Recall of an approximate index, measured against a full scan with the store's own vectors and with its last searches.
 *
 * With both, because they differ: a text is near the texts it was clustered with, a question need not be near any.
 */
import type { SlotScore } from "../vector-index.js";
import { SEES_ALL, type VectorTable } from "../vector-table.js";

/** How much of the true ten best items an approximate index found, 0 to 1. */
export interface Recall {
  /** With a sample of the stored vectors as queries, each looking for items other than its own. */
  stored: number;
  /** With the last searches as queries; null before the first. */
  searched: number | null;
  /** How many searches those were. */
  searches: number;
}

/** Results compared per query. */
const AT = 10;
const SAMPLE = 32;

export type Find = (unit: Float32Array, k: number, accept: (slot: number) => boolean) => SlotScore[];

/** Measures `approximate` against `exact` in steps of one query, and lets other work run in between. */
export async function measureRecall(
  table: VectorTable,
  slots: Int32Array,
  asked: readonly Float32Array[],
  approximate: Find,
  exact: Find,
): Promise<Recall> {
  const own = Array.from({ length: Math.min(SAMPLE, slots.length) }, (_, i) => {
    const slot = slots[Math.floor(((i + 0.5) * slots.length) / Math.min(SAMPLE, slots.length))] as number;
    const version = table.version.at(slot);
    return {
      unit: table.vector(slot).slice(),
      accept: (other: number) => table.version.at(other) !== version,
    };
  });
  const searches = asked.map((unit) => ({ unit, accept: SEES_ALL }));
  const share = async (queries: readonly { unit: Float32Array; accept: (slot: number) => boolean }[]) => {
    let [found, wanted] = [0, 0];
    for (const { unit, accept } of queries) {
      const truth = exact(unit, AT, accept);
      const worst = truth.at(-1)?.score ?? 0;
      // By score, so that any of several equal items counts.
      found += approximate(unit, AT, accept).filter(({ score }) => score >= worst).length;
      wanted += truth.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
    return wanted === 0 ? 1 : found / wanted;
  };
  const stored = await share(own);
  return { stored, searched: searches.length > 0 ? await share(searches) : null, searches: searches.length };
}
