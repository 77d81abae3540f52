/**
 * One opened store, shared by all of its handles: rows, vectors, transactions, and the cache of parsed documents.
 *
 * Owns how the parts are connected and closed. They are divided by what changes together: rows with the SQLite tables,
 * vectors with the embedding model, transactions with how processes share a store.
 */
import { CatchUp } from "./catch-up.js";
import { Checkpoints } from "./checkpoints.js";
import type { StoreLimits } from "./limits.js";
import type { Connection } from "./rows/database.js";
import { Ledger } from "./rows/ledger.js";
import { DocumentCache } from "./search/documents.js";
import { Transactions } from "./transactions.js";
import type { StoreIndexOptions } from "./vectors/embedder.js";
import { Vectors } from "./vectors/vectors.js";

export interface EngineOptions {
  index: StoreIndexOptions | undefined;
  limits: StoreLimits;
  /** How long a writer waits for other processes, in milliseconds. */
  busyTimeoutMs: number;
  /** Fewest rows written before the sidecar is saved again. */
  checkpointEvery: number;
  /** TTL in minutes of puts that have none. */
  defaultTtl: number | null;
  /** Whether reading an item restarts its TTL. */
  refreshTtlOnRead: boolean;
}

export class Engine {
  readonly ledger: Ledger;
  readonly vectors: Vectors;
  readonly documents = new DocumentCache();
  /** What rerankers were asked. */
  readonly rerankCounts = { searches: 0, texts: 0, tokens: 0 };
  readonly transactions: Transactions;
  readonly checkpoints: Checkpoints;
  #closing: Promise<void> | undefined;

  constructor(
    readonly db: Connection,
    readonly options: EngineOptions,
  ) {
    this.ledger = new Ledger(db);
    this.vectors = new Vectors(this.ledger, options.index);
    this.transactions = new Transactions(db, new CatchUp(this.ledger, this.vectors), {
      busyTimeoutMs: options.busyTimeoutMs,
      afterRows: () => this.checkpoints.saveWhenDue(),
    });
    this.checkpoints = new Checkpoints(this.ledger, this.vectors, this.transactions, options.checkpointEvery);
  }

  /** Saves the sidecar if it has fallen behind, and closes the database even if that fails. Safe to repeat. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.checkpoints.saveBeforeClose();
    } finally {
      this.transactions.closed = true;
      this.vectors.close();
      this.db.close();
    }
  }
}
