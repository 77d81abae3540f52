/**
 * What every handle of a store can do: read one view of it.
 *
 * Owns that a closed handle does nothing. Leaves out writing and upkeep (`faiss-store.ts`).
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

/** What every handle can do: read a view. */
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
   * The engine, while this handle and the store are open: every method gets it here. Throws `AGEMEM_STORE_CLOSED`.
   *
   * @internal
   */
  protected get engine(): Engine {
    if (this.#released || this.#engine.transactions.closed) throw closedError();
    return this.#engine;
  }

  /**
   * Closes this handle, not the store. Returns the engine the first time, undefined from then on.
   *
   * @internal
   */
  protected release(): Engine | undefined {
    if (this.#released) return undefined;
    this.#released = true;
    return this.#engine;
  }

  /** How this store embeds, by the name that LangGraph's own stores use; undefined without an embedding model. */
  get indexConfig(): StoreIndexOptions | undefined {
    return this.#engine.options.index;
  }

  /** How this store can rank; agemem's RETRIEVE takes "hybrid" where it is among them. */
  get searchModes(): readonly SearchMode[] {
    return this.#engine.vectors.embedder ? SEARCH_MODES : ["keyword"];
  }

  /** Runs operations at one moment; reads see the state before the batch's writes. See {@link FaissStore}. */
  async batch<Op extends Operation[]>(operations: Op): Promise<OperationResults<Op>> {
    return (await runBatch(this.engine, this.#target, operations)) as OperationResults<Op>;
  }

  /**
   * Searches below a namespace prefix (`[]` = everything).
   *
   * With a `query`, results are ranked by `mode`, and every result has a `score` of that mode; items that have no
   * vector follow unscored when fewer than `limit` were found. Without a query, items come by namespace, then
   * creation. The filter applies before the cut.
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

  // From 1.7 on, LangGraph's base class checks the namespaces of `get`, `delete` and `listNamespaces`, with its own errors
  // and a rule that items stored earlier may break (no ":" in a label). The store's own check is the same everywhere.

  /** The item, or null. Throws `AGEMEM_NAMESPACE_INVALID`, `AGEMEM_INPUT_ARGUMENT`. */
  override async get(namespace: string[], key: string): Promise<Item | null> {
    const [item] = await this.batch([{ namespace, key }]);
    return item ?? null;
  }

  /** Deletes an item; nothing happens when there is none. Throws as {@link StoreHandle.get}. */
  override async delete(namespace: string[], key: string): Promise<void> {
    await this.batch([{ namespace, key, value: null }]);
  }

  /** Namespaces that hold items, sorted; `*` in `prefix` and `suffix` stands for any label. */
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

  /** A LangChain retriever over a namespace: each item is a document, its `content` the text. */
  asRetriever(options: RetrieverOptions): StoreRetriever {
    return new StoreRetriever(this, options);
  }

  /** Live items below a prefix with their first stored vector (null without one), for export to other formats. */
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

  /** Every state of an item that this view sees, newest first; `[]` when there never was one. */
  async history(namespace: string[], key: string): Promise<HistoryEntry[]> {
    const { ledger, transactions } = this.engine;
    return transactions.patientRead(() => {
      const item = itemId(ledger, namespacePath(namespace), key);
      return item === undefined ? [] : historyOf(ledger, this.#target.view(), item);
    });
  }
}
