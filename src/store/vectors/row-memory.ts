/**
 * WebAssembly memory for rows in single precision, where the dot kernel reads them without a copy.
 *
 * Owns where a chunk of rows lies (its number says it: in which memory, and where there) and growing. A memory is as large as the
 * last chunk in it requires, so no room is wasted. Growing takes earlier views of a memory away, so a view is good until the
 * next {@link RowMemory.reserve}. Leaves out which chunks there are (`row-chunks.ts`) and the kernel (`dot-kernel.ts`).
 */
import { WASM_PAGE, type WasmMemory, wasmMemory } from "../../lib/wasm.js";
import { DotKernel, headBytes } from "./dot-kernel.js";

/** Bytes of one memory at most. */
const MOST_BYTES = 1024 ** 3;

/** A memory, and the kernel that computes in it. */
interface Extent {
  memory: WasmMemory;
  kernel: DotKernel;
}

export class RowMemory {
  readonly #extents = new Map<number, Extent>();
  /** The chunks there is room for. */
  readonly #chunks = new Set<number>();
  readonly #chunkBytes: number;
  readonly #perExtent: number;
  readonly #head: number;

  /**
   * @param dims an even number
   * @param rows rows of a chunk
   * @param most bytes of one memory at most; further chunks lie in another one
   */
  constructor(
    private readonly dims: number,
    private readonly rows: number,
    private readonly most = MOST_BYTES,
  ) {
    this.#chunkBytes = rows * dims * 4;
    this.#head = headBytes(dims);
    this.#perExtent = Math.floor((most - this.#head) / this.#chunkBytes);
  }

  /** Makes room for a chunk, filled with zeros. Returns whether there is room; otherwise an array must do. */
  reserve(chunk: number): boolean {
    if (this.#perExtent < 1) return false;
    const end = this.#at(chunk) + this.#chunkBytes;
    try {
      this.#grow(this.#extentOf(chunk), Math.ceil(end / WASM_PAGE));
    } catch {
      // The process has no more memory or addresses to give, or the processor no such instructions.
      return false;
    }
    this.#chunks.add(chunk);
    return true;
  }

  /** Whether there is room for a chunk. */
  has(chunk: number): boolean {
    return this.#chunks.has(chunk);
  }

  /** The numbers of a chunk, until the next {@link reserve}. */
  view(chunk: number): Float32Array {
    const { memory } = this.#extents.get(this.#extentOf(chunk)) as Extent;
    return new Float32Array(memory.buffer, this.#at(chunk), this.rows * this.dims);
  }

  /** The kernel of the memory in which a chunk lies. */
  kernelOf(chunk: number): DotKernel {
    return (this.#extents.get(this.#extentOf(chunk)) as Extent).kernel;
  }

  /** Where in that memory the chunk starts. */
  addressOf(chunk: number): number {
    return this.#at(chunk);
  }

  #extentOf(chunk: number): number {
    return Math.floor(chunk / this.#perExtent);
  }

  #at(chunk: number): number {
    return this.#head + (chunk % this.#perExtent) * this.#chunkBytes;
  }

  #grow(number: number, pages: number): void {
    const extent = this.#extents.get(number);
    if (extent) {
      const missing = pages - extent.memory.buffer.byteLength / WASM_PAGE;
      if (missing > 0) extent.memory.grow(missing);
      return;
    }
    const memory = wasmMemory(pages, Math.max(pages, Math.floor(this.most / WASM_PAGE)));
    this.#extents.set(number, { memory, kernel: new DotKernel(memory) });
  }
}
