/**
 * Search on a view: candidates ranked by an index, filtered before the cut, turned into items.
 *
 * Leaves out embedding the query (`batch.ts`, before the transaction) and the indexes (`index-set.ts`).
 */

import type { Engine } from "../engine.js";
import type { View } from "../rows/branches.js";
import type { NamespaceRow } from "../rows/namespaces.js";
import { type FoundRow, rowById, rowsByIds, rowsOf, toItem, type VersionRow } from "../rows/reader.js";
import { storedJson } from "../rows/stored-json.js";
import { normalise } from "../vectors/vector-math.js";
import type { VectorTable } from "../vectors/vector-table.js";
import type { Filter } from "./filter.js";
import type { SearchItem } from "./search-options.js";

/** A search with everything resolved. */
export interface SearchRequest {
  view: View;
  prefix: readonly string[];
  filter: Filter | null;
  limit: number;
  offset: number;
}

/** A version row with its score, best first; unranked rows have none. */
export interface RankedRow {
  row: FoundRow;
  score?: number;
}

/** Items of the scope in order: namespaces by their labels, items by creation. */
export function listItems(engine: Engine, request: SearchRequest): SearchItem[] {
  const out: SearchItem[] = [];
  let skip = request.offset;
  if (request.limit === 0 || engine.tally.most(request.view) <= request.offset) return out;
  for (const ns of engine.namespaces.under(request.prefix)) {
    for (const row of rowsOf(engine, request.view, ns.id)) {
      if (!passes(row, request.filter) || skip-- > 0) continue;
      out.push(toItem(engine, row));
      if (out.length === request.limit) return out;
    }
  }
  return out;
}

/** The best `wanted` rows by cosine that pass the filter. */
export function rankByVector(
  engine: Engine,
  request: SearchRequest,
  query: Float32Array,
  wanted: number,
): RankedRow[] {
  const { table } = engine;
  if (!table || wanted === 0) return [];
  const scope = engine.namespaces.under(request.prefix);
  const unit = unitOf(query);
  const visible = table.visibility(request.view, engine.overrides);
  if (!request.filter) {
    const out = take(engine, engine.indexes.search(request.prefix, scope, unit, wanted, visible));
    return out.length === wanted || !engine.hasExpiring()
      ? out
      : rankExhaustively(engine, request, scope, unit, wanted, visible);
  }
  const probe = engine.indexes.search(request.prefix, scope, unit, Math.max(wanted * 4, 64), visible);
  const out: RankedRow[] = [];
  for (const { slot, score } of probe) {
    const row = rowById(engine, table.version.at(slot));
    if (row && passes(row, request.filter)) out.push({ row, score });
    if (out.length === wanted) return out;
  }
  if (probe.length < Math.max(wanted * 4, 64)) return out;
  return rankExhaustively(engine, request, scope, unit, wanted, visible);
}

/** Cosines of version rows with a query, of several vectors of a row the best; a row without one is left out. */
export function cosinesOf(
  { table }: Engine,
  versions: readonly number[],
  query: Float32Array,
): Map<number, number> {
  const best = new Map<number, number>();
  if (!table) return best;
  const slots = versions.flatMap((version) => slotsOf(table, version));
  const cosines = new Float64Array(slots.length);
  table.scores(Int32Array.from(slots), slots.length, Float64Array.from(unitOf(query)), cosines);
  slots.forEach((slot, i) => {
    const version = table.version.at(slot);
    best.set(version, Math.max(best.get(version) ?? -1, cosines[i] as number));
  });
  return best;
}

function slotsOf(table: VectorTable, version: number): number[] {
  const slots: number[] = [];
  for (let slot = table.firstSlotOf(version); slot < table.size; slot++) {
    if (table.version.at(slot) !== version) break;
    slots.push(slot);
  }
  return slots;
}

/** Queries come from the embedder's cache, so the same one comes again as the same array. */
const units = new WeakMap<Float32Array, Float32Array>();

function unitOf(query: Float32Array): Float32Array {
  const known = units.get(query);
  if (known) return known;
  const unit = normalise(query);
  units.set(query, unit);
  return unit;
}

function take(engine: Engine, hits: readonly { slot: number; score: number }[]): RankedRow[] {
  const versions = hits.map(({ slot }) => engine.table?.version.at(slot) ?? -1);
  const rows = rowsByIds(engine, versions);
  return hits.flatMap(({ score }, i) => {
    const row = rows.get(versions[i] as number);
    return row ? [{ row, score }] : [];
  });
}

/** Filters first, ranks after: for filters so selective that the best by score do not hold enough. */
function rankExhaustively(
  engine: Engine,
  request: SearchRequest,
  scope: readonly NamespaceRow[],
  unit: Float32Array,
  wanted: number,
  visible: (slot: number) => boolean,
): RankedRow[] {
  const passed = new Map<number, VersionRow>();
  for (const ns of scope) {
    for (const row of rowsOf(engine, request.view, ns.id)) {
      if (passes(row, request.filter)) passed.set(row.id, row);
    }
  }
  const { table } = engine;
  if (!table) return [];
  const accept = (slot: number): boolean => visible(slot) && passed.has(table.version.at(slot));
  return engine.indexes.scan(scope, unit, wanted, accept).map(({ slot, score }) => ({
    row: passed.get(table.version.at(slot)) as VersionRow,
    score,
  }));
}

/** Adds items that are not in the ranking and have nothing to rank them by, in order, up to `wanted`. */
export function appendUnranked(
  engine: Engine,
  request: SearchRequest,
  ranked: RankedRow[],
  wanted: number,
): void {
  const { table, embedder } = engine;
  if (embedder && table && engine.tally.allHaveVectors) return;
  const known = new Set(ranked.map(({ row }) => row.id));
  const hasVector = (version: number): boolean => {
    if (!table || !embedder) return false;
    const slot = table.firstSlotOf(version);
    return slot < table.size && table.version.at(slot) === version;
  };
  for (const ns of engine.namespaces.under(request.prefix)) {
    for (const row of rowsOf(engine, request.view, ns.id)) {
      if (known.has(row.id) || hasVector(row.id) || !passes(row, request.filter)) continue;
      ranked.push({ row });
      if (ranked.length >= wanted) return;
    }
  }
}

/** Whether a row's value passes the filter. */
export function passes(row: FoundRow, filter: Filter | null): boolean {
  return !filter || filter(storedJson(row.value ?? "{}", `The item "${row.key}"`));
}
