/**
 * The vectors of an opened store: the embedding model, the table in memory and the indexes over it.
 *
 * Owns which rows get slots in the table, and checking that the model fits the store. Leaves out the rows
 * (`rows/ledger.ts`), when the sidecar is saved (`checkpoints.ts`) and ranking (`search/ranking.ts`).
 */
import { closeSync } from "node:fs";
import { StoreError } from "../../errors.js";
import type { Ledger } from "../rows/ledger.js";
import type { WrittenRow } from "../rows/version-row.js";
import { Embedder, type StoreIndexOptions } from "./embedder.js";
import { isSameModel, recordModel, storedModel } from "./embedding-model.js";
import { IndexSet } from "./index-set.js";
import type { LoadedSidecar } from "./sidecar/sidecar-format.js";
import { VectorTable } from "./vector-table.js";

export class Vectors {
  readonly embedder: Embedder | null;
  readonly indexes: IndexSet;
  /** The vectors in memory; null without an embedding model, or before the first vector. */
  table: VectorTable | null = null;
  /** Whether vectors stay out of memory, because the store is being repaired or converted to another model. */
  converting = false;
  /** What was read of the sidecar before the first read of the database. */
  ahead: LoadedSidecar | null = null;
  /** What the sidecar on disk holds: up to which version row, and the codes of how many slots. */
  saved = { version: 0, codes: 0 };
  readonly #ledger: Ledger;

  constructor(
    ledger: Ledger,
    readonly options: StoreIndexOptions | undefined,
  ) {
    this.#ledger = ledger;
    this.embedder = options ? new Embedder(options) : null;
    this.indexes = new IndexSet(ledger.namespaces, options);
  }

  /** Whether the vectors of rows are kept in memory. */
  get inMemory(): boolean {
    return this.embedder !== null && !this.converting;
  }

  /** Loads the vectors of a row into memory. */
  add(row: WrittenRow): void {
    if (row.prev !== null) this.table?.endVersion(row.prev, row.rev);
    const first = row.vectors[0];
    if (!first || row.op === 0 || !this.inMemory) return;
    this.table ??= new VectorTable(first.length, this.embedder?.quantized);
    const facts = { ...row, version: row.id, endRev: row.end_rev };
    for (const vector of row.vectors) this.indexes.add(this.table.append(facts, vector), row.ns);
  }

  /** Drops the table and the indexes, so that they are read again. */
  forget(): void {
    this.table?.rows.release();
    this.table = null;
    this.saved = { version: 0, codes: 0 };
    this.indexes.clear();
  }

  /** Drops the indexes, and closes the sidecar, also one that was read ahead and not used. */
  close(): void {
    this.indexes.clear();
    this.table?.rows.release();
    if (this.ahead) closeSync(this.ahead.rows.file);
    this.ahead = null;
  }

  /** Checks that the embedding model is the store's. Throws `AGEMEM_STORE_EMBEDDING`. */
  checkModel(): void {
    const stored = storedModel(this.#ledger.db);
    if (!this.embedder || stored === undefined || this.converting) return;
    const { name, dims } = stored;
    const sameDims = this.embedder.dims === null || this.embedder.dims === dims;
    if (!sameDims || !isSameModel(stored, this.embedder.name)) {
      throw new StoreError(
        "AGEMEM_STORE_EMBEDDING",
        `The store holds vectors of "${name}" (${dims} dimensions), not of "${this.embedder.name}" (${this.embedder.dims ?? "?"})`,
        {
          remedy:
            "Open it with the model that it was made with, or convert it: FaissStore.reembed(path, { index }).",
          details: { stored, given: { name: this.embedder.name, dims: this.embedder.dims } },
        },
      );
    }
    this.embedder.dims = dims;
  }

  /** Records model and dimension with the store's first vector. Call inside a write transaction. */
  recordModel(puts: readonly { vectors: readonly { vector: Float32Array }[] }[]): void {
    const dims = puts.find((put) => put.vectors.length > 0)?.vectors[0]?.vector.length;
    if (dims === undefined || !this.embedder || storedModel(this.#ledger.db) !== undefined) return;
    recordModel(this.#ledger.db, { name: this.embedder.name, dims });
  }
}
