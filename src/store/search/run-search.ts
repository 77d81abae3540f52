/**
 * One search operation: chooses the ranking by mode, fuses, reweighs by age, reranks, cuts.
 */
import { StoreError } from "../../errors.js";
import type { Engine } from "../engine.js";
import type { Checked, SearchOp } from "../operations.js";
import type { View } from "../rows/branches.js";
import { toItem } from "../rows/reader.js";
import { rankByKeyword } from "./keyword.js";
import { appendUnranked, listItems, type RankedRow, rankByVector, type SearchRequest } from "./search.js";
import type { SearchItem, SearchMode } from "./search-options.js";

type CheckedSearch = Extract<Checked, { kind: "search" }>;

/** Constant of reciprocal rank fusion: `1 / (20 + rank)`; small, since only the first few results count for an agent. */
const RRF = 20;

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
  if (mode === "keyword") return rankByKeyword(engine, request, query, wanted);
  if (!vector) {
    throw new StoreError("AGEMEM_STORE_UNSUPPORTED", `Search mode "${mode}" needs an embedding model`, {
      remedy: 'Open the store with `index: { embeddings }`, or use mode "keyword".',
    });
  }
  if (mode === "vector") return rankByVector(engine, request, vector, wanted);
  const pool = Math.max(wanted, 100);
  const rankings = [
    { weight: 1, rows: rankByKeyword(engine, request, query, pool) },
    { weight: vectorWeight(engine), rows: rankByVector(engine, request, vector, pool) },
  ];
  return fuse(rankings, wanted);
}

function vectorWeight({ options, embedder }: Engine): number {
  return options.index?.vectorWeight ?? (embedder?.lexical ? 0.25 : 1);
}

/** Weighted reciprocal rank fusion of several rankings of rows. */
function fuse(rankings: readonly { weight: number; rows: RankedRow[] }[], wanted: number): RankedRow[] {
  const fused = new Map<number, RankedRow & { score: number }>();
  for (const { weight, rows } of rankings) {
    rows.forEach(({ row }, i) => {
      const entry = fused.get(row.id) ?? { row, score: 0 };
      entry.score += weight / (RRF + i + 1);
      fused.set(row.id, entry);
    });
  }
  return [...fused.values()].sort((a, b) => b.score - a.score || a.row.born - b.row.born).slice(0, wanted);
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
