/**
 * `FaissStore`: LangGraph's `BaseStore` on one machine, durable, versioned and forkable.
 *
 * Owns the public face: opening, the contract's methods, versions, closing. The work is in `batch.ts` (contract),
 * `engine.ts` (order and memory) and `versions.ts` (forks). One handle stands for one branch; `fork()` gives
 * another handle of the same engine, `at()` a read-only one.
 */
import type { Operation, OperationResults } from "@langchain/langgraph";
import { StoreError } from "../errors.js";
import type { PutOptions, StoreVersion, VersionedStore } from "../types.js";
import { runBatch } from "./batch.js";
import { Engine } from "./engine.js";
import { limitsOf, type PutOp, type StoreLimits } from "./operations.js";
import { checkStoreOptions } from "./option-schemas.js";
import { type PromoteOptions, type PromoteResult, promoteBranch } from "./promote.js";
import { type Durability, openDatabase } from "./rows/database.js";
import { MAIN } from "./rows/schema.js";
import type { SearchItem } from "./search/search-options.js";
import { FaissStoreView, StoreHandle } from "./store-handle.js";
import { type ReembedOptions, reembedStore } from "./upkeep/reembed.js";
import { type RepairResult, repairStore } from "./upkeep/repair.js";
import { collectStats, type StoreStats } from "./upkeep/stats.js";
import {
  backupStore,
  type ExportOptions,
  exportItems,
  type ImportOptions,
  type ImportResult,
  importItems,
  type Progress,
} from "./upkeep/transfer.js";
import { type VacuumOptions, type VacuumResult, vacuum } from "./upkeep/vacuum.js";
import { type VerifyResult, verifyStore } from "./upkeep/verify.js";
import type { StoreIndexOptions } from "./vectors/embedder.js";
import { type StoreWarning, warnOfFallback } from "./vectors/index-kind.js";
import { saveSidecar } from "./vectors/sidecar.js";
import {
  type BranchInfo,
  createFork,
  discardBranch,
  listBranches,
  pinVersion,
  unpinVersion,
} from "./versions.js";

export { FaissStoreView } from "./store-handle.js";

/** How a store is opened. */
export interface FaissStoreOptions {
  /** Embedding model and what is embedded. Without it there is keyword search only. */
  index?: StoreIndexOptions;
  /** Default `"full"`. */
  durability?: Durability;
  /** How long a writer waits for another process before `AGEMEM_STORE_LOCKED`, in ms. Default 30,000. */
  busyTimeoutMs?: number;
  limits?: Partial<StoreLimits>;
  ttl?: {
    /** Minutes for puts without a `ttl` of their own; default: none. */
    defaultTtl?: number;
    /** Reading an item starts its TTL again. Default false. */
    refreshOnRead?: boolean;
  };
  /** Writes after which the vector sidecar is saved in the background (also on close). Default 10,000. */
  checkpointEvery?: number;
  /**
   * Gets what an operator should know, such as that FAISS does not load (`AGEMEM_INDEX_FALLBACK`). Default: a Node.js
   * warning, once per process.
   */
  onWarning?: (warning: StoreWarning) => void;
  /** Clock in milliseconds since the epoch; for tests. */
  now?: () => number;
}

/**
 * Long-term memory on one machine: any LangGraph.js app can use it as its store.
 *
 * @example
 * const store = await FaissStore.open("./memory", { index: { embeddings } });
 * await store.put(["memories", "ada"], "1", { content: "likes tea" });
 * await store.search(["memories", "ada"], { query: "drinks", limit: 3 });
 * await store.close();
 */
export class FaissStore extends StoreHandle implements VersionedStore {
  readonly #branch: number;
  #closed = false;

  /** @internal Use {@link FaissStore.open}. */
  constructor(engine: Engine, branch: number) {
    super(engine, {
      branch,
      view: () => {
        engine.branches.open(branch);
        return engine.branches.view(branch);
      },
    });
    this.#branch = branch;
  }

  /**
   * Opens or creates a store.
   *
   * @param path directory, or `":memory:"`
   * @throws StoreError `AGEMEM_STORE_PATH`, `AGEMEM_STORE_CORRUPT`, `AGEMEM_STORE_FORMAT`, `AGEMEM_STORE_EMBEDDING`;
   * ConfigError `AGEMEM_CONFIG_INVALID` for options that are wrong or unknown, `AGEMEM_PACKAGE_MISSING` without a better-sqlite3 that runs, or without the FAISS that is insisted on
   */
  static async open(path: string, options: FaissStoreOptions = {}): Promise<FaissStore> {
    const engine = await FaissStore.#start(path, options, "open");
    return new FaissStore(engine, MAIN);
  }

