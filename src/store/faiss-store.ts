/**
 * `FaissStore`: LangGraph's `BaseStore` on one machine, durable, versioned and forkable.
 *
 * Owns the public interface: opening, putting, versions, upkeep, closing. Leaves out the work: `batch.ts` (LangGraph's
 * operations), `versions.ts` (forks), `transactions.ts` (order of reads and writes) and `upkeep/`. A handle belongs to
 * one branch; `fork()` returns a handle of another branch of the same store, `at()` a read-only one.
 */
import type { Operation } from "@langchain/langgraph";
import type { PutOptions, StoreVersion, VersionedStore } from "../types.js";
import { Engine } from "./engine.js";
import type { PutOp } from "./operations.js";
import { checkStoreOptions, type FaissStoreOptions, resolveOptions } from "./options.js";
import { type PromoteOptions, type PromoteResult, promoteBranch } from "./promote.js";
import { openDatabase } from "./rows/database.js";
import { MAIN } from "./rows/schema.js";
import { StoreHandle } from "./store-handle.js";
import { FaissStoreView } from "./store-view.js";
import { backupStore } from "./upkeep/backup.js";
import type { OnProgress } from "./upkeep/progress.js";
import { type ReembedOptions, reembedStore } from "./upkeep/reembed.js";
import { type RepairResult, repairStore } from "./upkeep/repair.js";
import { collectStats, type StoreStats } from "./upkeep/stats.js";
import {
  exportItems,
  importItems,
  type StoreExportOptions,
  type StoreImportOptions,
  type StoreImportResult,
} from "./upkeep/transfer.js";
import { type VacuumOptions, type VacuumResult, vacuum } from "./upkeep/vacuum.js";
import { type VerifyResult, verifyStore } from "./upkeep/verify.js";
import { warnOfFallback } from "./vectors/index-kind.js";
import { readSidecarAhead } from "./vectors/sidecar/read-sidecar.js";
import {
  type BranchInfo,
  createFork,
  discardBranch,
  listBranches,
  pinVersion,
  unpinVersion,
} from "./versions.js";

/**
 * Long-term memory on one machine, for any LangGraph.js app to use as its store.
 *
 * @example
 * const store = await FaissStore.open("./memory", { index: { embeddings } });
 * await store.put(["memories", "ada"], "1", { content: "likes tea" });
 * await store.search(["memories", "ada"], { query: "drinks", limit: 3 });
 * await store.close();
 */
export class FaissStore extends StoreHandle implements VersionedStore {
  readonly #branch: number;

  private constructor(engine: Engine, branch: number) {
    const { branches } = engine.ledger;
    super(engine, {
      branch,
      view: () => {
        branches.open(branch);
        return branches.view(branch);
      },
    });
    this.#branch = branch;
  }

  /**
   * Opens or creates a store.
   *
   * @param path directory, or `":memory:"`
   * @throws StoreError `AGEMEM_STORE_PATH`, `AGEMEM_STORE_CORRUPT`, `AGEMEM_STORE_FORMAT`, `AGEMEM_STORE_EMBEDDING`;
   * ConfigError `AGEMEM_CONFIG_INVALID` for options that are wrong or unknown, `AGEMEM_PACKAGE_MISSING` when
   * better-sqlite3 does not run, or FAISS does not and `kind` is "faiss"
   */
  static async open(path: string, options: FaissStoreOptions = {}): Promise<FaissStore> {
    return new FaissStore(await start(path, options, "open"), MAIN);
  }

  /**
   * Converts a store to another embedding model. After an interruption, calling it again continues.
   *
   * @param options as for {@link FaissStore.open}, with the new model in `index`
   * @returns the number of vectors made by this call
   * @throws ModelError `AGEMEM_EMBEDDING_FAILED`; the store then still works with the old model
   */
  static async reembed(path: string, options: FaissStoreOptions & ReembedOptions): Promise<number> {
    const engine = await start(path, options, "reembed");
    try {
      return await reembedStore(engine, options);
    } finally {
      await engine.close();
    }
  }

  /**
   * Repairs a store that does not open because of its vectors. An open store has a method {@link FaissStore.repair}.
   *
   * @throws StoreError `AGEMEM_STORE_CORRUPT` when only a backup can help
   */
  static async repair(path: string, options: FaissStoreOptions = {}): Promise<RepairResult> {
    const engine = await start(path, options, "repair");
    try {
      return await repairStore(engine);
    } finally {
      await engine.close();
    }
  }

