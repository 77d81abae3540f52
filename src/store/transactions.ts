/**
 * Orders what happens in an opened store: each read sees one state of the database, and writes run one at a time.
 *
 * Owns the queue of writes, which of them share a transaction, waiting for other processes' locks, begin, commit and
 * rollback, and when memory catches up with the database. Leaves out how it catches up (`catch-up.ts`) and what is
 * written (`rows/writer.ts`).
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { StoreError } from "../errors.js";
import type { CatchUp } from "./catch-up.js";
import { type Connection, isBusy, toStoreError } from "./rows/database.js";

interface TransactionOptions {
  /** How long a writer waits for other processes, in milliseconds. */
  busyTimeoutMs: number;
  /** Called after a commit that wrote rows. */
  afterRows(): void;
}

/** Milliseconds after which a transaction takes in no further writes, because searches wait for it. */
const SHARED_MS = 4;

/** A write that may share a transaction with those before it. */
interface JoiningWrite {
  /** Does the write; null until it is prepared. */
  work: (() => unknown) | null;
  /** Settles when the write is prepared. */
  prepared: Promise<unknown>;
  /** The writes with which it is synced later; null for a write that is synced at once. */
  later: Synced | null;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** Writes that the disk gets with one sync, after the last of them. */
interface Synced {
  /** Whether one of them was committed without. */
  owed: boolean;
}

/** Key of what the sync for such writes changes. */
const SYNCED = "synced";

export class Transactions {
  closed = false;
  /** The group at the end of the queue that further writes may join; null when the last write cannot be joined. */
  #joining: JoiningWrite[] | null = null;
  /** Settles when every write requested so far has ended. */
  #queue: Promise<unknown> = Promise.resolve();
  readonly #later = new AsyncLocalStorage<Synced>();

  constructor(
    private readonly connection: Connection,
    private readonly memory: CatchUp,
    private readonly options: TransactionOptions,
  ) {}

  /** The connection. Throws `AGEMEM_STORE_CLOSED` after it was closed. */
  get #db(): Connection {
    if (this.closed) throw closedError();
    return this.connection;
  }

  /**
   * Runs `work` on one state of the database: all that any connection had committed when it began, and nothing that is
   * committed meanwhile, however many statements it takes. Memory catches up in the same read transaction; in a
   * separate one, `work` could see a row whose vector or namespace memory does not have yet.
   */
  read<T>(work: () => T): T {
    const db = this.#db;
    // Inside a transaction the state is fixed already, and a store in memory has no other connection.
    if (db.directory === null || db.db.inTransaction) {
      this.memory.catchUp();
      return work();
    }
    db.run("BEGIN");
    try {
      this.memory.catchUp();
      return work();
    } finally {
      if (db.db.inTransaction) db.run("COMMIT");
    }
  }

  /** Like {@link read}, but waits while another process recovers or cleans up the write-ahead log. */
  patientRead<T>(work: () => T): Promise<T> {
    return this.#patiently(() => this.read(work));
  }

  /**
   * Loads what other connections have committed since the last read. Cheap when there is nothing.
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

  /** Drops what memory holds and reads the database again. */
  reload(): void {
    this.memory.forget();
    this.poll();
  }

