/**
 * Measures how far a search must look into the partitions of a namespace.
 *
 * A result at a distance from the query may lie in a partition other than the nearest one; how much farther away that
 * partition's direction is (the gap) grows with the distance. The quotient of the two is taken from the results of sample
 * queries, stored vectors and searches, and the one that nearly all of them keep to is the reach. Data without any order give
 * a reach with which a search looks at all partitions.
 */
import type { SlotScore } from "../vector-index.js";
import type { VectorTable } from "../vector-table.js";
import type { CodeGroup } from "./code-group.js";

/** A query and its true best results. */
export interface Answered {
  unit: Float32Array;
  best: readonly SlotScore[];
}

/** Of what a search may miss, the share that lies in partitions it does not look at. */
const MISSED_SHARE = 0.5;

/**
 * The reach for some answered queries. Yields between them: with thousands of partitions each may take a millisecond.
 *
 * @param sets kinds of queries; each kind must be served
 * @param target share of the best results that a search is to find
 */
export function* reachFor(
  table: VectorTable,
  { partitions }: CodeGroup,
  sets: readonly (readonly Answered[])[],
  target: number,
): Generator<void, number> {
  let reach = 0;
  for (const answered of sets) {
    const quotients: number[] = [];
    for (const { unit, best } of answered) {
      const worst = best.at(-1);
      if (!worst) continue;
      yield;
      const { gaps } = partitions.nearTo(unit);
      const distance = Math.sqrt(Math.max(0, 2 - 2 * worst.score));
      for (const { slot } of best) {
        const gap = gaps[partitions.of(table.chunkOf(slot), table.offsetOf(slot))] as number;
        // Copies of the query lie in its own partition, up to rounding.
        quotients.push(distance > 0 ? gap / distance : 0);
      }
    }
    quotients.sort((a, b) => b - a);
    const missed = Math.floor(quotients.length * (1 - target) * MISSED_SHARE);
    reach = Math.max(reach, quotients[missed] ?? Number.POSITIVE_INFINITY);
  }
  return reach;
}
