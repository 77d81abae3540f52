/**
 * One search operation: chooses the ranking by mode, fuses, reweighs by age, reranks, cuts.
 */
import { StoreError } from "../../errors.js";
import type { Engine } from "../engine.js";
import type { Checked, SearchOp } from "../operations.js";
import type { View } from "../rows/branches.js";
import { toItem } from "../rows/reader.js";
import { fuse, VECTOR_SHARE } from "./fuse.js";
import { bestByKeyword, keywordScores } from "./keyword.js";
import {
  appendUnranked,
  cosinesOf,
  listItems,
  type RankedRow,
  rankByVector,
  type SearchRequest,
} from "./search.js";
import type { SearchItem, SearchMode } from "./search-options.js";

type CheckedSearch = Extract<Checked, { kind: "search" }>;

/** Candidates that each half of a hybrid search contributes, at least. */
const POOL = 100;

/** Runs a checked search on a view; `vector` is the query's vector where the mode needs one. */
export function runSearch(
  engine: Engine,
  view: View,
  { op, filter, limit, offset }: CheckedSearch,
  vector: Float32Array | undefined,
): SearchItem[] | Promise<SearchItem[]> {
  const request: SearchRequest = { view, prefix: op.namespacePrefix, filter, limit, offset };
  if (!op.query) return listItems(engine, request);
  const wanted = offset + limit;
  const mode = op.mode ?? (vector ? "vector" : "keyword");
  const pool = op.recency || op.rerank ? Math.max(wanted * 4, 50) : wanted;
  let ranked = rank(engine, request, mode, op.query, vector, pool);
  if (op.recency) ranked = byRecency(ranked, op.recency, engine.now());
  // LangGraph's rule for its own mode: items that could not be ranked fill the rest, unscored.
  if (op.mode !== "keyword" && op.mode !== "hybrid" && ranked.length < wanted) {
    appendUnranked(engine, request, ranked, wanted);
  }
  const items = ranked.map(({ row, score }) => ({ ...toItem(engine, row), score }) as SearchItem);
  if (!op.rerank) return items.slice(offset, wanted);
  return rerank(op, items, offset, wanted);
}

function rank(
  engine: Engine,
  request: SearchRequest,
  mode: SearchMode,
  query: string,
  vector: Float32Array | undefined,
  wanted: number,
): RankedRow[] {
  if (mode === "keyword")
    return bestByKeyword(engine, request, keywordScores(engine, request, query), wanted);
  if (!vector) {
    throw new StoreError("AGEMEM_STORE_UNSUPPORTED", `Search mode "${mode}" needs an embedding model`, {
      remedy: 'Open the store with `index: { embeddings }`, or use mode "keyword".',
    });
  }
  if (mode === "vector") return rankByVector(engine, request, vector, wanted);
  return rankByBoth(engine, request, query, vector, wanted);
}

/** The best of both halves, each candidate scored by both. */
function rankByBoth(
  engine: Engine,
  request: SearchRequest,
  query: string,
  vector: Float32Array,
  wanted: number,
): RankedRow[] {
  const pool = Math.max(wanted, POOL);
  const keyword = keywordScores(engine, request, query);
  const found = [
    ...bestByKeyword(engine, request, keyword, pool),
    ...rankByVector(engine, request, vector, pool),
  ];
  const rows = [...new Map(found.map(({ row }) => [row.id, row])).values()];
  const ids = rows.map(({ id }) => id);
  const cosines = cosinesOf(engine, ids, vector);
  const candidates = ids.map((id) => ({ keyword: keyword.get(id)?.score ?? 0, cosine: cosines.get(id) }));
  const scores = fuse(candidates, vectorShare(engine));
  return rows
    .map((row, i) => ({ row, score: scores[i] as number }))
    .sort((a, b) => b.score - a.score || a.row.born - b.row.born)
    .slice(0, wanted);
}

function vectorShare({ options, embedder }: Engine): number {
  return options.index?.vectorWeight ?? (embedder?.lexical ? VECTOR_SHARE.lexical : VECTOR_SHARE.semantic);
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

async function rerank(
  op: SearchOp,
  items: SearchItem[],
  offset: number,
  wanted: number,
): Promise<SearchItem[]> {
  const reordered = await op.rerank?.(op.query ?? "", items);
  if (!Array.isArray(reordered)) throw new TypeError("`rerank` must return a list of items");
  return reordered.slice(offset, wanted);
}
