/**
 * Keeps the state in memory in step with the database, whoever committed.
 *
 * Owns noticing that others wrote (SQLite's `data_version`), the order in which memory is brought up to date, and what
 * is dropped when the epoch changes. Leaves out when that happens (`transactions.ts`).
 */
import type { Ledger } from "./rows/ledger.js";
import { loadRows, takeOver } from "./vectors/loader.js";
import { readSidecar } from "./vectors/sidecar/read-sidecar.js";
import type { Vectors } from "./vectors/vectors.js";

export class CatchUp {
  #dataVersion = -1;

  constructor(
    private readonly ledger: Ledger,
    private readonly vectors: Vectors,
  ) {}

  /** Loads what other connections have committed since the last call. Call it inside a transaction. */
  catchUp(): void {
    const { ledger, vectors } = this;
    // A store in memory has only this connection, so after the first time there is nothing to catch up with.
    if (ledger.db.directory === null && this.#dataVersion !== -1) return;
    // Prepared once, because every read asks for it.
    const dataVersion = ledger.db.row<{ data_version: number }>("PRAGMA data_version")?.data_version ?? -1;
    if (dataVersion === this.#dataVersion) return;
    ledger.branches.reload();
    ledger.namespaces.refresh();
    const epoch = ledger.storedEpoch();
    if (epoch !== ledger.epoch) {
      if (ledger.epoch !== "") this.forget();
      ledger.epoch = epoch;
    }
    vectors.checkModel();
    const empty = ledger.lastVersion === 0 && vectors.table === null;
    if (empty && !vectors.converting && readSidecar(ledger, vectors)) ledger.counts.markIncomplete();
    loadRows(ledger, vectors);
    // Last, so that after a failure half way the next read tries again.
    this.#dataVersion = dataVersion;
  }

  /** Loads the rows that this connection has just committed. Returns whether there were any. */
  committed(): boolean {
    const rows = this.ledger.takeWritten();
    for (const row of rows) takeOver(this.ledger, this.vectors, row);
    return rows.length > 0;
  }

  /** A point in the current transaction, for {@link rolledBack}. */
  mark(): number {
    return this.ledger.written;
  }

  /** Undoes in memory what a rolled-back transaction changed there: since a {@link mark}, or altogether. */
  rolledBack(to = 0): void {
    this.ledger.forgetWritten(to);
    this.ledger.namespaces.reload();
    this.ledger.branches.reload();
  }

  /** Drops everything in memory, so that it is read again: after a vacuum or a change of embeddings. */
  forget(): void {
    this.ledger.forget();
    this.vectors.forget();
    this.#dataVersion = -1;
  }
}
