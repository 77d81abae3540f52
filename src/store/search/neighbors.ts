/**
 * Neighbors of an item: those written just before and after it, in a conversation the turns around it.
 *
 * Owns finding them among what a view sees, and their share of a score. Leaves out scores (`fuse.ts`, `run-search.ts`).
 */
import type { FoundRow } from "../rows/version-row.js";
import type { Corpus, SearchRequest } from "./corpus.js";
import type { NamespaceDocuments } from "./documents.js";

/** The version rows before and after a row. */
type Around = readonly [number | undefined, number | undefined];

/** Documents in order of creation, and the position of each, cached per namespace that was read. */
const orders = new WeakMap<NamespaceDocuments, { order: number[]; places: Map<number, number> }>();

/** For each row with text to search, the version rows of its neighbors. */
export function neighborsOf(
  { ledger, documents }: Corpus,
  { view }: SearchRequest,
  rows: readonly FoundRow[],
): Map<number, Around> {
  const out = new Map<number, Around>();
  for (const { id, ns } of rows) {
    const { order, places } = orderOf(documents.of(ledger, view, ns));
    const at = places.get(id);
    if (at !== undefined) out.set(id, [order[at - 1], order[at + 1]]);
  }
  return out;
}

/** The score including its neighbors: `(1 - weight) * own + weight * max(before, after)`. */
export function withNeighbors(own: number, around: readonly number[], weight: number): number {
  return (1 - weight) * own + weight * Math.max(0, ...around);
}

function orderOf(found: NamespaceDocuments): { order: number[]; places: Map<number, number> } {
  const known = orders.get(found);
  if (known) return known;
  const order = [...found.byVersion].sort(([, a], [, b]) => a.born - b.born).map(([version]) => version);
  const places = new Map(order.map((version, at) => [version, at]));
  orders.set(found, { order, places });
  return { order, places };
}
