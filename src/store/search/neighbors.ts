/**
 * Neighbors of an item: those written before and after it, in a conversation the turns around it.
 *
 * Owns finding them among what a view sees, and their share of a score. Leaves out scores (`fuse.ts`, `run-search.ts`).
 *
 * The best neighbor counts, not their mean: one turn beside it that answers is enough.
 */
import { InputError } from "../../errors.js";
import type { FoundRow } from "../rows/version-row.js";
import type { Corpus, SearchRequest } from "./corpus.js";
import type { NamespaceDocuments } from "./documents.js";

/** How far an item's neighbors count for it. */
export interface Neighbors {
  /** Share of the score that comes from them, 0 to 1. */
  share: number;
  /** How many on each side, 1 to 8. Default 2. */
  reach?: number;
}

/** A neighbor of a row: its version row, and how many places away. */
interface Neighbor {
  version: number;
  distance: number;
}

/** The neighbors of rows, by version row. */
export type Neighborhood = ReadonlyMap<number, readonly Neighbor[]>;

const REACH = 2;
const FARTHEST = 8;
/** What a neighbor counts in proportion to one that is a step nearer. */
const DECAY = 0.7;

/** Documents in order of creation, and the position of each, cached per namespace that was read. */
const orders = new WeakMap<NamespaceDocuments, { order: number[]; places: Map<number, number> }>();

/** Refuses a share outside of 0 to 1 and a reach outside of 1 to 8 with `AGEMEM_INPUT_ARGUMENT`. */
export function checkNeighbors(neighbors: number | Neighbors): void {
  const { share, reach } = neighborSettings(neighbors);
  if (!(typeof share === "number" && share >= 0 && share <= 1)) {
    throw new InputError("AGEMEM_INPUT_ARGUMENT", "The share of `neighbors` must lie between 0 and 1");
  }
  if (!(Number.isInteger(reach) && reach >= 1 && reach <= FARTHEST)) {
    throw new InputError(
      "AGEMEM_INPUT_ARGUMENT",
      `\`neighbors.reach\` must be a whole number from 1 to ${FARTHEST}`,
    );
  }
}

/** Share and reach, with defaults. */
export function neighborSettings(neighbors: number | Neighbors | undefined): Required<Neighbors> {
  const given = typeof neighbors === "object" ? (neighbors ?? {}) : { share: neighbors ?? 0 };
  return { reach: REACH, ...given } as Required<Neighbors>;
}

/** For each row with text to search, its neighbors. */
export function neighborsOf(
  { ledger, documents }: Corpus,
  { view }: SearchRequest,
  rows: readonly FoundRow[],
  reach: number,
): Neighborhood {
  const out = new Map<number, Neighbor[]>();
  for (const { id, ns } of rows) {
    const { order, places } = orderOf(documents.of(ledger, view, ns));
    const at = places.get(id);
    if (at === undefined) continue;
    const near: Neighbor[] = [];
    for (let distance = 1; distance <= reach; distance++) {
      for (const version of [order[at - distance], order[at + distance]]) {
        if (version !== undefined) near.push({ version, distance });
      }
    }
    out.set(id, near);
  }
  return out;
}

/**
 * The scores of rows with their neighbors: `(1 - share) * own + share * max(0.7 ** (distance - 1) * score of the neighbor)`.
 * Only rows that are among them count as neighbors.
 */
export function withNeighbors(
  versions: readonly number[],
  scores: readonly number[],
  neighborhood: Neighborhood,
  share: number,
): number[] {
  const scoreOf = new Map(versions.map((version, i) => [version, scores[i] as number]));
  return versions.map((version, i) => {
    let best = 0;
    for (const { version: near, distance } of neighborhood.get(version) ?? []) {
      best = Math.max(best, DECAY ** (distance - 1) * (scoreOf.get(near) ?? 0));
    }
    return (1 - share) * (scores[i] as number) + share * best;
  });
}

function orderOf(found: NamespaceDocuments): { order: number[]; places: Map<number, number> } {
  const known = orders.get(found);
  if (known) return known;
  const order = [...found.byVersion].sort(([, a], [, b]) => a.born - b.born).map(([version]) => version);
  const places = new Map(order.map((version, at) => [version, at]));
  orders.set(found, { order, places });
  return { order, places };
}