  /**
   * Runs `work` in a write transaction, after all writes requested before. `prepare` (embedding) starts at once and is
   * awaited outside the transaction. After the commit, memory loads the rows that `work` wrote; a failure undoes
   * everything.
   *
   * @throws StoreError `AGEMEM_STORE_LOCKED` after `busyTimeoutMs`, `AGEMEM_STORE_IO`
   */
  write<T>(work: () => T): Promise<T>;
  write<T, P>(work: (prepared: P) => T, prepare: () => Promise<P>): Promise<T>;
  write<T, P>(work: (prepared: P) => T, prepare?: () => Promise<P>): Promise<T> {
    if (this.closed) throw closedError();
    const preparing = prepare?.();
    preparing?.catch(() => undefined);
    return this.#enqueue(async () => {
      const prepared = (await preparing) as P;
      const outcome = await this.#patiently((db) => {
        db.run("BEGIN IMMEDIATE");
        // Commit in the same turn, so that no other read of this process runs inside the transaction. The outcome is
        // passed on as a function, so that an error of `work` is not retried like one of BEGIN.
        return outcomeOf(() => this.#commit(() => work(prepared)));
      });
      return outcome();
    });
  }

  /**
   * Like {@link write}, but may share a transaction with waiting writes before and after it, so that under load one
   * disk sync serves many. Each of them is still written completely or not at all, and is acknowledged after the
   * commit.
   *
   * @param work must read what earlier writes changed from the database, because memory has not loaded it yet
   */
  writeTogether<T, P>(work: (prepared: P) => T, prepare: () => Promise<P>): Promise<T> {
    if (this.closed) throw closedError();
    return new Promise<T>((resolve, reject) => {
      const write: JoiningWrite = {
        work: null,
        prepared: prepare().then((prepared) => {
          write.work = () => work(prepared);
        }),
        later: (this.connection.syncs && this.#later.getStore()) || null,
        resolve: (result) => resolve(result as T),
        reject,
      };
      write.prepared.catch(() => undefined);
      if (this.#joining) {
        this.#joining.push(write);
        return;
      }
      const group = [write];
      this.#enqueue(() => this.#writeGroup(group)).catch(reject);
      // After `#enqueue`, which closes the previous group.
      this.#joining = group;
    });
  }

  /**
   * Runs `work`, whose calls of {@link writeTogether} are committed one by one but synced together, before this resolves or
   * rejects. What others write meanwhile is synced as always.
   */
  async syncTogether<T>(work: () => Promise<T>): Promise<T> {
    const synced: Synced = { owed: false };
    try {
      return await this.#later.run(synced, work);
    } finally {
      // The next commit that is synced takes all earlier ones with it, as they lie before it in the log.
      if (synced.owed) await this.write(() => this.#db.setMeta(SYNCED, `${Date.now()}`));
    }
  }

  /** Runs `work` after all writes requested before, outside a transaction, waiting for other processes. */
  exclusive<T>(work: (db: Connection) => T): Promise<T> {
    if (this.closed) throw closedError();
    return this.#enqueue(() => this.#patiently(work));
  }

  /** Resolves when every write requested so far has ended. */
  async settled(): Promise<void> {
    // Close the group, so that later writes are not waited for.
    this.#joining = null;
    await this.#queue;
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    this.#joining = null;
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  /** Writes a group in as few transactions as possible. The group may grow meanwhile. */
  async #writeGroup(group: JoiningWrite[]): Promise<void> {
    for (let first = group[0]; first; first = group[0]) {
      const taken: JoiningWrite[] = [];
      try {
        await first.prepared;
        const outcome = await this.#patiently((db) => {
          const transaction = () => {
            db.run("BEGIN IMMEDIATE");
            return outcomeOf(() => this.#commit(() => this.#writeSome(group, taken)));
          };
          return first.later ? db.withoutSync(transaction) : transaction();
        });
        for (const acknowledge of outcome()) acknowledge();
        // Searches come between two transactions even where a writer asks for the next write at once.
        await new Promise((resolve) => setImmediate(resolve));
      } catch (error) {
        // Nothing in the transaction was written, so all its writes fail.
        if (taken.length === 0) taken.push(group.shift() as JoiningWrite);
        for (const write of taken) write.reject(error);
      }
    }
    if (this.#joining === group) this.#joining = null;
  }

  /**
   * Moves the first write of a group, and those after it that are prepared, to `taken` and does them. Returns functions
   * to call after the commit.
   */
  #writeSome(group: JoiningWrite[], taken: JoiningWrite[]): (() => void)[] {
    const acknowledgements: (() => void)[] = [];
    const began = performance.now();
    const isSynced = !group[0]?.later;
    do {
      const write = group.shift() as JoiningWrite;
      if (write.later && !isSynced) write.later.owed = true;
      taken.push(write);
      acknowledgements.push(taken.length === 1 ? written(write) : this.#writeApart(write));
    } while (group[0]?.work && (isSynced || group[0].later) && performance.now() - began < SHARED_MS);
    return acknowledgements;
  }

  /** Does one write of a group in a savepoint, so that its failure undoes nothing else. */
  #writeApart(write: JoiningWrite): () => void {
    const db = this.connection;
    const before = this.memory.mark();
    db.run("SAVEPOINT apart");
    try {
      const acknowledge = written(write);
      db.run("RELEASE apart");
      return acknowledge;
    } catch (error) {
      // After some disk failures SQLite has rolled back the whole transaction.
      if (!db.db.inTransaction) throw error;
      db.run("ROLLBACK TO apart");
      db.run("RELEASE apart");
      this.memory.rolledBack(before);
      return () => write.reject(toStoreError(error));
    }
  }

  /** Runs `work` and commits, in a write transaction that has begun. */
  #commit<T>(work: () => T): T {
    const db = this.connection;
    try {
      this.poll();
      db.assertInPlace();
      const result = work();
      db.run("COMMIT");
      if (this.memory.committed()) this.options.afterRows();
      return result;
    } catch (error) {
      if (db.db.inTransaction) db.run("ROLLBACK");
      this.memory.rolledBack();
      throw toStoreError(error);
    }
  }

  /** Retries while another process holds the lock, until `busyTimeoutMs` has passed. */
  async #patiently<T>(work: (db: Connection) => T): Promise<T> {
    const deadline = Date.now() + this.options.busyTimeoutMs;
    for (let wait = 2; ; wait = Math.min(wait * 1.5, 50)) {
      const db = this.#db;
      try {
        return await work(db);
      } catch (error) {
        if (!isBusy(error) || Date.now() >= deadline) throw toStoreError(error);
      }
      await sleep(wait * (0.5 + Math.random()));
    }
  }
}

/** Does a write. Returns a function that resolves its promise with the result. */
function written({ work, resolve }: JoiningWrite): () => void {
  const result = work?.();
  return () => resolve(result);
}

/** Runs `work`, and returns a function that returns or throws what it did. */
function outcomeOf<T>(work: () => T): () => T {
  try {
    const result = work();
    return () => result;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

/** The error of every call after the store was closed. */
export function closedError(): StoreError {
  return new StoreError("AGEMEM_STORE_CLOSED", "The store is closed", {
    remedy: "Open it again with FaissStore.open().",
  });
}
