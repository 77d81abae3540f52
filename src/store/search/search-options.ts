/**
 * Search options beyond LangGraph's: mode, recency, neighbors, reranking. Leaves out what they do (`run-search.ts`).
 */
import type { Item, SearchOperation } from "@langchain/langgraph";
import { InputError } from "../../errors.js";
import { SEARCH_MODES, type SearchMode } from "../../types.js";
import type { Filter } from "./filter.js";

/** A found item with its score, as in LangGraph; `score` is undefined for unranked items. */
export type SearchItem = Item & { score?: number };

export type { SearchMode };

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
   * In hybrid mode, the share of an item's score that comes from its better neighbor, from 0 (default) to 1. Neighbors
   * are the items written just before and after it in its namespace. For turns of a conversation, where the answer is
   * often next to what resembles the question. Changes the order of results, not their number, so it costs no tokens.
   */
  neighbors?: number;
  /** Reorders the best candidates, which have scores, and may drop some. Called once per search. */
  rerank?: (query: string, items: SearchItem[]) => SearchItem[] | Promise<SearchItem[]>;
}

/** Refuses unknown modes and numbers out of range with `AGEMEM_INPUT_ARGUMENT`. */
export function checkSearchOptions(options: MemorySearchOptions): void {
  const { mode, embedAs = "query", recency, rerank, neighbors = 0 } = options;
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
  if (!(typeof neighbors === "number" && neighbors >= 0 && neighbors <= 1))
    throw argument("`neighbors` must lie between 0 and 1");
  if (rerank !== undefined && typeof rerank !== "function") throw argument("`rerank` must be a function");
}

function argument(message: string): InputError {
  return new InputError("AGEMEM_INPUT_ARGUMENT", message);
}
