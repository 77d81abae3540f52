/** Reading version rows and their vectors from SQLite into memory: at open, and what other processes wrote. */
import { StoreError } from "../../errors.js";
import type { Engine } from "../engine.js";
import { VECTORS_PER_VERSION } from "../rows/schema.js";
import type { WrittenRow } from "../rows/writer.js";

/** Takes over every version row after the last known one. */
export function loadRows(engine: Engine): void {
  const from = engine.lastVersion;
  if (from === 0) loadTips(engine);
  const rows = engine.db.iterate<Omit<WrittenRow, "vectors">>(
    "SELECT id, item, ns, branch, rev, end_rev, prev, born, op FROM versions WHERE id > ? ORDER BY id",
    from,
  );
  if (!engine.embedder || engine.converting) {
    engine.tally.lose();
    for (const row of rows) engine.applyFacts(row);
    return;
  }
  const vectors = vectorsAfter(engine, from);
  try {
    let next = vectors.next();
    for (const row of rows) {
      const own: Float32Array[] = [];
      while (next.done === false && next.value.version < row.id) next = vectors.next();
      while (next.done === false && next.value.version === row.id) {
        own.push(toVector(next.value.blob, engine.embedder.dims));
        next = vectors.next();
      }
      engine.apply({ ...row, vectors: own });
    }
  } finally {
    // An iterator left open would block the connection.
    vectors.return(undefined);
  }
}

/** The last revision of each branch; its rows may be vacuumed already. */
function loadTips(engine: Engine): void {
  const tips = engine.db.rows<{ branch: number; rev: number }>(
    "SELECT branch, max(rev) AS rev FROM revisions GROUP BY branch",
  );
  for (const { branch, rev } of tips) engine.setTip(branch, rev);
}

function* vectorsAfter(
  engine: Engine,
  version: number,
): Generator<{ version: number; blob: Buffer }, undefined> {
  const rows = engine.db.iterate<{ id: number; vector: Buffer }>(
    "SELECT id, vector FROM vectors WHERE id >= ? ORDER BY id",
    (version + 1) * VECTORS_PER_VERSION,
  );
  for (const { id, vector } of rows) {
    yield { version: Math.floor(id / VECTORS_PER_VERSION), blob: vector };
  }
  return undefined;
}

/** The numbers of a stored blob. Throws `AGEMEM_STORE_CORRUPT` when its size is not `dims` floats. */
export function toVector(blob: Buffer, dims: number | null): Float32Array {
  if (blob.byteLength % 4 !== 0 || blob.byteLength === 0 || (dims !== null && blob.byteLength !== dims * 4)) {
    throw new StoreError("AGEMEM_STORE_CORRUPT", "A stored vector has the wrong size", {
      remedy: "Run `agemem memory verify` and `repair`.",
      details: { bytes: blob.byteLength, dims },
    });
  }
  if (blob.byteOffset % 4 === 0) return new Float32Array(blob.buffer, blob.byteOffset, blob.byteLength / 4);
  return new Float32Array(new Uint8Array(blob).buffer);
}