  /**
   * Converts a store to another embedding model. Run again after an interruption it goes on where it stopped.
   *
   * @param options as for {@link FaissStore.open}, with the new model in `index`
   * @returns vectors made in this run
   * @throws ModelError `AGEMEM_EMBEDDING_FAILED`; the store still works with the old model then
   */
  static async reembed(path: string, options: FaissStoreOptions & ReembedOptions): Promise<number> {
    const engine = await FaissStore.#start(path, options, "reembed");
    const store = new FaissStore(engine, MAIN);
    try {
      return await reembedStore(engine, options);
    } finally {
      await store.close();
    }
  }

  /**
   * Repairs a store that does not open because of its vectors. A store that opens has {@link FaissStore.repair} too.
   *
   * @throws StoreError `AGEMEM_STORE_CORRUPT` when only a backup helps
   */
  static async repair(path: string, options: FaissStoreOptions = {}): Promise<RepairResult> {
    const engine = await FaissStore.#start(path, options, "repair");
    const store = new FaissStore(engine, MAIN);
    try {
      return await repairStore(engine);
    } finally {
      await store.close();
    }
  }

  static async #start(
    path: string,
    options: FaissStoreOptions,
    what: "open" | "reembed" | "repair",
  ): Promise<Engine> {
    checkStoreOptions(path, options, what);
    const db = await openDatabase(path, options.durability);
    try {
      const engine = new Engine(db, {
        index: options.index,
        limits: limitsOf(options.limits),
        busyTimeoutMs: options.busyTimeoutMs ?? 30_000,
        now: options.now ?? Date.now,
        checkpointEvery: options.checkpointEvery ?? 10_000,
        defaultTtl: options.ttl?.defaultTtl ?? null,
        refreshTtlOnRead: options.ttl?.refreshOnRead ?? false,
      });
      if (options.index) warnOfFallback(engine.indexes.chosen(), options.onWarning);
      engine.converting = what !== "open";
      await engine.reading(() => undefined);
      return engine;
    } catch (error) {
      db.close();
      throw error;
    }
  }

  override async batch<Op extends Operation[]>(operations: Op): Promise<OperationResults<Op>> {
    this.#assertOpen();
    return super.batch(operations);
  }

  /**
   * Stores an item (full replacement; `createdAt` stays). When it resolves the item is on disk.
   *
   * @throws InputError `AGEMEM_NAMESPACE_INVALID`, `AGEMEM_INPUT_ARGUMENT`; StoreError `AGEMEM_STORE_LIMIT`,
   * `AGEMEM_STORE_LOCKED`, `AGEMEM_STORE_IO`, `AGEMEM_VECTOR_INVALID`; ModelError `AGEMEM_EMBEDDING_FAILED`.
   * After any of them nothing was stored.
   */
  override async put(
    namespace: string[],
    key: string,
    value: Record<string, unknown>,
    index?: false | string[],
    options: PutOptions & Pick<PutOp, "vectors"> = {},
  ): Promise<void> {
    this.#assertOpen();
    await runBatch(this.engine, this.target, [{ namespace, key, value, index, ...options }]);
  }

  override async search(...args: Parameters<StoreHandle["search"]>): Promise<SearchItem[]> {
    this.#assertOpen();
    return super.search(...args);
  }

  /** Branch and number of the last write this handle sees. */
  version(): StoreVersion {
    this.#assertOpen();
    return this.engine.read(() => {
      const { id, name } = this.engine.branches.open(this.#branch);
      return { branch: name, revision: this.engine.revisionOf(id) };
    });
  }

  /** Read-only view as of a version. Throws `AGEMEM_STORE_BRANCH` when it does not exist or was vacuumed. */
  at(version: StoreVersion): FaissStoreView {
    this.#assertOpen();
    const { id } = this.engine.read(() =>
      this.engine.branches.resolve(version, this.engine.newestRevision()),
    );
    return new FaissStoreView(this.engine, { ...version }, id);
  }

  /**
   * A writable branch that shares everything up to `from` (default: this handle's version). Its cost does not
   * depend on the number of items.
   *
   * @param name default: "fork-" and a random part
   * @throws StoreError `AGEMEM_STORE_BRANCH` when the name is taken or `from` does not exist
   */
  async fork(name?: string, options: { from?: StoreVersion } = {}): Promise<FaissStore> {
    this.#assertOpen();
    return new FaissStore(this.engine, await createFork(this.engine, this.#branch, name, options.from));
  }

  /** Drops this branch; its handles fail with `AGEMEM_STORE_BRANCH` from now on. The trunk cannot be dropped. */
  async discard(): Promise<void> {
    this.#assertOpen();
    await discardBranch(this.engine, this.#branch);
  }

  /** The open branches, the trunk first. */
  async branches(): Promise<BranchInfo[]> {
    this.#assertOpen();
    return this.engine.reading(() => listBranches(this.engine));
  }

  /**
   * A handle of an open branch by name.
   *
   * @throws StoreError `AGEMEM_STORE_BRANCH`; of a branch that was promoted `details.promotedTo` is the version that has
   * its changes
   */
  async branch(name: string): Promise<FaissStore> {
    this.#assertOpen();
    const { id } = await this.engine.reading(() => this.engine.branches.named(name));
    return new FaissStore(this.engine, id);
  }

  /**
   * Writes this branch's net changes onto its parent as one revision, and closes the branch. Where the parent is closed
   * by now, its nearest open ancestor gets them, with what this branch saw of the closed ones.
   *
   * @throws StoreError `AGEMEM_STORE_CONFLICT` (the parent changed the same items; nothing was written),
   * `AGEMEM_STORE_BRANCH`
   */
  async promote(options?: PromoteOptions): Promise<PromoteResult> {
    this.#assertOpen();
    return promoteBranch(this.engine, this.#branch, options);
  }

  /** Keeps a version readable through every vacuum, under a name. Pinning a name again moves it. */
  async pin(name: string, version: StoreVersion = this.version()): Promise<void> {
    this.#assertOpen();
    await pinVersion(this.engine, name, version);
  }

  /** Lets a pinned version go; nothing happens when there is none of the name. */
  async unpin(name: string): Promise<void> {
    this.#assertOpen();
    await unpinVersion(this.engine, name);
  }

  /** Removes old revisions that no open branch, pin or kept window needs, and shrinks the file. */
  async vacuum(options?: VacuumOptions): Promise<VacuumResult> {
    this.#assertOpen();
    return vacuum(this.engine, options);
  }

  /** Checks rows, vectors, history and indexes against each other, and says what repair would do. */
  async verify(options: { onProgress?: Progress } = {}): Promise<VerifyResult> {
    this.#assertOpen();
    return verifyStore(this.engine, options.onProgress);
  }

  /** Repairs what {@link verify} finds. Throws `AGEMEM_STORE_CORRUPT` when only a backup helps. */
  async repair(): Promise<RepairResult> {
    this.#assertOpen();
    return repairStore(this.engine);
  }

  /** Copies the store to a new directory while it is in use. Throws `AGEMEM_STORE_PATH`. */
  async backup(path: string, options: { onProgress?: Progress } = {}): Promise<void> {
    this.#assertOpen();
    await backupStore(this.engine, path, options.onProgress);
  }

  /** Writes this branch's live items to a JSONL file; the file appears when it is complete. Returns their number. */
  async export(path: string, options?: ExportOptions): Promise<number> {
    this.#assertOpen();
    await this.engine.reading(() => undefined);
    return exportItems(this.engine, this.#branch, path, options);
  }

  /** Imports a JSONL file in batches; what is stored already is skipped, so it can be run again. */
  async import(path: string, options?: ImportOptions): Promise<ImportResult> {
    this.#assertOpen();
    return importItems(this.engine, this.#branch, path, options);
  }

  /** Sizes and state, for people and monitoring. Measures the recall of approximate indexes, so it may take seconds. */
  async stats(): Promise<StoreStats> {
    this.#assertOpen();
    const indexes = await this.engine.indexes.describe();
    return this.engine.reading(() => collectStats(this.engine, this.#branch, indexes));
  }

  /** Saves the vector sidecar, so that the next opening is fast, and empties the write-ahead log. */
  async checkpoint(): Promise<void> {
    this.#assertOpen();
    await this.engine.indexes.ready();
    await saveSidecar(this.engine);
    await this.engine.exclusive(() => this.engine.db.db.pragma("wal_checkpoint(PASSIVE)"));
  }

  /** Waits for running writes and closes. Closing the handle of a fork leaves the store open. Safe to repeat. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.engine.settled();
    if (this.#branch !== MAIN || this.engine.closed) return;
    await closeEngine(this.engine);
  }

  /** LangGraph's life cycle hook: closes. */
  override async stop(): Promise<void> {
    await this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #assertOpen(): void {
    if (this.#closed) throw closedError();
    this.engine.assertOpen();
  }
}

function closedError(): StoreError {
  return new StoreError("AGEMEM_STORE_CLOSED", "The store is closed", {
    remedy: "Open it again with FaissStore.open().",
  });
}

/** Saves the sidecar when it has fallen behind, and closes the database in any case. */
async function closeEngine(engine: Engine): Promise<void> {
  try {
    const behind = engine.unsaved() > (engine.table?.size ?? 0) * 0.02;
    if (behind || engine.indexes.partitions().length > engine.savedPartitions) await saveSidecar(engine);
  } finally {
    engine.closed = true;
    engine.indexes.clear();
    engine.db.close();
  }
}
