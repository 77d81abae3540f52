/** Statistics of a store, for people and monitoring. */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../engine.js";
import { DATABASE_FILE } from "../rows/database.js";
import { rowsOf } from "../rows/reader.js";
import type { RerankCounts } from "../search/reranker.js";
import { canonicalName, storedModel } from "../vectors/embedding-model.js";
import type { IndexStats } from "../vectors/index-set.js";

export interface StoreStats {
  branch: string;
  revision: number;
  /** Live items that this branch sees. */
  items: number;
  /** Version rows of all branches, including deletions. */
  revisions: number;
  branches: number;
  namespaces: number;
  vectors: number;
  dims: number | null;
  embedding: string | null;
  /** Bytes of the database and its write-ahead log; 0 for a store in memory. */
  bytesOnDisk: number;
  /** Bytes of vectors and indexes in memory, without reserved space. */
  bytesInMemory: number;
  /** Whether FAISS may hold the codes of large scopes; `indexes` says where it does. */
  index: "faiss" | "flat";
  /** Why `index` is "flat" although nobody chose it; else null. */
  indexFallback: string | null;
  /** Scopes that are searched by codes, with their measured recall. Other scopes are scanned, which is exact. */
  indexes: IndexStats[];
  /** Bytes that FAISS holds for all stores of this process, including dropped indexes not yet garbage-collected. */
  faissBytes: number;
  /** The limit of `faissBytes`. */
  faissBytesLimit: number;
  /** Version rows that memory has not loaded yet; 0 after every read. */
  catchUpLag: number;
  /** Searches that were reranked through this opened store, and the texts and tokens that the rerankers read. */
  reranked: RerankCounts;
}

/** Collects the statistics. `described` comes from {@link IndexSet.describe}, which may take seconds. */
export function collectStats(engine: Engine, branch: number, described: IndexStats[]): StoreStats {
  const { db, ledger, vectors } = engine;
  const { table, indexes } = vectors;
  const count = (sql: string): number => db.row<{ n: number }>(sql)?.n ?? 0;
  const view = ledger.branches.view(branch);
  const model = storedModel(db);
  const native = indexes.native();
  let items = 0;
  for (const { id } of ledger.namespaces.under([])) for (const _ of rowsOf(ledger, view, id)) items++;
  return {
    branch: ledger.branches.get(branch)?.name ?? "",
    revision: ledger.revisionOf(branch),
    items,
    revisions: count("SELECT count(*) AS n FROM versions"),
    branches: ledger.branches.allOpen().length,
    namespaces: count("SELECT count(*) AS n FROM namespaces"),
    vectors: count("SELECT count(*) AS n FROM vectors"),
    dims: vectors.embedder?.dims ?? model?.dims ?? null,
    embedding: model ? canonicalName(model) : null,
    bytesOnDisk: sizeOnDisk(db.directory),
    bytesInMemory: (table?.bytes() ?? 0) + indexes.bytes(),
    index: indexes.kind(),
    indexFallback: indexes.chosen().fallback,
    indexes: described,
    faissBytes: native.bytes,
    faissBytesLimit: native.limit,
    catchUpLag: count("SELECT coalesce(max(id), 0) AS n FROM versions") - ledger.lastVersion,
    reranked: { ...engine.rerankCounts },
  };
}

/** Bytes of the database and its write-ahead log; 0 for a store in memory. */
export function sizeOnDisk(directory: string | null): number {
  if (!directory) return 0;
  let bytes = 0;
  for (const suffix of ["", "-wal"]) {
    bytes += statSync(join(directory, `${DATABASE_FILE}${suffix}`), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}
