/**
 * Ranks the rows of a scope by vector, lists them in order, and filters them: rows, not yet items.
 *
 * Leaves out embedding the query (`batch.ts`, before the transaction), keyword ranking (`keyword.ts`), combining
 * rankings (`run-search.ts`) and the indexes (`vectors/index-set.ts`).
 */
import type { Ledger } from "../rows/ledger.js";
import { type MatchingRow, matchingRows } from "../rows/matching-rows.js";
import { rowsByIds, rowsOf, toItem } from "../rows/reader.js";
import { storedJson } from "../rows/stored-json.js";
import type { FoundRow } from "../rows/version-row.js";
import type { Scope } from "../vectors/scope.js";
import type { SlotScore } from "../vectors/vector-index.js";
import { scan } from "../vectors/vector-indexes/flat.js";
import { normalize } from "../vectors/vector-math.js";
import type { VectorTable } from "../vectors/vector-table.js";
import type { Corpus, SearchRequest } from "./corpus.js";
import type { Filter } from "./filter.js";
import { candidatesFor, cosineOf, rescored } from "./rescore.js";
import type { SearchItem } from "./search-options.js";

/** Where a filter leaves too few of the best, so many times as many are looked at. */
const FURTHER = 16;
const FURTHER_MOST = 2048;

/** A version row with its score; unranked rows have none. */
export interface RankedRow {
  row: FoundRow;
  score?: number;
}

/** Items of the scope in order: namespaces by their labels, then items by creation. */
export function listItems({ ledger }: Corpus, request: SearchRequest): SearchItem[] {
  const out: SearchItem[] = [];
  let skip = request.offset;
  if (request.limit === 0 || ledger.counts.most(request.view) <= request.offset) return out;
  for (const ns of ledger.namespaces.under(request.prefix)) {
    for (const row of rowsOf(ledger, request.view, ns.id)) {
      if (!passes(row, request.filter) || skip-- > 0) continue;
      out.push(toItem(ledger, row));
      if (out.length === request.limit) return out;
    }
  }
  return out;
}

/** The best `wanted` rows by cosine that pass the filter. */
export function rankByVector(
  { ledger, vectors }: Corpus,
  request: SearchRequest,
  query: Float32Array,
  wanted: number,
): RankedRow[] {
  const { table } = vectors;
  if (!table || wanted === 0) return [];
  const scope = { prefix: request.prefix, namespaces: ledger.namespaces.under(request.prefix) };
  const unit = unitOf(query);
  const visible = table.visibility(request.view, ledger.overrides);
  if (!request.filter) {
    const spare = candidatesFor(table, wanted) - wanted;
    const hits = vectors.indexes.search(table, scope, unit, wanted, visible, spare);
    const found = liveOf(ledger, table, rescored(ledger, table, hits, unit, wanted));
    return found.length === wanted || !ledger.hasExpiring()
      ? found
      : rankExhaustively(ledger, table, request, scope, unit, wanted, visible);
  }
  const out: RankedRow[] = [];
  for (let candidates = Math.max(wanted * 4, 64), more = true; more; candidates *= FURTHER) {
    const hits = vectors.indexes.search(table, scope, unit, candidates, visible);
    const probe = liveOf(ledger, table, rescored(ledger, table, hits, unit, candidates));
    out.length = 0;
    for (const found of probe) {
      if (passes(found.row, request.filter)) out.push(found);
      if (out.length === wanted) return out;
    }
    if (hits.length < candidates) return out;
    // A second time only if that many more are likely to be enough.
    more = candidates * FURTHER <= FURTHER_MOST && out.length * FURTHER >= wanted * 2;
  }
  return rankExhaustively(ledger, table, request, scope, unit, wanted, visible);
}

/** Cosines of version rows with a query: the best for a row with several vectors, none for a row without. */
export function cosinesOf(
  { ledger, vectors: { table } }: Corpus,
  versions: readonly number[],
  query: Float32Array,
): Map<number, number> {
  const best = new Map<number, number>();
  if (!table) return best;
  if (table.quantized) {
    for (const version of versions) {
      const cosine = cosineOf(ledger, version, unitOf(query));
      if (cosine !== undefined) best.set(version, cosine);
    }
    return best;
  }
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

/** Unit vectors by query vector, because the embedder's cache returns the same array for the same query. */
const units = new WeakMap<Float32Array, Float32Array>();

function unitOf(query: Float32Array): Float32Array {
  const known = units.get(query);
  if (known) return known;
  const unit = normalize(query);
  units.set(query, unit);
  return unit;
}

/** The rows of some slots, without expired ones. */
function liveOf(ledger: Ledger, table: VectorTable, found: readonly SlotScore[]): RankedRow[] {
  const versions = found.map(({ slot }) => table.version.at(slot));
  const rows = rowsByIds(ledger, versions);
  return found.flatMap(({ score }, i) => {
    const row = rows.get(versions[i] as number);
    return row ? [{ row, score }] : [];
  });
}

/** Filters first, then ranks: for filters so selective that too few of the best by score pass. */
function rankExhaustively(
  ledger: Ledger,
  table: VectorTable,
  request: SearchRequest,
  scope: Scope,
  unit: Float32Array,
  wanted: number,
  visible: (slot: number) => boolean,
): RankedRow[] {
  const passed: number[] = [];
  for (const ns of scope.namespaces) {
    for (const row of matchingRows(ledger, request.view, ns.id, request.filter?.words ?? [])) {
      if (passes(row, request.filter)) passed.push(row.id);
    }
  }
  const slots = Int32Array.from(passed.sort((a, b) => a - b).flatMap((version) => slotsOf(table, version)));
  const hits = scan(table, [slots], unit, candidatesFor(table, wanted), visible);
  return liveOf(ledger, table, rescored(ledger, table, hits, unit, wanted));
}

/** Appends items without a vector to rank them by, in order, until there are `wanted`. */
export function appendUnranked(
  { ledger, vectors }: Corpus,
  request: SearchRequest,
  ranked: RankedRow[],
  wanted: number,
): void {
  const { table, embedder } = vectors;
  if (embedder && table && ledger.counts.allHaveVectors) return;
  const known = new Set(ranked.map(({ row }) => row.id));
  const hasVector = (version: number): boolean => {
    if (!table || !embedder) return false;
    const slot = table.firstSlotOf(version);
    return slot < table.size && table.version.at(slot) === version;
  };
  for (const ns of ledger.namespaces.under(request.prefix)) {
    for (const row of rowsOf(ledger, request.view, ns.id)) {
      if (known.has(row.id) || hasVector(row.id) || !passes(row, request.filter)) continue;
      ranked.push({ row });
      if (ranked.length >= wanted) return;
    }
  }
}

/** Whether a row's value passes the filter. */
export function passes(row: MatchingRow & { key?: string }, filter: Filter | null): boolean {
  if (!filter) return true;
  const what = row.key === undefined ? `The item of version row ${row.id}` : `The item "${row.key}"`;
  return filter(storedJson(row.value ?? "{}", what));
}
