/** One search operation: chooses the ranking by mode. */
import { StoreError } from "../errors.js";
import type { View } from "./branches.js";
import type { Engine } from "./engine.js";
import type { Checked } from "./operations.js";
import { listItems, type SearchRequest, searchVectors } from "./search.js";
import type { SearchItem } from "./search-options.js";

type CheckedSearch = Extract<Checked, { kind: "search" }>;

/** Runs a checked search on a view; `query` is the query's vector where the mode needs one. */
export function runSearch(
  engine: Engine,
  view: View,
  { op, filter, limit, offset }: CheckedSearch,
  query: Float32Array | undefined,
): SearchItem[] | Promise<SearchItem[]> {
  const request: SearchRequest = { view, prefix: op.namespacePrefix, filter, limit, offset };
  if (!op.query) return listItems(engine, request);
  if (query) return searchVectors(engine, request, query);
  if (op.mode === undefined) return listItems(engine, request);
  throw new StoreError("AGEMEM_STORE_UNSUPPORTED", `Search mode "${op.mode}" needs an embedding model`, {
    remedy: 'Open the store with `index: { embeddings }`, or use mode "keyword".',
  });
}
