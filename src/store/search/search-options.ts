/**
 * What a search may ask for beyond LangGraph's contract: mode, recency, neighbors, reranking. Checked here, done in
 * `run-search.ts`.
 */
import type { Item, SearchOperation } from "@langchain/langgraph";
import { InputError } from "../../errors.js";
import { SEARCH_MODES, type SearchMode } from "../../types.js";
import type { Filter } from "./filter.js";

/** A found item with its score, as LangGraph defines it; `score` is absent for unranked items. */
export type SearchItem = Item & { score?: number };

export type { SearchMode };

/** A search as this store takes it. */
export type SearchOp = SearchOperation & MemorySearchOptions;

/** A search with its checked parts. */
export interface CheckedSearch {
  kind: "search";
  op: SearchOp;
  filter: Filter | null;
  limit: number;
  offset: number;
}

/** Options of a search besides LangGraph's `filter`, `limit`, `offset` and `query`. */
export interface MemorySearchOptions {
  mode?: SearchMode;
  /**
   * Weighs newer items higher: the score becomes
   * `(1 - weight) * score + weight * 2 ** (-age / halfLifeMinutes)`, age by `updatedAt`.
   */
  recency?: { halfLifeMinutes: number; weight?: number };
  /**
   * Hybrid mode: how much of the score of an item is that of the better one of its neighbors, those written just before
   * and after it in its namespace, from 0 (default) to 1. For turns of a conversation, where the answer often stands
   * next to what is like the question. It changes the order, not the number of results, so it costs no tokens.
   */
  neighbors?: number;
  /** Reorders the best candidates, which have their scores, and may drop some; called once per search. */
  rerank?: (query: string, items: SearchItem[]) => SearchItem[] | Promise<SearchItem[]>;
}

/** Refuses unknown modes and numbers out of range with `AGEMEM_INPUT_ARGUMENT`. */
export function checkSearchOptions(options: MemorySearchOptions): void {
  const { mode, recency, rerank, neighbors = 0 } = options;
  if (mode !== undefined && !SEARCH_MODES.includes(mode)) {
    throw argument('`mode` must be "vector", "keyword" or "hybrid"');
  }
  if (recency !== undefined) {
    const { halfLifeMinutes, weight = 0.3 } = recency;
    if (!(halfLifeMinutes > 0 && Number.isFinite(halfLifeMinutes))) {
      throw argument("`recency.halfLifeMinutes` must be a positive number");
    }
    if (!(weight >= 0 && weight <= 1)) throw argument("`recency.weight` must lie between 0 and 1");
  }
  if (!(typeof neighbors === "number" && neighbors >= 0 && neighbors <= 1))
    throw argument("`neighbors` must lie between 0 and 1");
  if (rerank !== undefined && typeof rerank !== "function") throw argument("`rerank` must be a function");
}

function argument(message: string): InputError {
  return new InputError("AGEMEM_INPUT_ARGUMENT", message);
}
