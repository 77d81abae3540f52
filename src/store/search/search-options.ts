/**
 * Search options beyond LangGraph's: mode, recency, neighbors, reranking. Leaves out what they do (`run-search.ts`).
 */
import type { Item, SearchOperation } from "@langchain/langgraph";
import { InputError } from "../../errors.js";
import { SEARCH_MODES, type SearchMode } from "../../types.js";
import type { Filter } from "./filter.js";
import { checkNeighbors, type Neighbors } from "./neighbors.js";
import { checkReranker, type Reranker } from "./reranker.js";

/** A found item with its score, as in LangGraph; `score` is undefined for unranked items. */
export type SearchItem = Item & { score?: number };

export type { SearchMode };

/** Reorders the candidates of a search, best first, and may drop some. */
export type ReorderItems = (query: string, items: SearchItem[]) => SearchItem[] | Promise<SearchItem[]>;

/** A search with this store's options. */
export type SearchOp = SearchOperation & MemorySearchOptions;

/** A checked search. */
export interface CheckedSearch {
  kind: "search";
  op: SearchOp;
  filter: Filter | null;
  limit: number;
  offset: number;
}

/** Options of a search beside LangGraph's `filter`, `limit`, `offset` and `query`. */
export interface MemorySearchOptions {
  mode?: SearchMode;
  /**
   * How the query is embedded: as a question (default), or as a text like those that are stored, which finds near copies of
   * it and needs no further request when the text is stored then.
   */
  embedAs?: "query" | "document";
  /**
   * Ranks newer items higher: the score becomes `(1 - weight) * score + weight * 2 ** (-age / halfLifeMinutes)`, with
   * the age since `updatedAt`. Default weight 0.3.
   */
  recency?: { halfLifeMinutes: number; weight?: number };
  /**
   * In hybrid mode, the share of an item's score that comes from the best of its neighbors, from 0 (default) to 1, or
   * `{ share, reach }`. Neighbors are the items written just before and after it in its namespace, two on each side unless
   * `reach` (1 to 8) says otherwise; each step further counts 0.7 of the one before. For turns of a conversation, where the
   * answer is often next to what resembles the question; 0.3 or 0.4 suits those. Changes the order of results, not their
   * number. With a {@link Reranker}, neighbors count after it, with its final scores from 0 to 1, and items
   * beside its candidates are found without being read by it.
   */
  neighbors?: number | Neighbors;
  /**
   * Ranks the best candidates again: a {@link Reranker}, which scores their texts, or a function that reorders the items and
   * may drop some. Called once per search, after its transaction (in a batch with writes, these are committed by then).
   * It fails with `AGEMEM_RERANK_FAILED`, also after 60 seconds.
   */
  rerank?: ReorderItems | Reranker;
}

/** Refuses unknown modes and numbers out of range with `AGEMEM_INPUT_ARGUMENT`. */
export function checkSearchOptions(options: MemorySearchOptions): void {
  const { mode, embedAs = "query", recency, rerank, neighbors } = options;
  if (mode !== undefined && !SEARCH_MODES.includes(mode)) {
    throw argument('`mode` must be "vector", "keyword" or "hybrid"');
  }
  if (embedAs !== "query" && embedAs !== "document")
    throw argument('`embedAs` must be "query" or "document"');
  if (recency !== undefined) {
    const { halfLifeMinutes, weight = 0.3 } = recency;
    if (!(halfLifeMinutes > 0 && Number.isFinite(halfLifeMinutes))) {
      throw argument("`recency.halfLifeMinutes` must be a positive number");
    }
    if (!(weight >= 0 && weight <= 1)) throw argument("`recency.weight` must lie between 0 and 1");
  }
  if (neighbors !== undefined) checkNeighbors(neighbors);
  if (rerank !== undefined && typeof rerank !== "function") checkReranker(rerank);
}

function argument(message: string): InputError {
  return new InputError("AGEMEM_INPUT_ARGUMENT", message);
}
