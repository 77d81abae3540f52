/** Reads rows and their vectors into memory: all of them at opening, later those that other processes wrote. */
import type { Connection } from "../rows/database.js";
import type { Ledger } from "../rows/ledger.js";
import { VECTORS_PER_VERSION } from "../rows/schema.js";
import { toVector } from "../rows/vector-rows.js";
import type { WrittenRow } from "../rows/version-row.js";
import type { Vectors } from "./vectors.js";

/** Loads every version row after the last known one. Throws `AGEMEM_STORE_CORRUPT`. */
export function loadRows(ledger: Ledger, vectors: Vectors): void {
  const { db, lastVersion } = ledger;
  if (lastVersion === 0) loadNewest(ledger);
  const rows = db.iterate<Omit<WrittenRow, "vectors">>(
    "SELECT id, item, ns, branch, rev, end_rev, prev, born, op FROM versions WHERE id > ? ORDER BY id",
    lastVersion,
  );
  if (!vectors.inMemory) {
    ledger.counts.markIncomplete();
    for (const row of rows) ledger.note(row);
    return;
  }
  const blobs = blobsAfter(db, lastVersion);
  try {
    let next = blobs.next();
    for (const row of rows) {
      const own: Float32Array[] = [];
      while (next.done === false && next.value.version < row.id) next = blobs.next();
      while (next.done === false && next.value.version === row.id) {
        own.push(toVector(next.value.blob, vectors.embedder?.dims ?? null));
        next = blobs.next();
      }
      takeOver(ledger, vectors, { ...row, vectors: own });
    }
  } finally {
    // An open iterator would block the connection.
    blobs.return(undefined);
  }
}

/** Loads one row into memory. */
export function takeOver(ledger: Ledger, vectors: Vectors, row: WrittenRow): void {
  ledger.note(row);
  ledger.counts.note(row);
  vectors.add(row);
}

/** Loads the last revision of each branch, which may have no rows any more after a vacuum. */
function loadNewest(ledger: Ledger): void {
  const newest = ledger.db.rows<{ branch: number; rev: number }>(
    "SELECT branch, max(rev) AS rev FROM revisions GROUP BY branch",
  );
  for (const { branch, rev } of newest) ledger.setNewest(branch, rev);
}

function* blobsAfter(
  db: Connection,
  version: number,
): Generator<{ version: number; blob: Buffer }, undefined> {
  const rows = db.iterate<{ id: number; vector: Buffer }>(
    "SELECT id, vector FROM vectors WHERE id >= ? ORDER BY id",
    (version + 1) * VECTORS_PER_VERSION,
  );
  for (const { id, vector } of rows) {
    yield { version: Math.floor(id / VECTORS_PER_VERSION), blob: vector };
  }
  return undefined;
}
