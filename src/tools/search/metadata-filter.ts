/** Turns the model's `metadata_filter` into a filter for the store. Pure. */
import type { BaseStore } from "@langchain/langgraph";
import { compileFilter } from "../../store/search/filter.js";
import { isVersionedStore } from "../../types.js";

/** Keys beside `metadata` in a memory's value. */
const TOP_LEVEL = new Set(["memory_type", "content"]);

/**
 * The store's filter, or a predicate if the store cannot filter by nested values (LangGraph's own stores compare
 * only top-level keys).
 */
export function toStoreFilter(
  store: BaseStore,
  metadataFilter: Record<string, unknown> | undefined,
): {
  filter?: Record<string, unknown>;
  matches?: (value: Record<string, unknown>) => boolean;
} {
  const entries = Object.entries(metadataFilter ?? {});
  if (entries.length === 0) return {};
  const filter = Object.fromEntries(
    entries.map(([key, wanted]) => [TOP_LEVEL.has(key) ? key : `metadata.${key}`, wanted]),
  );
  return isVersionedStore(store) ? { filter } : { matches: compileFilter(filter) };
}
