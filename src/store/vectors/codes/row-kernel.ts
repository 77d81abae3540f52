/**
 * Inner products of a vector with many rows of bytes: the compiled `row-kernel.wat` and its memory.
 *
 * The memory holds a vector of 16-bit numbers, the products, then the rows. Leaves out what the rows are
 * (`partitions.ts`, `../stored-rows.ts`). Vectors are rounded to whole numbers, so products are nearly those of the vectors: enough to say
 * which partition or vector is near.
 */
import { WASM_PAGE, wasmExports, wasmMemory } from "../../../lib/wasm.js";

/** The compiled module. */
const MODULE =
  "AGFzbQEAAAABCQFgBX9/f39/AAINAQFtBm1lbW9yeQIAAQMCAQAHDAEIcHJvZHVjdHMAAAqjAQGgAQICfwJ7AkADQCABRQ0BIAAgAmohBSADIQb9DAAA" +
  "AAAAAAAAAAAAAAAAAAAhCANAIAD9AAQAIQcgCCAH/YcBIAb9AAQA/boBIAf9iAEgBv0ABBD9ugH9rgH9rgEhCCAGQSBqIQYgAEEQaiIAIAVJDQALIAQg" +
  "CP0bACAI/RsBaiAI/RsCIAj9GwNqajYCACAEQQRqIQQgAUEBayEBDAALCws=";

/** The most dimensions for which sums of products fit into 32 bits. */
export const MOST_DIMS = 8192;
/** Largest number of a row, and of a vector. */
const LARGEST = 127;
const LARGEST_OF_VECTOR = 2047;

/** Bytes of a row of so many components: filled up to a multiple of 16. */
export function rowWidth(dims: number): number {
  return Math.ceil(dims / 16) * 16;
}

export class RowKernel {
  readonly #memory = wasmMemory(1);
  readonly #products: (...numbers: number[]) => void;
  readonly #width: number;
  readonly #productsAt: number;
  readonly #rowsAt: number;
  readonly #out: Float32Array;
  /** What a row's unit stands for. */
  readonly #scales: Float32Array;
  readonly #rows: Int8Array;
  readonly #vector: Int16Array;
  readonly #found: Int32Array;
  /** What the loaded vector's unit stands for. */
  #unit = 0;

  /** Room for `count` rows of `dims` components. */
  constructor(
    readonly dims: number,
    readonly count: number,
  ) {
    this.#products = wasmExports(MODULE, this.#memory).products as (...numbers: number[]) => void;
    this.#width = rowWidth(dims);
    this.#productsAt = this.#width * 2;
    this.#rowsAt = this.#productsAt + Math.ceil(count / 4) * 16;
    this.#memory.grow(Math.ceil((this.#rowsAt + count * this.#width) / WASM_PAGE));
    const { buffer } = this.#memory;
    this.#vector = new Int16Array(buffer, 0, this.#width);
    this.#found = new Int32Array(buffer, this.#productsAt, count);
    this.#rows = new Int8Array(buffer, this.#rowsAt, count * this.#width);
    this.#scales = new Float32Array(count);
    this.#out = new Float32Array(count);
  }

  /** Sets a row. */
  set(row: number, vector: ArrayLike<number>): void {
    const largest = largestOf(vector, this.dims, 0);
    const scale = largest > 0 ? LARGEST / largest : 0;
    const at = row * this.#width;
    for (let i = 0; i < this.dims; i++) this.#rows[at + i] = Math.round((vector[i] as number) * scale);
    this.#scales[row] = largest / LARGEST;
  }

  /** Sets a row to bytes that start at `from` in an array and were rounded before; their unit stands for `scale`. */
  put(row: number, numbers: Int8Array, from: number, scale: number): void {
    this.#rows.set(numbers.subarray(from, from + this.dims), row * this.#width);
    this.#scales[row] = scale;
  }

  /** Sets the vector, which starts at `from` in an array. */
  load(vector: Float32Array, from: number): void {
    const largest = largestOf(vector, this.dims, from);
    const scale = largest > 0 ? LARGEST_OF_VECTOR / largest : 0;
    for (let i = 0; i < this.dims; i++) this.#vector[i] = Math.round((vector[from + i] as number) * scale);
    this.#unit = largest / LARGEST_OF_VECTOR;
  }

  /** The inner products of the loaded vector with rows `from` to `end`; overwritten by the next call. */
  products(from: number, end: number): Float32Array {
    this.#products(this.#rowsAt + from * this.#width, end - from, this.#width, 0, this.#productsAt);
    for (let i = from; i < end; i++) {
      this.#out[i - from] = (this.#found[i - from] as number) * this.#unit * (this.#scales[i] as number);
    }
    return this.#out.subarray(0, end - from);
  }

  /** The rows' bytes and scales, to save them or to fill them with saved ones. */
  parts(): { rows: Int8Array; scales: Float32Array } {
    return { rows: this.#rows, scales: this.#scales };
  }

  bytes(): number {
    return this.#rowsAt + this.count * (this.#width + 8);
  }
}

function largestOf(vector: ArrayLike<number>, dims: number, from: number): number {
  let largest = 0;
  for (let i = from; i < from + dims; i++) largest = Math.max(largest, Math.abs(vector[i] as number));
  return largest;
}
