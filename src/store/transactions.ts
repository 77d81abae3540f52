/**
 * The order of things in an opened store: each read on one state of the database, writes one after the other.
 *
 * Owns the queue of writes, waiting for other processes' locks, begin, commit and rollback, and when memory catches up
 * with the database. Leaves out how it does (`catch-up.ts`) and what is written (`rows/writer.ts`).
 */
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

export class Transactions {
  closed = false;
  /** Settles when every write asked for so far has ended. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly connection: Connection,
    private readonly memory: CatchUp,
    private readonly options: TransactionOptions,
  ) {}

  /** The connection, until it is closed. Throws `AGEMEM_STORE_CLOSED`. */
  get #db(): Connection {
    if (this.closed) throw closedError();
    return this.connection;
  }

  /**
   * Runs `work` on one state of the database: everything that any connection had committed when it began, and nothing
   * that is committed meanwhile, however many statements it takes. Memory catches up in the same read transaction: in
   * two, a row could come without the vector or the namespace that was committed with it.
   */
  read<T>(work: () => T): T {
    const db = this.#db;
    // Inside of a transaction the state is fixed already, and a store in memory has no other connection.
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

  /** {@link read} that waits while another process recovers or cleans up the write-ahead log. */
  patientRead<T>(work: () => T): Promise<T> {
    return this.#patiently(() => this.read(work));
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

  /** Drops what memory holds of the database and reads it again. */
  reload(): void {
    this.memory.forget();
    this.poll();
  }

  /**
   * Runs `work` in a write transaction, after the writes asked for before. `prepare` (embedding) starts at once and is
   * waited for outside of the transaction. Memory takes over the rows that `work` wrote after the commit; a failure
   * undoes everything.
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
        // In the same turn, so that no read of this process runs inside of the transaction; once begun, not tried again.
        return outcomeOf(() => this.#commit(() => work(prepared)));
      });
      return outcome();
    });
  }

  /** Runs `work` after the writes asked for before, outside of a transaction, waiting for other processes. */
  exclusive<T>(work: (db: Connection) => T): Promise<T> {
    if (this.closed) throw closedError();
    return this.#enqueue(() => this.#patiently(work));
  }

  /** Resolves when every write asked for so far has ended. */
  async settled(): Promise<void> {
    await this.#queue;
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  /** The inside of a write transaction that has begun. */
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

  /** Tries again while another process holds the lock, until `busyTimeoutMs` have passed. */
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

/** What `work` returned or threw, to be had later. */
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

/** The error of every call after close. */
export function closedError(): StoreError {
  return new StoreError("AGEMEM_STORE_CLOSED", "The store is closed", {
    remedy: "Open it again with FaissStore.open().",
  });
}
