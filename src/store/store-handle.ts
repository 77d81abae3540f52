/**
 * What every handle of a store can do: read one view of it.
 *
 * Owns refusing calls on a closed handle. Leaves out versions and upkeep (`faiss-store.ts`).
 */
import { BaseStore, type Item, type Operation, type OperationResults } from "@langchain/langgraph";
import { SEARCH_MODES, type SearchMode } from "../types.js";
import { runBatch, type Target } from "./batch.js";
import type { Engine } from "./engine.js";
import { namespacePath } from "./rows/namespaces.js";
import { type HistoryEntry, historyOf, itemId, rowsOf, toItem } from "./rows/reader.js";
import { readVectors } from "./rows/vector-rows.js";
import { type RetrieverOptions, StoreRetriever } from "./search/retriever.js";
import type { MemorySearchOptions, SearchItem } from "./search/search-options.js";
import { closedError } from "./transactions.js";
import type { StoreIndexOptions } from "./vectors/embedder.js";

/** A handle of a store, through which one view is read. */
export abstract class StoreHandle extends BaseStore {
  readonly #engine: Engine;
  readonly #target: Target;
  #released = false;

  /** @internal */
  constructor(engine: Engine, target: Target) {
    super();
    this.#engine = engine;
    this.#target = target;
  }

  /**
   * The engine; every method gets it here. Throws `AGEMEM_STORE_CLOSED` once this handle or the store is closed.
   *
   * @internal
   */
  protected get engine(): Engine {
    if (this.#released || this.#engine.transactions.closed) throw closedError();
    return this.#engine;
  }

  /**
   * Closes this handle, not the store. Returns the engine the first time, and undefined after that.
   *
   * @internal
   */
  protected release(): Engine | undefined {
    if (this.#released) return undefined;
    this.#released = true;
    return this.#engine;
  }

  /** The embedding options, under the name that LangGraph's own stores use; undefined without an embedding model. */
  get indexConfig(): StoreIndexOptions | undefined {
    return this.#engine.options.index;
  }

  /** The search modes of this store; agemem's RETRIEVE uses "hybrid" if it is among them. */
  get searchModes(): readonly SearchMode[] {
    return this.#engine.vectors.embedder ? SEARCH_MODES : ["keyword"];
  }

  /** Runs operations in one transaction; its reads see the state before its writes. Errors: as `search` and `put`. */
  async batch<Op extends Operation[]>(operations: Op): Promise<OperationResults<Op>> {
    return (await runBatch(this.engine, this.#target, operations)) as OperationResults<Op>;
  }

  /**
   * Searches below a namespace prefix (`[]` = everything).
   *
   * With a `query`, results are ranked by `mode` (default "vector" with an embedding model, else "keyword") and have
   * its `score`. With "vector" or no `mode`, items that cannot be ranked follow, unscored, when fewer than `limit` were
   * found. Without a query, items come by namespace, then creation. The filter applies before the cut.
   *
   * @throws InputError `AGEMEM_FILTER_INVALID`, `AGEMEM_INPUT_ARGUMENT`, `AGEMEM_NAMESPACE_INVALID`;
   * ModelError `AGEMEM_EMBEDDING_FAILED`; StoreError `AGEMEM_STORE_UNSUPPORTED` (mode needs an embedding model)
   */
  override async search(
    namespacePrefix: string[],
    options: {
      filter?: Record<string, unknown>;
      limit?: number;
      offset?: number;
      query?: string;
    } & MemorySearchOptions = {},
  ): Promise<SearchItem[]> {
    const [found] = await runBatch(this.engine, this.#target, [{ namespacePrefix, ...options }]);
    return found as SearchItem[];
  }

  // `get`, `delete` and `listNamespaces` are overridden because from 1.7 on LangGraph's base class checks their
  // namespaces with its own errors, and with a rule that stored items may break (no ":" in a label).

  /** The item, or null. Throws `AGEMEM_NAMESPACE_INVALID`, `AGEMEM_INPUT_ARGUMENT`. */
  override async get(namespace: string[], key: string): Promise<Item | null> {
    const [item] = await this.batch([{ namespace, key }]);
    return item ?? null;
  }

  /** Deletes an item, if there is one. Throws as `put`. */
  override async delete(namespace: string[], key: string): Promise<void> {
    await this.batch([{ namespace, key, value: null }]);
  }

  /** Namespaces that hold items, sorted; `*` in `prefix` and `suffix` matches any label. */
  override async listNamespaces(
    options: {
      prefix?: string[];
      suffix?: string[];
      maxDepth?: number;
      limit?: number;
      offset?: number;
    } = {},
  ): Promise<string[][]> {
    const { prefix, suffix, maxDepth, limit = 100, offset = 0 } = options;
    const matchConditions = [
      ...(prefix ? [{ matchType: "prefix" as const, path: prefix }] : []),
      ...(suffix ? [{ matchType: "suffix" as const, path: suffix }] : []),
    ];
    const list = { matchConditions, limit, offset, ...(maxDepth === undefined ? {} : { maxDepth }) };
    const [namespaces] = await this.batch([list]);
    return namespaces ?? [];
  }

  /** A LangChain retriever over a namespace: each item is a document, and its `content` is the text. */
  asRetriever(options: RetrieverOptions): StoreRetriever {
    return new StoreRetriever(this, options);
  }

  /** Live items below a prefix, each with its first stored vector or null, for export to other formats. */
  async itemsWithVectors(
    namespacePrefix: string[],
  ): Promise<
    { namespace: string[]; key: string; value: Record<string, unknown>; vector: Float32Array | null }[]
  > {
    const { ledger, transactions } = this.engine;
    return transactions.patientRead(() => {
      const view = this.#target.view();
      const rows = ledger.namespaces
        .under(namespacePrefix)
        .flatMap(({ id }) => [...rowsOf(ledger, view, id)]);
      return rows.map((row) => {
        const { namespace, key, value } = toItem(ledger, row);
        return { namespace, key, value, vector: readVectors(ledger.db, row.id)[0]?.vector ?? null };
      });
    });
  }

  /** Every state of an item that this view sees, newest first; `[]` if the item never existed. */
  async history(namespace: string[], key: string): Promise<HistoryEntry[]> {
    const { ledger, transactions } = this.engine;
    return transactions.patientRead(() => {
      const item = itemId(ledger, namespacePath(namespace), key);
      return item === undefined ? [] : historyOf(ledger, this.#target.view(), item);
    });
  }
}
