/**
 * The vectors in a sidecar that is open: read when they are asked for, a block with a checksum at a time.
 *
 * A block that cannot be read, or is not what was saved, comes from the database instead. Leaves out which blocks are
 * asked for (`../row-chunks.ts`) and the rest of the file (`read-sidecar.ts`).
 */
import { closeSync, read, readSync } from "node:fs";
import { promisify } from "node:util";
import { blockRows, type RowSource } from "../row-chunks.js";
import { crc32 } from "./checksum.js";

/** Bytes fetched between which other work may run: few, because a write that comes meanwhile waits for several of them. */
const PIECE_BYTES = 128 * 1024;

const readAsync = promisify(read);

/** An open file, and where in it the rows begin. */
export interface RowsInFile {
  file: number;
  at: number;
  size: number;
  bytesEach: number;
  /** The checksum of each block. */
  sums: Uint32Array;
}

export class SavedRows implements RowSource {
  readonly #blockBytes: number;
  #reading = false;
  #closed = false;

  /** @param recover writes the rows from a slot on as the database has them */
  constructor(
    private readonly saved: RowsInFile,
    private readonly recover: (from: number, target: Uint8Array) => void,
  ) {
    this.#blockBytes = blockRows(saved.bytesEach) * saved.bytesEach;
  }

  get size(): number {
    return this.saved.size;
  }

  read(from: number, target: Uint8Array): void {
    // The store was closed, or its memory dropped: whoever still works with it does so in vain, and may not fail.
    if (this.#closed) return void target.fill(0);
    const { size, bytesEach } = this.saved;
    // The last block may be shorter than what is asked for.
    const wanted = target.subarray(0, (size - from) * bytesEach);
    this.#check(from, wanted, readWholeSync(this.saved.file, wanted, this.#at(from)));
  }

  async fetch(from: number, count: number, take: (piece: Uint8Array, at: number) => void): Promise<boolean> {
    const length = count * this.saved.bytesEach;
    const step = Math.max(1, Math.floor(PIECE_BYTES / this.#blockBytes)) * this.#blockBytes;
    const pieces = new Uint8Array(Math.min(step, length));
    for (let done = 0; done < length; done += step) {
      if (this.#closed) return false;
      const piece = pieces.subarray(0, length - done);
      this.#reading = true;
      const first = from + done / this.saved.bytesEach;
      const isRead = await readWhole(this.saved.file, piece, this.#at(first));
      this.#reading = false;
      if (this.#closed) {
        closeSync(this.saved.file);
        return false;
      }
      this.#check(first, piece, isRead);
      take(piece, done);
    }
    return true;
  }

  /** Closes the file, once nothing is being read. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#reading) closeSync(this.saved.file);
  }

  #at(slot: number): number {
    return this.saved.at + slot * this.saved.bytesEach;
  }

  #check(from: number, bytes: Uint8Array, isRead: boolean): void {
    const { sums, bytesEach } = this.saved;
    const first = (from * bytesEach) / this.#blockBytes;
    for (let at = 0; at < bytes.length; at += this.#blockBytes) {
      const block = bytes.subarray(at, at + this.#blockBytes);
      if (isRead && crc32(block) === sums[first + at / this.#blockBytes]) continue;
      this.recover(from + at / bytesEach, block);
    }
  }
}

/** The checksums of the blocks in some rows, of which the first begins a block. */
export function blockSums(rows: Uint8Array, bytesEach: number): number[] {
  const bytes = blockRows(bytesEach) * bytesEach;
  return Array.from({ length: Math.ceil(rows.length / bytes) }, (_, i) =>
    crc32(rows.subarray(i * bytes, (i + 1) * bytes)),
  );
}

/** Reads a whole array from a place in a file. Returns whether the file has so much, and could be read. */
export function readWholeSync(file: number, target: Uint8Array, position: number): boolean {
  try {
    for (let at = 0; at < target.length; ) {
      const n = readSync(file, target, at, target.length - at, position + at);
      if (n === 0) return false;
      at += n;
    }
    return true;
  } catch {
    // A disk that fails here fails the same way for the database, which then says so.
    return false;
  }
}

/** The same, while other work goes on. */
export async function readWhole(file: number, target: Uint8Array, position: number): Promise<boolean> {
  try {
    for (let at = 0; at < target.length; ) {
      const { bytesRead } = await readAsync(file, target, at, target.length - at, position + at);
      if (bytesRead === 0) return false;
      at += bytesRead;
    }
    return true;
  } catch {
    // As above.
    return false;
  }
}
