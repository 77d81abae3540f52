/**
 * Saves the vectors in memory to the sidecar, so that the next opening need not read them from the database.
 *
 * Owns when that is due. Leaves out the file (`vectors/sidecar/`).
 */
import { randomUUID } from "node:crypto";
import type { Ledger } from "./rows/ledger.js";
import type { Transactions } from "./transactions.js";
import { SIDECAR_TOKEN } from "./vectors/sidecar/sidecar-format.js";
import { writeSidecar } from "./vectors/sidecar/write-sidecar.js";
import type { Vectors } from "./vectors/vectors.js";

export class Checkpoints {
  #saving = false;
  /** Settles when the save asked for last has ended. */
  #last: Promise<unknown> = Promise.resolve();

  /** @param every fewest rows written before the sidecar is saved again */
  constructor(
    private readonly ledger: Ledger,
    private readonly vectors: Vectors,
    private readonly transactions: Transactions,
    private readonly every: number,
  ) {}

  /** Saves the vectors, after the saves asked for before. Returns false when there is nothing to save. */
  save(): Promise<boolean> {
    const turn = this.#last.then(() => this.#save());
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #save(): Promise<boolean> {
    const { ledger, vectors } = this;
    const { directory } = ledger.db;
    if (!vectors.table || vectors.table.size === 0 || !directory) return false;
    this.transactions.poll();
    const token = randomUUID();
    const saved = { version: ledger.lastVersion, codes: vectors.indexes.codes?.covered ?? 0 };
    if (!(await writeSidecar(directory, token, ledger, vectors))) return false;
    await this.transactions.write(() => ledger.db.setMeta(SIDECAR_TOKEN, token));
    vectors.saved = saved;
    return true;
  }

  /** Saves in the background once `every` rows, and a quarter of the table, were written since the last time. */
  saveWhenDue(): void {
    if (this.#saving || this.#unsaved() < Math.max(this.every, this.#size() / 4)) return;
    this.#saving = true;
    setImmediate(() => {
      const done = (): void => {
        this.#saving = false;
      };
      if (this.transactions.closed) done();
      // If the sidecar cannot be written, the next opening is slower; nothing is lost.
      else this.save().then(done, done);
    });
  }

  /** Saves before the store is closed if more than 2% of the vectors or codes are not in the sidecar. */
  async saveBeforeClose(): Promise<void> {
    await this.#last;
    const { saved, indexes } = this.vectors;
    const little = this.#size() * 0.02;
    const behind = this.#unsaved() > little || (indexes.codes?.covered ?? 0) - saved.codes > little;
    if (behind) await this.save();
  }

  /** Rows that the sidecar lacks. */
  #unsaved(): number {
    return this.ledger.lastVersion - this.vectors.saved.version;
  }

  #size(): number {
    return this.vectors.table?.size ?? 0;
  }
}
