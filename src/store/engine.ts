/**
 * The machinery that all handles of one opened store share: connection, memory, write queue, catch-up.
 *
 * Owns the order of things: writes one after the other, each in one transaction, memory changed only after the
 * commit, every read on one state, and everything another connection committed taken over before a read or write. Leaves out the
 * contract (`faiss-store.ts`), rows (`reader.ts`, `writer.ts`) and ranking (`search.ts`).
 */
import { setTimeout as sleep } from "node:timers/promises";
import { StoreError } from "../errors.js";
import { BoundedMap } from "../lib/bounded-map.js";
import type { StoreLimits } from "./operations.js";
import { Branches, type View } from "./rows/branches.js";
import { type Connection, isBusy, toStoreError } from "./rows/database.js";
import { Namespaces } from "./rows/namespaces.js";
import type { FoundRow } from "./rows/reader.js";
import { Tally } from "./rows/tally.js";
import type { WrittenRow } from "./rows/writer.js";
import { StampedCache } from "./search/doc-cache.js";
import type { NamespaceDocs } from "./search/keyword.js";
import { Embedder, type StoreIndexOptions } from "./vectors/embedder.js";
import { isSameModel, recordModel, storedModel } from "./vectors/embedding-model.js";
import { IndexSet } from "./vectors/index-set.js";
import { loadRows } from "./vectors/loader.js";
import { loadSidecar, saveSidecar } from "./vectors/sidecar.js";
import { VectorTable } from "./vectors/vector-table.js";

export interface EngineOptions {
  index: StoreIndexOptions | undefined;
  limits: StoreLimits;
  /** How long a writer waits for other processes, in milliseconds. */
  busyTimeoutMs: number;
  /** Clock in milliseconds since the epoch; tests set it. */
  now: () => number;
  /** Writes after which the sidecar is saved again. */
  checkpointEvery: number;
  /** Minutes for puts without a TTL of their own. */
  defaultTtl: number | null;
  /** Whether returned items with a TTL live on from now. */
  refreshTtlOnRead: boolean;
}

export class Engine {
  readonly branches: Branches;
  readonly namespaces: Namespaces;
  readonly embedder: Embedder | null;
  readonly indexes: IndexSet;
  /** The vectors in memory; null without an embedding model, or before the first vector. */
  table: VectorTable | null = null;
  /** Id of the last version row taken over. */
  lastVersion = 0;
  /** Last version row that the sidecar holds, and the partitions in it. */
  savedVersion = 0;
  savedPartitions = 0;
  /** Opened for `reembed`: the vectors are of another model and stay out of memory. */
  converting = false;
  closed = false;
  /** What each branch that has a parent wrote, by item: the first revision. */
  readonly overrides = new Map<number, Map<number, number>>();
  /** Rows that searches found, by id. */
  readonly foundRows = new BoundedMap<number, FoundRow>(4000);
  /** What was written, counted. */
  readonly tally = new Tally();
  /** Documents per view and namespace, for keyword search. */
  readonly docCache = new StampedCache<NamespaceDocs>(({ docs }) => docs.size, 500_000);
  /** Last version row per namespace. */
  readonly #lastWrites = new Map<number, number>();
  readonly #tips = new Map<number, number>();
  #dataVersion = -1;
  #saving = false;
  #epoch = "";
  #writes: Promise<unknown> = Promise.resolve();
  readonly now: () => number;

  constructor(
    readonly db: Connection,
    readonly options: EngineOptions,
  ) {
    this.now = options.now;
    this.branches = new Branches(db);
    this.namespaces = new Namespaces(db);
    this.embedder = options.index ? new Embedder(options.index) : null;
    this.indexes = new IndexSet(this);
  }

  /** Throws `AGEMEM_STORE_CLOSED` after close. */
  assertOpen(): void {
    if (!this.closed) return;
    throw new StoreError("AGEMEM_STORE_CLOSED", "The store is closed", {
      remedy: "Open it again with FaissStore.open().",
    });
  }

  /**
   * Takes over what other connections committed since the last look. Cheap when there is nothing.
   *
   * @throws StoreError `AGEMEM_STORE_LOCKED`, `AGEMEM_STORE_CORRUPT`, `AGEMEM_STORE_IO`, `AGEMEM_STORE_CLOSED`
   */
  poll(): void {
    try {
      this.read(() => undefined);
    } catch (error) {
      throw toStoreError(error);
    }
  }

