/** Exact search: a full scan of the vector table. The reference, and what small scopes use. */
import type { SlotScore } from "../vector-index.js";
import type { VectorTable } from "../vector-table.js";
import { Scorer, TopHits } from "./top-hits.js";

/** Scores every accepted slot in some lists and keeps the best k. */
export function scan(
  table: VectorTable,
  lists: Iterable<Int32Array>,
  unit: Float32Array,
  k: number,
  accept: (slot: number) => boolean,
): SlotScore[] {
  const top = new TopHits(table, k);
  const scorer = new Scorer(table, unit, accept, (slot, score) => top.offer(slot, score));
  for (const list of lists) scorer.add(list);
  scorer.flush();
  return top.finish();
}
