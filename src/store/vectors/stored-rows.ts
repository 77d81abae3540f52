/**
 * The numbers of a table's unit vectors in memory: in single precision, or as a byte per component.
 *
 * Owns how they are rounded. A byte stands for a multiple of the 127th part of the vector's largest component, so a cosine
 * of such vectors is off by about a thousandth: enough to find what is near, while scores come from the database then
 * (`search/rescore.ts`). Leaves out where rows are kept (`row-chunks.ts`).
 */
import { MOST_DIMS, RowKernel } from "./codes/row-kernel.js";
import { type CopyingKernel, type DotKernel, dotKernel, LISTED } from "./dot-kernel.js";
import { chunkRows, type Piece, RowChunks, type RowSource } from "./row-chunks.js";
import { RowMemory } from "./row-memory.js";
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

/**
 * Empty rows for vectors of a dimension.
 *
 * @param most bytes of one memory for rows in single precision; without it, what is usual
 */
export function storedRows(dims: number, quantized: boolean, most?: number): StoredRows {
  return quantized ? new ByteRows(dims) : new FloatRows(dims, most);
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

/** Rows in single precision. Those of full chunks are multiplied where they lie, others are copied to the kernel. */
class FloatRows extends KeptRows<Float32Array> implements StoredRows {
  /** Null for an odd dimension, which the kernel does not multiply. */
  readonly #memory: RowMemory | null;

  constructor(
    private readonly dims: number,
    most?: number,
  ) {
    const rows = chunkRows(rowBytes(dims, false));
    const memory = dims % 2 === 0 ? new RowMemory(dims, rows, most) : null;
    super(new RowChunks(dims, Float32Array, memory));
    this.#memory = memory;
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

  scores(slots: Int32Array, count: number, unit: Float64Array, out: Float64Array): boolean {
    const copying = dotKernel(this.dims);
    if (!copying) return false;
    for (let from = 0; from < count; ) {
      const chunk = this.chunks.lying(slots[from] as number);
      const kernel = chunk < 0 ? copying : (this.#memory as RowMemory).kernelOf(chunk);
      kernel.load(unit);
      const done =
        chunk < 0
          ? this.#copy(copying, slots, from, Math.min(count, from + copying.rows))
          : this.#list(kernel, slots, from, Math.min(count, from + LISTED));
      kernel.run(done, out, from, chunk < 0);
      from += done;
    }
    return true;
  }

  /** Lists the rows of some slots, up to one that lies elsewhere. Returns how many. */
  #list(kernel: DotKernel, slots: Int32Array, from: number, end: number): number {
    const memory = this.#memory as RowMemory;
    const last = this.chunks.rows - 1;
    const stride = rowBytes(this.dims, false);
    let [first, address] = [-1, 0];
    let i = from;
    for (; i < end; i++) {
      const slot = slots[i] as number;
      // Slots mostly ascend, so many in turn are in one chunk.
      if ((slot & ~last) !== first) {
        const chunk = this.chunks.lying(slot);
        if (chunk < 0 || memory.kernelOf(chunk) !== kernel) break;
        first = slot & ~last;
        address = memory.addressOf(chunk);
      }
      kernel.list(i - from, address + (slot & last) * stride);
    }
    return i - from;
  }

  /** Copies the rows of some slots, up to one that need not be copied. Returns how many. */
  #copy(kernel: CopyingKernel, slots: Int32Array, from: number, end: number): number {
    let i = from;
    while (i < end && this.chunks.lying(slots[i] as number) < 0) {
      const first = slots[i] as number;
      const most = this.chunks.run(first, end - i);
      let run = 1;
      while (run < most && slots[i + run] === first + run) run++;
      kernel.put(i - from, this.chunks.of(first), this.chunks.offset(first), run);
      i += run;
    }
    return i - from;
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
