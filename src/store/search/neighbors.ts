/**
 * Items that were written just before and after others: in a conversation, the turns around them.
 *
 * Owns finding them in what a view sees, and their share in a score. Leaves out the scores (`fuse.ts`, `run-search.ts`).
 */
import type { FoundRow } from "../rows/version-row.js";
import type { Corpus, SearchRequest } from "./corpus.js";
import type { NamespaceDocuments } from "./documents.js";

/** The version rows before and after one. */
type Around = readonly [number | undefined, number | undefined];

/** The documents of a namespace in order of creation, by what was read of it. */
const orders = new WeakMap<NamespaceDocuments, { order: number[]; places: Map<number, number> }>();

/** For each row the version rows of its neighbors, those with text to search. */
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

/** The score with the neighbors' share: `(1 - weight) * own + weight * max(before, after)`. */
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
