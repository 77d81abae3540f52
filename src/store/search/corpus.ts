/** What a search reads of an opened store. */
import type { View } from "../rows/branches.js";
import type { Ledger } from "../rows/ledger.js";
import type { Vectors } from "../vectors/vectors.js";
import type { DocumentCache } from "./documents.js";
import type { Filter } from "./filter.js";

export interface Corpus {
  readonly ledger: Ledger;
  readonly vectors: Vectors;
  readonly documents: DocumentCache;
}

/** The part of it that one search looks at, and how much of that it wants. */
export interface SearchRequest {
  view: View;
  prefix: readonly string[];
  filter: Filter | null;
  limit: number;
  offset: number;
}
