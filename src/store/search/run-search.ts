/** Runs one search: ranks by its mode, fuses, weights by age, reranks, cuts. */
import { StoreError } from "../../errors.js";
import type { View } from "../rows/branches.js";
import { rowsByIds, toItem } from "../rows/reader.js";
import type { Vectors } from "../vectors/vectors.js";
import type { Corpus, SearchRequest } from "./corpus.js";
import { fuse, VECTOR_SHARE } from "./fuse.js";
import { bestByKeyword, keywordScores } from "./keyword.js";
import {
  type Neighborhood,
  type Neighbors,
  neighborSettings,
  neighborsOf,
  withNeighbors,
} from "./neighbors.js";
import { appendUnranked, cosinesOf, listItems, passes, type RankedRow, rankByVector } from "./ranking.js";
import { type Beside, poolOf, rerankItems, usualPool } from "./rerank-items.js";
import type { CheckedSearch, SearchItem, SearchMode, SearchOp } from "./search-options.js";

/** Fewest candidates that each half of a hybrid search contributes. */
const POOL = 100;

const NO_NEIGHBORS = neighborSettings(0);

/** A search whose reranking is left to do, after its transaction. */
export type UnfinishedSearch = () => Promise<SearchItem[]>;

/** Runs a checked search on a view. `vector` is the query's vector, if the mode needs one. */
export function runSearch(
  corpus: Corpus,
  view: View,
  { op, filter, limit, offset }: CheckedSearch,
  vector: Float32Array | undefined,
): SearchItem[] | UnfinishedSearch {
  const request: SearchRequest = { view, prefix: op.namespacePrefix, filter, limit, offset };
  const { query, rerank, recency } = op;
  if (!query) return listItems(corpus, request);
  const wanted = offset + limit;
  const mode = op.mode ?? (vector ? "vector" : "keyword");
  const pool = Math.max(poolOf(rerank, wanted), recency ? usualPool(wanted) : 0);
  const neighbors = neighborSettings(op.neighbors);
  // A reranker judges each text by itself, so neighbors count after it.
  const later = mode === "hybrid" && neighbors.share > 0 && typeof rerank === "object";
  let ranked = rank(corpus, request, mode, query, vector, pool, later ? NO_NEIGHBORS : neighbors);
  if (recency) ranked = byRecency(ranked, recency, Date.now());
  // As in LangGraph's own stores, items that cannot be ranked follow, unscored.
  if (op.mode !== "keyword" && op.mode !== "hybrid" && ranked.length < wanted) {
    appendUnranked(corpus, request, ranked, wanted);
  }
  ranked = ranked.slice(0, poolOf(rerank, wanted));
  const items = ranked.map(({ row, score }) => ({ ...toItem(corpus.ledger, row), score }) as SearchItem);
  if (!rerank || limit === 0) return items.slice(offset, wanted);
  const beside = later ? besideOf(corpus, request, ranked, neighbors) : undefined;
  return async () => (await rerankItems(corpus, rerank, query, items, beside)).slice(offset, wanted);
}

/** The neighbors of candidates that are none themselves, and what all of them score. */
function besideOf(
  corpus: Corpus,
  request: SearchRequest,
  ranked: readonly RankedRow[],
  { share, reach }: Required<Neighbors>,
): Beside {
  const known = ranked.map(({ row }) => row);
  const ids = new Set(known.map(({ id }) => id));
  const near = [...neighborsOf(corpus, request, known, reach).values()].flat();
  const missing = near.flatMap(({ version }) => (ids.has(version) ? [] : [version]));
  const extra = [...rowsByIds(corpus.ledger, missing).values()]
    .filter((row) => passes(row, request.filter))
    .sort((a, b) => a.born - b.born);
  const rows = [...known, ...extra];
  const around = neighborsOf(corpus, request, rows, reach);
  return {
    items: extra.map((row) => toItem(corpus.ledger, row)),
    scored: (scores) => {
      const own = rows.map((_, i) => scores[i] ?? 0);
      return withNeighbors(
        rows.map(({ id }) => id),
        own,
        around,
        share,
      );
    },
  };
}

function rank(
  corpus: Corpus,
  request: SearchRequest,
  mode: SearchMode,
  query: string,
  vector: Float32Array | undefined,
  wanted: number,
  neighbors: Required<Neighbors>,
): RankedRow[] {
  if (mode === "keyword")
    return bestByKeyword(corpus, request, keywordScores(corpus, request, query), wanted);
  if (!vector) {
    throw new StoreError("AGEMEM_STORE_UNSUPPORTED", `Search mode "${mode}" needs an embedding model`, {
      remedy: 'Open the store with `index: { embeddings }`, or use mode "keyword".',
    });
  }
  if (mode === "vector") return rankByVector(corpus, request, vector, wanted);
  return rankByBoth(corpus, request, query, vector, wanted, neighbors);
}

/** Ranks the best of both halves and their neighbors, with every candidate scored by both. */
function rankByBoth(
  corpus: Corpus,
  request: SearchRequest,
  query: string,
  vector: Float32Array,
  wanted: number,
  neighbors: Required<Neighbors>,
): RankedRow[] {
  const pool = Math.max(wanted, POOL);
  const keyword = keywordScores(corpus, request, query);
  const found = [
    ...bestByKeyword(corpus, request, keyword, pool),
    ...rankByVector(corpus, request, vector, pool),
  ].map(({ row }) => row);
  const { share, reach } = neighbors;
  const around: Neighborhood = share > 0 ? neighborsOf(corpus, request, found, reach) : new Map();
  const beside = rowsByIds(
    corpus.ledger,
    [...around.values()].flat().map(({ version }) => version),
  );
  const rows = [...new Map([...found, ...beside.values()].map((row) => [row.id, row])).values()].filter(
    (row) => passes(row, request.filter),
  );
  const ids = rows.map(({ id }) => id);
  const cosines = cosinesOf(corpus, ids, vector);
  const candidates = ids.map((id) => ({ keyword: keyword.get(id)?.score ?? 0, cosine: cosines.get(id) }));
  const scores = fuse(candidates, vectorShare(corpus.vectors));
  // Candidates that came in as neighbors have neighbors too.
  const final =
    share > 0 ? withNeighbors(ids, scores, neighborsOf(corpus, request, rows, reach), share) : scores;
  return rows
    .map((row, i) => ({ row, score: final[i] as number }))
    .sort((a, b) => b.score - a.score || a.row.born - b.row.born)
    .slice(0, wanted);
}

function vectorShare({ options, embedder }: Vectors): number {
  return options?.vectorWeight ?? (embedder?.lexical ? VECTOR_SHARE.lexical : VECTOR_SHARE.semantic);
}

function byRecency(ranked: RankedRow[], recency: NonNullable<SearchOp["recency"]>, now: number): RankedRow[] {
  const { halfLifeMinutes, weight = 0.3 } = recency;
  return ranked
    .map(({ row, score = 0 }) => {
      const age = Math.max(0, now - row.updated_at) / 60_000;
      return { row, score: (1 - weight) * score + weight * 2 ** (-age / halfLifeMinutes) };
    })
    .sort((a, b) => b.score - a.score || a.row.born - b.row.born);
}
