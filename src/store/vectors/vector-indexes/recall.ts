/**
 * Measures the recall of an index against a full scan, with stored vectors and with the last searches as queries.
 *
 * Both, because they differ: a stored text is usually near other stored texts, a question need not be near any. The
 * scan runs in pieces, so that other work can run in between.
 */
import type { SlotScore } from "../vector-index.js";
import { SEES_ALL, type VectorTable } from "../vector-table.js";
import { Scorer, TopVersions } from "./top-hits.js";

/** The share of the true ten best items that an index finds, 0 to 1. */
export interface Recall {
  /** With a sample of stored vectors as queries, each of which ignores its own item. */
  stored: number;
  /** With the last searches as queries; null before the first. */
  searched: number | null;
  /** How many searches those were. */
  searches: number;
}

type Find = (unit: Float32Array, k: number, accept: (slot: number) => boolean) => SlotScore[];

/** Results compared per query. */
const AT = 10;
const SAMPLE = 32;
/** Components multiplied before other work may run, which takes about a millisecond. */
const PIECE = 1_000_000;

/** Measures `find` on the slots of a scope. Returns null once `stopped` returns true. */
export async function measureRecall(
  table: VectorTable,
  slots: Int32Array,
  asked: readonly Float32Array[],
  find: Find,
  stopped: () => boolean,
): Promise<Recall | null> {
  const own = Array.from({ length: Math.min(SAMPLE, slots.length) }, (_, i) => {
    const slot = slots[Math.floor(((i + 0.5) * slots.length) / Math.min(SAMPLE, slots.length))] as number;
    const version = table.version.at(slot);
    const accept = (other: number): boolean => table.version.at(other) !== version;
    return { unit: table.vector(slot).slice(), accept };
  });
  const searches = asked.map((unit) => ({ unit, accept: SEES_ALL }));
  const share = async (queries: readonly { unit: Float32Array; accept: (slot: number) => boolean }[]) => {
    let [found, wanted] = [0, 0];
    for (const { unit, accept } of queries) {
      const truth = await scanInPieces(table, slots, unit, accept, stopped);
      if (stopped()) return null;
      const worst = truth.at(-1)?.score ?? 0;
      // Compare scores, so that among equal items any counts.
      found += find(unit, AT, accept).filter(({ score }) => score >= worst).length;
      wanted += truth.length;
    }
    return wanted === 0 ? 1 : Math.min(1, found / wanted);
  };
  const stored = await share(own);
  const searched = searches.length > 0 ? await share(searches) : null;
  if (stored === null || stopped()) return null;
  return { stored, searched, searches: searches.length };
}

async function scanInPieces(
  table: VectorTable,
  slots: Int32Array,
  unit: Float32Array,
  accept: (slot: number) => boolean,
  stopped: () => boolean,
): Promise<SlotScore[]> {
  const top = new TopVersions(table, AT);
  const scorer = new Scorer(table, unit, accept, (slot, score) => top.offer(slot, score));
  const rows = Math.max(256, Math.floor(PIECE / table.dims));
  for (let from = 0; from < slots.length; from += rows) {
    scorer.add(slots.subarray(from, from + rows));
    scorer.flush();
    await new Promise((resolve) => setImmediate(resolve));
    if (stopped()) break;
  }
  return top.finish();
}
