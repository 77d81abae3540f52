/** A case of the conformance suite, and the capabilities it needs of a store. */
import type { BaseStore } from "@langchain/langgraph";

/** What a store can do. A case that needs an undeclared capability is skipped. */
export interface StoreCapabilities {
  /** `batch()` can be called (LangGraph's AsyncBatchedStore throws). */
  batch: boolean;
  /** `listNamespaces()` can be called. */
  listNamespaces: boolean;
  /** Vector search with the embeddings passed to the factory. */
  vectors: boolean;
  /** `put` respects `index`. */
  putIndex: boolean;
  /** A batch with an invalid operation writes nothing. */
  atomicBatch: boolean;
  /** agemem's versions: `version`, `at`, `fork`, `history`, `promote`. */
  versions: boolean;
  /** agemem's search modes "keyword" and "hybrid". */
  keyword: boolean;
  /** agemem's idempotency keys. */
  idempotency: boolean;
}

/** A case of the suite; it asserts with `node:assert`. */
export interface StoreCase {
  /** Stable name, unique in the suite. */
  name: string;
  /** Capabilities without which it is skipped. */
  needs: readonly (keyof StoreCapabilities)[];
  run(store: BaseStore): Promise<void>;
}
