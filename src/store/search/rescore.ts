/**
 * Exact scores for what was found with vectors that are rounded in memory: with those of the database.
 *
 * Leaves out the rounding (`vectors/stored-rows.ts`).
 */
import type { Ledger } from "../rows/ledger.js";
import { readVectors } from "../rows/vector-rows.js";
import type { SlotScore } from "../vectors/vector-index.js";
import { dotInOrder, normalize } from "../vectors/vector-math.js";
import type { VectorTable } from "../vectors/vector-table.js";

/** More is found than wanted, so that what rounding pushed back a little is among it. */
export function candidatesFor(table: VectorTable, wanted: number): number {
  return table.quantized ? wanted + Math.max(10, Math.ceil(wanted / 2)) : wanted;
}

/** The best `wanted` of some hits, with exact scores. */
export function rescored(
  ledger: Ledger,
  table: VectorTable,
  hits: readonly SlotScore[],
  unit: Float32Array,
  wanted: number,
): readonly SlotScore[] {
  if (!table.quantized) return hits;
  return hits
    .map(({ slot, score }) => ({ slot, score: cosineOf(ledger, table.version.at(slot), unit) ?? score }))
    .sort((a, b) => b.score - a.score || table.born.at(a.slot) - table.born.at(b.slot))
    .slice(0, wanted);
}

/** The cosine of a version row's stored vectors with a query, the best of several; undefined where it has none. */
export function cosineOf(ledger: Ledger, version: number, unit: Float32Array): number | undefined {
  const query = Float64Array.from(unit);
  let best: number | undefined;
  for (const { vector } of readVectors(ledger.db, version)) {
    const score = dotInOrder(normalize(vector), 0, query, query.length);
    if (best === undefined || score > best) best = score;
  }
  return best;
}
