/**
 * Searches exactly one namespace in stores that search by prefix.
 *
 * LangGraph's stores also return what lies below a namespace, and those that compare prefixes as text (PostgreSQL,
 * in-memory) return its neighbors too: for user "1" also users "10" to "19". Owns leaving these out: it reads pages
 * until enough items of the namespace itself are found. Without such neighbors one page suffices.
 */
import type { BaseStore } from "@langchain/langgraph";
import type { SearchItem } from "../../store/search/search-options.js";
import type { SearchMode } from "../../types.js";
import type { RetrievalRanking } from "./search-mode.js";

export interface ExactSearch extends RetrievalRanking {
  limit: number;
  query?: string;
  filter?: Record<string, unknown>;
  /** Passed to a store that has several search modes. */
  mode?: SearchMode;
  /** Passed to a store that embeds questions and texts differently. */
  embedAs?: "query" | "document";
  /** A condition that the store's own filter cannot express. */
  accepts?: (value: Record<string, unknown>) => boolean;
}

/** Items of the largest page, unless `limit` is larger. */
const PAGE = 1000;

/** The best `limit` items of the namespace itself, in the store's order. */
export async function searchExact(
  store: BaseStore,
  namespace: readonly string[],
  { limit, accepts = () => true, ...options }: ExactSearch,
): Promise<SearchItem[]> {
  const found = new Map<string, SearchItem>();
  let size = limit;
  for (let offset = 0; found.size < limit; ) {
    const page = await store.search([...namespace], { ...options, limit: size, offset });
    for (const item of page) {
      // A write between two pages can move an item into the next one.
      if (found.size === limit || found.has(item.key) || !isExact(item.namespace, namespace)) continue;
      if (accepts(item.value)) found.set(item.key, item);
    }
    if (page.length < size) break;
    offset += page.length;
    size = Math.min(Math.max(size * 4, 50), Math.max(PAGE, limit));
  }
  return [...found.values()];
}

/** Whether the namespace itself holds at least `count` items. Reads one item if even the whole prefix has fewer. */
export async function holdsAtLeast(
  store: BaseStore,
  namespace: readonly string[],
  count: number,
): Promise<boolean> {
  const last = await store.search([...namespace], { limit: 1, offset: count - 1 });
  if (last.length === 0) return false;
  return (await searchExact(store, namespace, { limit: count })).length >= count;
}

/** Whether two namespaces are the same. */
export function isExact(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((label, i) => label === b[i]);
}