  /**
   * Runs `work` on one state of the database: everything that any connection had committed when it began, and
   * nothing that is committed meanwhile, however many statements it takes. Rows are taken over in the same read
   * transaction: in two, a row could come without the vector or the namespace that was committed with it.
   */
  read<T>(work: () => T): T {
    this.assertOpen();
    // Inside of a transaction the state is fixed already, and a store in memory has no other connection.
    if (this.db.directory === null || this.db.db.inTransaction) {
      this.#takeOver();
      return work();
    }
    this.db.run("BEGIN");
    try {
      this.#takeOver();
      return work();
    } finally {
      if (this.db.db.inTransaction) this.db.run("COMMIT");
    }
  }

  /** {@link read} that waits while another process recovers or cleans up the write-ahead log. */
  reading<T>(work: () => T): Promise<T> {
    return this.#patiently(() => this.read(work));
  }

  #takeOver(): void {
    // A store in memory has one connection; after the first look there is nothing that another could have written.
    if (this.db.directory === null && this.#dataVersion !== -1) return;
    const dataVersion = this.db.db.pragma("data_version", { simple: true }) as number;
    if (dataVersion === this.#dataVersion) return;
    this.branches.reload();
    this.namespaces.refresh();
    const epoch = this.db.getMeta("epoch") ?? "0";
    if (epoch !== this.#epoch) {
      if (this.#epoch !== "") this.forget();
      this.#epoch = epoch;
    }
    this.checkEmbedding();
    if (this.lastVersion === 0 && this.table === null && !this.converting && loadSidecar(this)) {
      this.tally.lose();
    }
    loadRows(this);
    // Last: after a failure half way the next read has to look again.
    this.#dataVersion = dataVersion;
  }

  /** Drops everything derived, to be read again: after a vacuum or a change of embeddings. */
  forget(): void {
    this.branches.reload();
    this.namespaces.reload();
    this.table = null;
    this.lastVersion = 0;
    this.savedVersion = 0;
    this.overrides.clear();
    this.tally.clear();
    this.foundRows.clear();
    this.#tips.clear();
    this.indexes.clear();
    this.docCache.clear();
    this.#lastWrites.clear();
    this.#dataVersion = -1;
  }

  /** Starts the next epoch inside a write transaction, so that every connection reads everything again. */
  bumpEpoch(): void {
    this.db.setMeta("epoch", String(Number(this.db.getMeta("epoch") ?? "0") + 1));
  }

  get epoch(): string {
    return this.#epoch;
  }

  /** Takes rows into memory: written by this connection, or read by `loadRows`. */
  apply(row: WrittenRow): void {
    this.applyFacts(row);
    this.tally.note({ ...row, vectors: row.vectors.length });
    if (row.prev !== null) this.table?.endVersion(row.prev, row.rev);
    const first = row.vectors[0];
    if (!first || row.op === 0 || !this.embedder || this.converting) return;
    this.table ??= new VectorTable(first.length);
    const facts = { ...row, version: row.id, endRev: row.end_rev };
    for (const vector of row.vectors) this.indexes.added(this.table.append(facts, vector), row.ns);
  }

  /** The part of {@link apply} that needs no vectors. */
  applyFacts(row: Pick<WrittenRow, "id" | "ns" | "branch" | "item" | "rev">): void {
    this.#lastWrites.set(row.ns, row.id);
    this.lastVersion = Math.max(this.lastVersion, row.id);
    this.#tips.set(row.branch, Math.max(this.#tips.get(row.branch) ?? 0, row.rev));
    if (this.branches.get(row.branch)?.parent != null) this.setOverride(row.branch, row.item, row.rev);
  }

  /** Id of the last version row written to a namespace. */
  lastWriteTo(ns: number): number {
    return this.#lastWrites.get(ns) ?? 0;
  }

  /** Whether a level above `depth` of a view has written the item. */
  isHidden(view: View, depth: number, item: number): boolean {
    for (let above = 0; above < depth; above++) {
      const level = view.levels[above];
      const first = level && this.overrides.get(level.branch)?.get(item);
      if (first !== undefined && first <= (level?.limit ?? 0)) return true;
    }
    return false;
  }

  /** Number of the last write a branch sees. */
  revisionOf(branch: number): number {
    return Math.max(this.#tips.get(branch) ?? 0, this.branches.get(branch)?.fork_rev ?? 0);
  }

  allTips(): [number, number][] {
    return [...this.#tips];
  }

  setOverride(branch: number, item: number, rev: number): void {
    let items = this.overrides.get(branch);
    if (!items) {
      items = new Map();
      this.overrides.set(branch, items);
    }
    const first = items.get(item);
    if (first === undefined || rev < first) items.set(item, rev);
  }

  setTip(branch: number, rev: number): void {
    this.#tips.set(branch, Math.max(this.#tips.get(branch) ?? 0, rev));
  }

  /** Whether any item of the store may expire. */
  hasExpiring(): boolean {
    return this.db.row("SELECT 1 FROM versions WHERE expires_at IS NOT NULL LIMIT 1") !== undefined;
  }

  /** The last revision number given out, over all branches. */
  newestRevision(): number {
    return this.db.row<{ rev: number | null }>("SELECT max(rev) AS rev FROM revisions")?.rev ?? 0;
  }

  /**
   * Runs `work` in a write transaction after those asked for before. `prepare` starts at once (embedding).
   * Memory is changed by what `work` returns to `applyRows`, after the commit.
   *
   * @throws StoreError `AGEMEM_STORE_LOCKED` after `busyTimeoutMs`, `AGEMEM_STORE_IO`
   */
  write<P, T>(
    prepare: () => Promise<P>,
    work: (prepared: P) => { result: T; rows: WrittenRow[] },
  ): Promise<T> {
    this.assertOpen();
    const preparing = prepare();
    preparing.catch(() => undefined);
    const turn = this.#writes.then(async () => {
      const prepared = await preparing;
      return this.#transaction(() => work(prepared));
    });
    this.#writes = turn.catch(() => undefined);
    return turn;
  }

  /** Runs `work` after the writes asked for before, outside of a transaction, waiting for other processes. */
  exclusive<T>(work: () => T | Promise<T>): Promise<T> {
    this.assertOpen();
    const turn = this.#writes.then(() => this.#patiently(work));
    this.#writes = turn.catch(() => undefined);
    return turn;
  }

  /** Rows that the sidecar lacks. */
  unsaved(): number {
    return this.lastVersion - this.savedVersion;
  }

  /** Saves the sidecar in the background when enough was written since. */
  #saveSometimes(): void {
    if (this.#saving || this.unsaved() < Math.max(this.options.checkpointEvery, (this.table?.size ?? 0) / 4))
      return;
    this.#saving = true;
    setImmediate(() => {
      const done = (): void => {
        this.#saving = false;
      };
      if (this.closed) done();
      // A sidecar that cannot be written costs time at the next opening, nothing else.
      else saveSidecar(this).then(done, done);
    });
  }

  /** Resolves when every write asked for so far has ended. */
  async settled(): Promise<void> {
    await this.#writes;
  }

  async #transaction<T>(work: () => { result: T; rows: WrittenRow[] }): Promise<T> {
    await this.#patiently(() => this.db.run("BEGIN IMMEDIATE"));
    try {
      this.poll();
      this.db.assertInPlace();
      const { result, rows } = work();
      this.db.run("COMMIT");
      for (const row of rows) this.apply(row);
      if (rows.length > 0) this.#saveSometimes();
      return result;
    } catch (error) {
      if (this.db.db.inTransaction) this.db.run("ROLLBACK");
      this.namespaces.reload();
      this.branches.reload();
      throw toStoreError(error);
    }
  }

  /** Tries again while another process holds the lock, until `busyTimeoutMs` have passed. */
  async #patiently<T>(work: () => T | Promise<T>): Promise<T> {
    const deadline = Date.now() + this.options.busyTimeoutMs;
    for (let wait = 2; ; wait = Math.min(wait * 1.5, 50)) {
      this.assertOpen();
      try {
        return await work();
      } catch (error) {
        if (!isBusy(error) || Date.now() >= deadline) throw toStoreError(error);
      }
      await sleep(wait * (0.5 + Math.random()));
    }
  }

  /** Compares the embedding model with the one the store was made with. Throws `AGEMEM_STORE_EMBEDDING`. */
  checkEmbedding(): void {
    const stored = storedModel(this.db);
    if (!this.embedder || stored === undefined || this.converting) return;
    const { name, dims } = stored;
    const sameDims = this.embedder.dims === null || this.embedder.dims === dims;
    if (!sameDims || !isSameModel(stored, this.embedder.name)) {
      throw new StoreError(
        "AGEMEM_STORE_EMBEDDING",
        `The store holds vectors of "${name}" (${dims} dimensions), not of "${this.embedder.name}" (${this.embedder.dims ?? "?"})`,
        {
          remedy:
            "Open it with the model it was made with, or convert it: FaissStore.reembed(path, { index }).",
          details: { stored, given: { name: this.embedder.name, dims: this.embedder.dims } },
        },
      );
    }
    this.embedder.dims = dims;
  }

  /** Records model and dimension with the first vectors, inside a write transaction. */
  recordEmbedding(dims: number): void {
    if (!this.embedder || storedModel(this.db) !== undefined) return;
    recordModel(this.db, { name: this.embedder.name, dims });
  }
}
