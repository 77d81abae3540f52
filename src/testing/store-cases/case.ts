/** One case of the conformance suite, and what a store has to be able to do for it. */
import type { BaseStore } from "@langchain/langgraph";

/** What a store can do. A case that needs what a store does not declare is left out. */
export interface StoreCapabilities {
  /** `batch()` may be called (LangGraph's AsyncBatchedStore throws). */
  batch: boolean;
  /** `listNamespaces()` may be called. */
  listNamespaces: boolean;
  /** Vector search with the embeddings the factory is given. */
  vectors: boolean;
  /** `put` takes `index`. */
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
  needs: readonly (keyof StoreCapabilities)[];
  run(store: BaseStore): Promise<void>;
}
