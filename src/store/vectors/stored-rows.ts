/**
 * The numbers of a table's unit vectors in memory: in single precision, or as a byte per component.
 *
 * Owns how they are rounded. A byte stands for a multiple of the 127th part of the vector's largest component, so a cosine
 * of such vectors is off by about a thousandth: enough to find what is near, while scores come from the database then
 * (`search/rescore.ts`). Leaves out where rows are kept (`row-chunks.ts`).
 */
import { MOST_DIMS, RowKernel } from "./codes/row-kernel.js";
import { type Piece, RowChunks, type RowSource } from "./row-chunks.js";
import { normalize, normalizeInto } from "./vector-math.js";

/** The byte of a vector's largest component. */
const LARGEST = 127;
/** Rows multiplied at a time. */
const BATCH = 64;

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
  /**
   * Writes the cosines of `count` slots with a unit vector to `out`, if that is faster than with {@link chunkOf}. Returns
   * whether it did, which is always the same for a dimension.
   */
  scores(slots: Int32Array, count: number, unit: Float64Array, out: Float64Array): boolean;
  /** Rows to save, from a slot on, at most `most`. */
  pieceFrom(slot: number, most: number): Piece;
  /** Takes over saved rows, which stay where they are until they are needed or {@link fetchNext} brings them. */
  restore(saved: RowSource): void;
  /** Brings some more of the saved rows into memory. Returns false when all are there, or were released. */
  fetchNext(): Promise<boolean>;
  /** Gives up the source of saved rows. */
  release(): void;
}

/** Bytes of a row. */
export function rowBytes(dims: number, quantized: boolean): number {
  return quantized ? dims + 4 : dims * 4;
}

/** Empty rows for vectors of a dimension. */
export function storedRows(dims: number, quantized: boolean): StoredRows {
  return quantized ? new ByteRows(dims) : new FloatRows(dims);
}

/** What rows have in common, whatever their numbers are. */
abstract class KeptRows<T extends Float32Array | Int8Array> {
  protected constructor(protected readonly chunks: RowChunks<T>) {}

  pieceFrom(slot: number, most: number): Piece {
    return this.chunks.piece(slot, most);
  }

  restore(saved: RowSource): void {
    this.chunks.restore(saved);
  }

  fetchNext(): Promise<boolean> {
    return this.chunks.fetchNext();
  }

  release(): void {
    this.chunks.release();
  }
}

/** Rows in single precision. */
class FloatRows extends KeptRows<Float32Array> implements StoredRows {
  constructor(private readonly dims: number) {
    super(new RowChunks(dims, Float32Array));
  }

  get bytesEach(): number {
    return rowBytes(this.dims, false);
  }

  append(slot: number, vector: Float32Array): void {
    normalizeInto(this.chunks.next(slot), this.chunks.offset(slot), vector);
  }

  chunkOf(slot: number): Float32Array {
    return this.chunks.of(slot);
  }

  offsetOf(slot: number): number {
    return this.chunks.offset(slot);
  }

  runFrom(slot: number, most: number): number {
    return this.chunks.run(slot, most);
  }

  scores(): boolean {
    return false;
  }
}

/** Rows of bytes: the components, then the largest one in single precision. */
class ByteRows extends KeptRows<Int8Array> implements StoredRows {
  readonly #row: Float32Array;
  /** Null where there can be none; undefined before it is needed. */
  #kernel: RowKernel | null | undefined;
  readonly #largest = new Float32Array(1);
  readonly #largestBytes = new Int8Array(this.#largest.buffer);

  constructor(private readonly dims: number) {
    super(new RowChunks(rowBytes(dims, true), Int8Array));
    this.#row = new Float32Array(dims);
  }

  get bytesEach(): number {
    return rowBytes(this.dims, true);
  }

  append(slot: number, vector: Float32Array): void {
    const unit = normalize(vector);
    const largest = unit.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
    const chunk = this.chunks.next(slot);
    const at = this.chunks.offset(slot);
    for (let i = 0; i < this.dims; i++) {
      chunk[at + i] = largest > 0 ? Math.round(((unit[i] as number) / largest) * LARGEST) : 0;
    }
    this.#largest[0] = largest;
    chunk.set(this.#largestBytes, at + this.dims);
  }

  chunkOf(slot: number): Float32Array {
    const chunk = this.chunks.of(slot);
    const at = this.chunks.offset(slot);
    const step = this.#stepAt(chunk, at);
    for (let i = 0; i < this.dims; i++) this.#row[i] = (chunk[at + i] as number) * step;
    return this.#row;
  }

  offsetOf(): number {
    return 0;
  }

  runFrom(): number {
    return 1;
  }

  scores(slots: Int32Array, count: number, unit: Float64Array, out: Float64Array): boolean {
    const kernel = this.#byteKernel();
    if (!kernel) return false;
    this.#row.set(unit);
    kernel.load(this.#row, 0);
    for (let from = 0; from < count; from += BATCH) {
      const rows = Math.min(BATCH, count - from);
      for (let i = 0; i < rows; i++) {
        const slot = slots[from + i] as number;
        const chunk = this.chunks.of(slot);
        const at = this.chunks.offset(slot);
        kernel.put(i, chunk, at, this.#stepAt(chunk, at));
      }
      out.set(kernel.products(0, rows), from);
    }
    return true;
  }

  /** What a unit of the row's bytes stands for. */
  #stepAt(chunk: Int8Array, at: number): number {
    for (let i = 0; i < 4; i++) this.#largestBytes[i] = chunk[at + this.dims + i] as number;
    return (this.#largest[0] as number) / LARGEST;
  }

  #byteKernel(): RowKernel | null {
    if (this.#kernel !== undefined) return this.#kernel;
    try {
      this.#kernel = this.dims <= MOST_DIMS ? new RowKernel(this.dims, BATCH) : null;
    } catch {
      // Without WebAssembly's SIMD instructions rows are multiplied as numbers.
      this.#kernel = null;
    }
    return this.#kernel;
  }
}
