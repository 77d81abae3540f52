/**
 * The numbers of a table's unit vectors in memory: in single precision, or as a byte per component.
 *
 * Owns the chunks they are kept in, how they are rounded, and their pieces for the sidecar. A byte stands for a multiple of
 * the 127th part of the vector's largest component, so a cosine of such vectors is off by about a thousandth: enough to
 * find what is near, while scores come from the database then (`search/rescore.ts`).
 */
import { bytesOf } from "./checksum.js";
import { normalize, normalizeInto } from "./vector-math.js";

/** Rows of a chunk at most, and bytes: long vectors get chunks of fewer rows. */
const CHUNK_ROWS = 8192;
const CHUNK_BYTES = 32 * 1024 * 1024;
/** The byte of a vector's largest component. */
const LARGEST = 127;

/** A piece of saved rows: its bytes (shared memory) and how many rows they are. */
interface Piece {
  bytes: Uint8Array;
  rows: number;
}

export interface StoredRows {
  /** Bytes of a row. */
  readonly bytesEach: number;
  /** Stores a vector, scaled to length 1, as the row of the next slot. */
  append(slot: number, vector: Float32Array): void;
  /** An array with a slot's vector, which starts at {@link offsetOf}. What it holds may change with the next call. */
  chunkOf(slot: number): Float32Array;
  offsetOf(slot: number): number;
  /** How many rows from a slot on follow each other in {@link chunkOf}, at most `most`. */
  runFrom(slot: number, most: number): number;
  /** Rows to save, from a slot on, at most `most`. */
  pieceFrom(slot: number, most: number): Piece;
  /** Takes over the saved rows of so many slots; `fill` reads the next bytes into the array it is given. */
  restore(size: number, fill: (target: Uint8Array) => void): void;
}

/** Bytes of a row. */
export function rowBytes(dims: number, quantized: boolean): number {
  return quantized ? dims + 4 : dims * 4;
}

/** Empty rows for vectors of a dimension. */
export function storedRows(dims: number, quantized: boolean): StoredRows {
  return quantized ? new ByteRows(dims) : new FloatRows(dims);
}

/** Chunks of rows, a power of two each. The first one starts small and grows, so that small stores stay small. */
class Chunks<T extends Float32Array | Int8Array> {
  readonly rows: number;
  readonly #shift: number;
  readonly #chunks: T[] = [];

  constructor(
    readonly width: number,
    private readonly type: { new (length: number): T; readonly BYTES_PER_ELEMENT: number },
  ) {
    const most = Math.min(CHUNK_ROWS, CHUNK_BYTES / (width * type.BYTES_PER_ELEMENT));
    this.#shift = Math.floor(Math.log2(Math.max(16, most)));
    this.rows = 2 ** this.#shift;
  }

  of(slot: number): T {
    return this.#chunks[slot >>> this.#shift] as T;
  }

  /** Where a slot's row starts in its chunk. */
  offset(slot: number): number {
    return (slot & (this.rows - 1)) * this.width;
  }

  /** Rows from a slot to the end of its chunk, at most `most`. */
  run(slot: number, most: number): number {
    return Math.min(most, this.rows - (slot & (this.rows - 1)));
  }

  /** The chunk for the next slot, with room for its row. */
  next(slot: number): T {
    const at = slot >>> this.#shift;
    const chunk = this.#chunks[at];
    if (chunk && (at > 0 || (slot + 1) * this.width <= chunk.length)) return chunk;
    const rows = at > 0 ? this.rows : Math.min(this.rows, Math.max(64, slot * 2));
    const grown = new this.type(rows * this.width);
    if (chunk) grown.set(chunk as never);
    this.#chunks[at] = grown;
    return grown;
  }

  piece(slot: number, most: number): Piece {
    const rows = this.run(slot, most);
    const from = this.offset(slot);
    return { bytes: bytesOf(this.of(slot).subarray(from, from + rows * this.width) as T), rows };
  }

  restore(size: number, fill: (target: Uint8Array) => void): void {
    for (let from = 0; from < size; from += this.rows) {
      const rows = Math.min(this.rows, size - from);
      const chunk = new this.type((from > 0 ? this.rows : rows) * this.width);
      fill(bytesOf(chunk.subarray(0, rows * this.width) as T));
      this.#chunks.push(chunk);
    }
  }
}

/** Rows in single precision. */
class FloatRows implements StoredRows {
  readonly #chunks: Chunks<Float32Array>;

  constructor(private readonly dims: number) {
    this.#chunks = new Chunks(dims, Float32Array);
  }

  get bytesEach(): number {
    return rowBytes(this.dims, false);
  }

  append(slot: number, vector: Float32Array): void {
    normalizeInto(this.#chunks.next(slot), this.#chunks.offset(slot), vector);
  }

  chunkOf(slot: number): Float32Array {
    return this.#chunks.of(slot);
  }

  offsetOf(slot: number): number {
    return this.#chunks.offset(slot);
  }

  runFrom(slot: number, most: number): number {
    return this.#chunks.run(slot, most);
  }

  pieceFrom(slot: number, most: number): Piece {
    return this.#chunks.piece(slot, most);
  }

  restore(size: number, fill: (target: Uint8Array) => void): void {
    this.#chunks.restore(size, fill);
  }
}

/** Rows of bytes: the components, then the largest one in single precision. */
class ByteRows implements StoredRows {
  readonly #chunks: Chunks<Int8Array>;
  readonly #row: Float32Array;
  readonly #largest = new Float32Array(1);
  readonly #largestBytes = new Int8Array(this.#largest.buffer);

  constructor(private readonly dims: number) {
    this.#chunks = new Chunks(rowBytes(dims, true), Int8Array);
    this.#row = new Float32Array(dims);
  }

  get bytesEach(): number {
    return rowBytes(this.dims, true);
  }

  append(slot: number, vector: Float32Array): void {
    const unit = normalize(vector);
    const largest = unit.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
    const chunk = this.#chunks.next(slot);
    const at = this.#chunks.offset(slot);
    for (let i = 0; i < this.dims; i++) {
      chunk[at + i] = largest > 0 ? Math.round(((unit[i] as number) / largest) * LARGEST) : 0;
    }
    this.#largest[0] = largest;
    chunk.set(this.#largestBytes, at + this.dims);
  }

  chunkOf(slot: number): Float32Array {
    const chunk = this.#chunks.of(slot);
    const at = this.#chunks.offset(slot);
    this.#largestBytes.set(chunk.subarray(at + this.dims, at + this.dims + 4));
    const step = (this.#largest[0] as number) / LARGEST;
    for (let i = 0; i < this.dims; i++) this.#row[i] = (chunk[at + i] as number) * step;
    return this.#row;
  }

  offsetOf(): number {
    return 0;
  }

  runFrom(): number {
    return 1;
  }

  pieceFrom(slot: number, most: number): Piece {
    return this.#chunks.piece(slot, most);
  }

  restore(size: number, fill: (target: Uint8Array) => void): void {
    this.#chunks.restore(size, fill);
  }
}