  /**
   * Stores an item, replacing any earlier value (`createdAt` stays). The item is on disk when the promise resolves.
   *
   * @throws InputError `AGEMEM_NAMESPACE_INVALID`, `AGEMEM_INPUT_ARGUMENT`; StoreError `AGEMEM_STORE_LIMIT`,
   * `AGEMEM_STORE_LOCKED`, `AGEMEM_STORE_IO`, `AGEMEM_VECTOR_INVALID`; ModelError `AGEMEM_EMBEDDING_FAILED`.
   * After any of these errors nothing has been stored.
   */
  override async put(
    namespace: string[],
    key: string,
    value: Record<string, unknown>,
    index?: false | string[],
    options: PutOptions & Pick<PutOp, "vectors"> = {},
  ): Promise<void> {
    await this.batch([{ namespace, key, value, index, ...options } as Operation]);
  }

  /** The branch of this handle, and the revision of the last write that it sees. */
  version(): StoreVersion {
    const { ledger, transactions } = this.engine;
    return transactions.read(() => {
      const { id, name } = ledger.branches.open(this.#branch);
      return { branch: name, revision: ledger.revisionOf(id) };
    });
  }

  /** A read-only view of a version. Throws `AGEMEM_STORE_BRANCH` when the version does not exist or was vacuumed. */
  at(version: StoreVersion): FaissStoreView {
    return FaissStoreView.of(this.engine, version);
  }

  /**
   * A writable branch that shares everything up to `from` (default: this handle's version). Its cost does not depend
   * on the number of items.
   *
   * @param name default: "fork-" and random characters
   * @throws StoreError `AGEMEM_STORE_BRANCH` when the name is taken or `from` does not exist
   */
  async fork(name?: string, options: { from?: StoreVersion } = {}): Promise<FaissStore> {
    const { engine } = this;
    return new FaissStore(engine, await createFork(engine, this.#branch, name, options.from));
  }

  /** Drops this branch; its handles then fail with `AGEMEM_STORE_BRANCH`. The trunk cannot be dropped. */
  async discard(): Promise<void> {
    await discardBranch(this.engine, this.#branch);
  }

  /** The open branches, the trunk first. */
  async branches(): Promise<BranchInfo[]> {
    const { ledger, transactions } = this.engine;
    return transactions.patientRead(() => listBranches(ledger));
  }

  /**
   * A handle of an open branch by name.
   *
   * @throws StoreError `AGEMEM_STORE_BRANCH`; for a promoted branch, `details.promotedTo` is the version with its
   * changes
   */
  async branch(name: string): Promise<FaissStore> {
    const { engine } = this;
    const { id } = await engine.transactions.patientRead(() => engine.ledger.branches.named(name));
    return new FaissStore(engine, id);
  }

  /**
   * Writes this branch's net changes to its parent as one revision, and closes the branch. If the parent has been
   * closed, the nearest open ancestor gets them, together with what this branch saw of the closed branches between.
   *
   * @throws StoreError `AGEMEM_STORE_CONFLICT` (the parent changed the same items; nothing was written),
   * `AGEMEM_STORE_BRANCH`
   */
  async promote(options?: PromoteOptions): Promise<PromoteResult> {
    return promoteBranch(this.engine, this.#branch, options);
  }

  /** Names a version and keeps it readable through every vacuum. Pinning the same name again moves it. */
  async pin(name: string, version: StoreVersion = this.version()): Promise<void> {
    await pinVersion(this.engine, name, version);
  }

  /** Removes a pin, if there is one with this name, so that vacuum may remove its version. */
  async unpin(name: string): Promise<void> {
    await unpinVersion(this.engine, name);
  }

  /** Removes old revisions that no open branch, pin or `keepRevisions` needs, and shrinks the file. */
  async vacuum(options?: VacuumOptions): Promise<VacuumResult> {
    return vacuum(this.engine, options);
  }

  /**
   * Embeds texts that are about to be stored one by one, in one request to the embedding model; the writes then find the
   * vectors in its cache. Without an embedding model or a cache (`index.cacheSize` 0) nothing happens.
   *
   * @throws ModelError `AGEMEM_EMBEDDING_FAILED`; StoreError `AGEMEM_VECTOR_INVALID`, `AGEMEM_STORE_CLOSED`
   * @example
   * await store.embedAhead(notes);
   * for (const [i, text] of notes.entries()) await store.put(["notes"], `${i}`, { text });
   */
  async embedAhead(texts: readonly string[]): Promise<void> {
    await this.engine.vectors.embedder?.embedAhead(texts);
  }

  /**
   * Runs `work`, whose puts and deletions through any handle of this store reach the disk with one sync instead of one each.
   * They are committed one by one, so each sees those before it; a power loss before this resolves may lose the last of them.
   *
   * @throws what `work` throws, once its writes are on disk; StoreError `AGEMEM_STORE_IO`, `AGEMEM_STORE_LOCKED`
   * @example
   * await store.syncTogether(async () => {
   *   for (const [i, text] of notes.entries()) await store.put(["notes"], `${i}`, { text });
   * });
   */
  syncTogether<T>(work: () => Promise<T>): Promise<T> {
    return this.engine.transactions.syncTogether(work);
  }

  /** Checks rows, vectors, history and indexes against each other, and says what {@link repair} would do. */
  async verify(options: { onProgress?: OnProgress } = {}): Promise<VerifyResult> {
    return verifyStore(this.engine, options.onProgress);
  }

  /** Repairs what {@link verify} finds. Throws `AGEMEM_STORE_CORRUPT` when only a backup can help. */
  async repair(): Promise<RepairResult> {
    return repairStore(this.engine);
  }

  /** Copies the store to a new directory, even while it is in use. Throws `AGEMEM_STORE_PATH`. */
  async backup(path: string, options: { onProgress?: OnProgress } = {}): Promise<void> {
    await backupStore(this.engine.db, path, options.onProgress);
  }

  /** Writes this branch's live items to a JSONL file, which appears only once complete. Returns their number. */
  async export(path: string, options?: StoreExportOptions): Promise<number> {
    const { engine } = this;
    await engine.transactions.patientRead(() => undefined);
    return exportItems(engine, this.#branch, path, options);
  }

  /** Imports a JSONL file in batches. Skips what is stored already, so that it can be repeated after a failure. */
  async import(path: string, options?: StoreImportOptions): Promise<StoreImportResult> {
    return importItems(this.engine, this.#branch, path, options);
  }

  /** Sizes and state, for people and monitoring. Measures the recall of large scopes, which may take seconds. */
  async stats(): Promise<StoreStats> {
    const { engine } = this;
    const indexes = await engine.vectors.indexes.describe();
    return engine.transactions.patientRead(() => collectStats(engine, this.#branch, indexes));
  }

  /** Saves the vectors to their sidecar, so that the next opening is fast, and empties the write-ahead log. */
  async checkpoint(): Promise<void> {
    const { vectors, checkpoints, transactions } = this.engine;
    await vectors.indexes.ready();
    await checkpoints.save();
    await transactions.exclusive(({ db }) => db.pragma("wal_checkpoint(PASSIVE)"));
  }

  /** Waits for running writes and closes. Closing a fork's handle leaves the store open. Safe to repeat. */
  async close(): Promise<void> {
    const engine = this.release();
    await engine?.transactions.settled();
    if (this.#branch === MAIN) await engine?.close();
  }

  /** LangGraph's lifecycle hook; closes the store. */
  override async stop(): Promise<void> {
    await this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Opens the database and reads it into memory; without its vectors for a repair or a conversion. */
async function start(
  path: string,
  options: FaissStoreOptions,
  method: "open" | "reembed" | "repair",
): Promise<Engine> {
  checkStoreOptions(path, options, method);
  const db = await openDatabase(path, options.durability);
  let engine: Engine | undefined;
  try {
    engine = new Engine(db, resolveOptions(options));
    if (options.index) warnOfFallback(engine.vectors.indexes.chosen(), options.onWarning);
    const { vectors } = engine;
    vectors.converting = method !== "open";
    if (vectors.inMemory && vectors.embedder) {
      vectors.ahead = await readSidecarAhead(db.directory, vectors.embedder);
    }
    await engine.transactions.patientRead(() => undefined);
    return engine;
  } catch (error) {
    engine?.vectors.close();
    db.close();
    throw error;
  }
}
