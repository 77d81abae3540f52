/** What a search reads from an opened store. */
import type { View } from "../rows/branches.js";
import type { Ledger } from "../rows/ledger.js";
import type { Vectors } from "../vectors/vectors.js";
import type { DocumentCache } from "./documents.js";
import type { Filter } from "./filter.js";
import type { RerankCounts } from "./reranker.js";

export interface Corpus {
  readonly ledger: Ledger;
  readonly vectors: Vectors;
  readonly documents: DocumentCache;
  readonly rerankCounts: RerankCounts;
}

/** Which part of the store one search covers, and how many results it wants. */
export interface SearchRequest {
  view: View;
  prefix: readonly string[];
  filter: Filter | null;
  limit: number;
  offset: number;
}
