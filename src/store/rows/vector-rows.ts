/**
 * The rows of the table `vectors`: finds, reads, writes and deletes those of a version row.
 *
 * Leaves out the vectors in memory (`vectors/vector-table.ts`) and making vectors (`vectors/embedder.ts`).
 */
import { StoreError } from "../../errors.js";
import type { Connection } from "./database.js";
import { VECTORS_PER_VERSION } from "./schema.js";

/** A stored vector: the path and hash of its text, and the numbers that the model returned. */
export interface StoredVector {
  path: string;
  hash: Buffer;
  vector: Float32Array;
}

/** A row of `vectors`. */
export interface VectorRow {
  id: number;
  path: string;
  hash: Buffer;
  vector: Buffer;
}

/** The vector rows of a version row, in order. */
export function vectorRows(db: Connection, version: number): VectorRow[] {
  return db.rows<VectorRow>(
    "SELECT id, path, hash, vector FROM vectors WHERE id >= ? AND id < ? ORDER BY id",
    ...idRange(version),
  );
}

/** The stored vectors of a version row. Throws `AGEMEM_STORE_CORRUPT` for a damaged one. */
export function readVectors(db: Connection, version: number): StoredVector[] {
  return vectorRows(db, version).map(({ path, hash, vector }) => ({
    path,
    hash,
    vector: toVector(vector, null),
  }));
}

/** The numbers of one vector of a version row as stored; undefined where it has none. */
export function readVector(db: Connection, version: number, ordinal: number): Buffer | undefined {
  const id = version * VECTORS_PER_VERSION + ordinal;
  return db.row<{ vector: Buffer }>("SELECT vector FROM vectors WHERE id = ?", id)?.vector;
}

/** Stores the vectors of a version row. */
export function writeVectors(db: Connection, version: number, vectors: readonly StoredVector[]): void {
  vectors.forEach(({ path, hash, vector }, ordinal) => {
    db.run(
      "INSERT INTO vectors (id, path, hash, vector) VALUES (?, ?, ?, ?)",
      version * VECTORS_PER_VERSION + ordinal,
      path,
      hash,
      toBlob(vector),
    );
  });
}

/** Deletes the vectors of a version row. */
export function deleteVectors(db: Connection, version: number): void {
  db.run("DELETE FROM vectors WHERE id >= ? AND id < ?", ...idRange(version));
}

/** The bytes of a vector as stored; they share its memory. */
export function toBlob(vector: Float32Array): Buffer {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
}

/**
 * The numbers in a stored blob. Throws `AGEMEM_STORE_CORRUPT` when it does not hold `dims` floats (null: any number).
 */
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

function idRange(version: number): [from: number, before: number] {
  return [version * VECTORS_PER_VERSION, (version + 1) * VECTORS_PER_VERSION];
}
