/**
 * Keeping memory in step with the database: what this connection committed, and what others did.
 *
 * Owns how it is noticed that others wrote (SQLite's `data_version`), the order in which memory is brought up to date,
 * and what is dropped when an epoch ends. Leaves out when that happens (`transactions.ts`).
 */
import type { Ledger } from "./rows/ledger.js";
import { loadRows, takeOver } from "./vectors/loader.js";
import { readSidecar } from "./vectors/sidecar.js";
import type { Vectors } from "./vectors/vectors.js";

export class CatchUp {
  #dataVersion = -1;

  constructor(
    private readonly ledger: Ledger,
    private readonly vectors: Vectors,
  ) {}

  /** Takes over what other connections committed since the last look; call inside a transaction. */
  catchUp(): void {
    const { ledger, vectors } = this;
    // A store in memory has one connection; after the first look there is nothing that another could have written.
    if (ledger.db.directory === null && this.#dataVersion !== -1) return;
    const dataVersion = ledger.db.db.pragma("data_version", { simple: true }) as number;
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
    // Last: after a failure half way the next read has to look again.
    this.#dataVersion = dataVersion;
  }

  /** Takes over the rows that this connection has just committed. Returns whether there were any. */
  committed(): boolean {
    const rows = this.ledger.takeWritten();
    for (const row of rows) takeOver(this.ledger, this.vectors, row);
    return rows.length > 0;
  }

  /** A point in the running transaction, to go back to. */
  mark(): number {
    return this.ledger.written;
  }

  /** Undoes in memory what a transaction that was rolled back did there, after a {@link mark} or altogether. */
  rolledBack(to = 0): void {
    this.ledger.forgetWritten(to);
    this.ledger.namespaces.reload();
    this.ledger.branches.reload();
  }

  /** Drops everything derived, to be read again at the next look: after a vacuum or a change of embeddings. */
  forget(): void {
    this.ledger.forget();
    this.vectors.forget();
    this.#dataVersion = -1;
  }
}
