/**
 * Inner products of many rows at once with SIMD instructions: the compiled `dot-kernel.wat` and a memory it computes in.
 *
 * Owns the first bytes of the memory: the addresses of the rows, the vector to multiply by, and the products. Rows lie where
 * the addresses say: in the same memory (`row-memory.ts`), or copied there block by block from ordinary arrays, which for
 * scattered rows takes several times as long as multiplying them. Results equal those of `dotInOrder` bit by bit: products
 * of two float32 are exact in double precision, and sums are taken in the same order. Calls do not interleave.
 */
import { WASM_PAGE, type WasmMemory, wasmExports, wasmMemory } from "../../lib/wasm.js";

/** The compiled module. */
const MODULE =
  "AGFzbQEAAAABEgJgA39/fwF/YAZ/f39/f38BfwINAQFtBm1lbW9yeQIAAQMDAgABBwoBBnNjb3JlcwABCoYEAmgBBH8gAiABIABrQQJ2bCEFIAFBBG" +
  "soAgAgACgCAGsgBSACa0YEQCAFIQIgAEEEaiEBCwNAIAAhBANAIAYgAyAEKAIAaigCAGohBiAEQQRqIgQgAUkNAAsgA0HAAGoiAyACSQ0ACyAGC5oD" +
  "Agh/BXsCQANAIAFBAEwNASAIQQBMIAVBAEpxBEAgBSEIIAkgACAAIAEgBSABIAVIG0ECdGogAhAAaiEJCyAIQQRrIQggACgCACEKIAAoAgQhCyAAKA" +
  "IIIQwgACgCDCENIAogAmohBiADIQf9DAAAAAAAAAAAAAAAAAAAAAAhDv0MAAAAAAAAAAAAAAAAAAAAACEP/QwAAAAAAAAAAAAAAAAAAAAAIRD9DAAA" +
  "AAAAAAAAAAAAAAAAAAAhEQNAIAf9AAQAIRIgDiASIAr9XQMA/V/98gH98AEhDiAPIBIgC/1dAwD9X/3yAf3wASEPIBAgEiAM/V0DAP1f/fIB/fABIR" +
  "AgESASIA39XQMA/V/98gH98AEhESAHQRBqIQcgC0EIaiELIAxBCGohDCANQQhqIQ0gCkEIaiIKIAZJDQALIAQgDv0hACAO/SEBoDkDACAEIA/9IQAg" +
  "D/0hAaA5AwggBCAQ/SEAIBD9IQGgOQMQIAQgEf0hACAR/SEBoDkDGCAEQSBqIQQgAEEQaiEAIAFBBGshAQwACwsgCQs=";

/** Rows listed at a time at most, a multiple of 4. */
export const LISTED = 256;
/** Rows that are touched before they are multiplied at most, and their bytes, so that they stay in the second-level cache. */
const TOUCHED = 16;
const TOUCHED_BYTES = 128 * 1024;
/** Bytes of copied rows, which fit into the second-level cache with everything else. */
const COPY_BYTES = 96 * 1024;

const LIST_AT = 0;
const UNIT_AT = LIST_AT + LISTED * 4;

/** Bytes at the start of a memory that the kernel needs for vectors of a dimension: rows may begin there. */
export function headBytes(dims: number): number {
  // A multiple of a cache line.
  return Math.ceil((UNIT_AT + dims * 8 + LISTED * 8) / 64) * 64;
}

type Scores = (
  list: number,
  count: number,
  stride: number,
  unit: number,
  out: number,
  together: number,
) => number;

export class DotKernel {
  readonly #scores: Scores;
  #list = new Int32Array(0);
  #doubles = new Float64Array(0);
  #dims = 0;

  /** @param memory at least {@link headBytes} when it is used; it may grow between a run and the next {@link load} */
  constructor(protected readonly memory: WasmMemory) {
    this.#scores = wasmExports(MODULE, memory).scores as Scores;
  }

  /** Sets the vector to multiply by; its length must be even. */
  load(unit: Float64Array): void {
    // Growing takes earlier views of a memory away.
    if (this.#doubles.length === 0) {
      this.#list = new Int32Array(this.memory.buffer, LIST_AT, LISTED);
      this.#doubles = new Float64Array(this.memory.buffer);
    }
    this.#dims = unit.length;
    this.#doubles.set(unit, UNIT_AT / 8);
  }

  /** Lists the row that starts at a byte of the memory. */
  list(at: number, address: number): void {
    this.#list[at] = address;
  }

  /**
   * Writes the inner products of the first `count` listed rows to `out`, starting at `at`.
   *
   * @param near whether the rows are in the processor's caches, and a multiple of 4 is listed
   */
  run(count: number, out: Float64Array, at: number, near = false): void {
    const stride = this.#dims * 4;
    const productsAt = UNIT_AT + this.#dims * 8;
    if (!near) for (let i = count; i % 4 > 0; i++) this.#list[i] = this.#list[count - 1] as number;
    const together = near ? 0 : Math.min(TOUCHED, Math.max(4, Math.floor(TOUCHED_BYTES / stride) & ~3));
    this.#scores(LIST_AT, count, stride, UNIT_AT, productsAt, together);
    const from = productsAt / 8;
    for (let i = 0; i < count; i++) out[at + i] = this.#doubles[from + i] as number;
  }
}

/** A kernel for rows in ordinary arrays. There is one per process. */
export class CopyingKernel extends DotKernel {
  #rowsAt = 0;
  #dims = 0;
  #floats = new Float32Array(0);
  /** Rows that are copied at a time. */
  rows = 0;

  constructor() {
    super(wasmMemory(4));
  }

  override load(unit: Float64Array): void {
    const isNew = unit.length !== this.#dims;
    if (isNew) this.#layOut(unit.length);
    super.load(unit);
    // The rows are always at the same places.
    if (isNew) for (let i = 0; i < this.rows; i++) this.list(i, this.#rowsAt + i * unit.length * 4);
  }

  /** Copies `count` consecutive rows of `chunk`, the first of which becomes the row `at`. */
  put(at: number, chunk: Float32Array, offset: number, count: number): void {
    const dims = this.#dims;
    this.#floats.set(chunk.subarray(offset, offset + count * dims), this.#rowsAt / 4 + at * dims);
  }

  #layOut(dims: number): void {
    this.#rowsAt = headBytes(dims);
    this.rows = Math.max(4, Math.min(64, Math.floor(COPY_BYTES / (dims * 4)) & ~3));
    const missing = this.#rowsAt + this.rows * dims * 4 - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / WASM_PAGE));
    this.#floats = new Float32Array(this.memory.buffer);
    this.#dims = dims;
  }
}

let shared: CopyingKernel | null | undefined;

/** The kernel of this process for rows in arrays; null without WebAssembly SIMD, or for an odd dimension. */
export function dotKernel(dims: number): CopyingKernel | null {
  if (dims % 2 === 1) return null;
  if (shared === undefined) {
    try {
      shared = new CopyingKernel();
    } catch {
      // Without it `dotInOrder` computes the same numbers, only slower.
      shared = null;
    }
  }
  return shared;
}
