/**
 * Estimates many cosines at once from the codes of vectors: the compiled `code-kernel.wat` and its memory.
 *
 * The memory holds first the scratch space of a search (the query's bit planes, a histogram, a block of positions, a
 * block of results), then the records by position, then the estimates of the current search. Leaves out what the numbers
 * mean (`code-table.ts`). It counts the bits of 64 signs with one instruction, which Debian's build of FAISS does not
 * use.
 */
import { WASM_PAGE, wasmExports, wasmMemory } from "../../../lib/wasm.js";

/** The compiled module. */
const MODULE =
  "AGFzbQEAAAABGwJgDX9/f39/f39/f319fX0AYAZ/f39/f38BfwINAQFtBm1lbW9yeQIAAQMDAgABBxYCCGVzdGltYXRlAAAHY29sbGVjdAABCpYDAsMC" +
  "AgR/Bn4CQANAIAJFDQEgAARAIAAoAgAhASAAQQRqIQALIAMgASAEbGohDSABQQFqIQEgDSAFQQN0aiEPIAYhDkIAIRJCACETQgAhFEIAIRVCACEWA0Ag" +
  "DSkDACERIBIgEXt8IRIgEyARIA4pAwCDe3whEyAUIBEgDikDCIN7fCEUIBUgESAOKQMQg3t8IRUgFiARIA4pAxiDe3whFiAOQSBqIQ4gDUEIaiINIA9J" +
  "DQALIBMgFEIBhnwgFUIChiAWQgOGfHwhE0MAAIBEQwAAAEAgDCANKgIEkiANKgIAIAsgCSATp7KUIAogEqeylJKSlJKSlPwAIRAgEEEASARAQQAhEAsg" +
  "EEH/H0oEQEH/HyEQCyAHIBA7AQAgCCAQQQJ0aiEQIBAgECgCAEEBajYCACAHQQJqIQcgAkEBayECDAALCwtPAQF/IAUhBiAEIANrIQQCQANAIAAgAU8N" +
  "ASACIABBAXRqLwEAIANrIARJBEAgBiAANgIAIAZBBGohBgsgAEEBaiEADAALCyAGIAVrQQJ2Cw==";

/** Positions passed to the kernel, and results collected, at a time. */
export const CODE_BLOCK = 1024;
/** Buckets of estimates, from -2 to 2. */
export const BUCKETS = 4096;

const PLANES_AT = 0;
const HISTOGRAM_AT = 512;
const LIST_AT = HISTOGRAM_AT + BUCKETS * 4;
const FOUND_AT = LIST_AT + CODE_BLOCK * 4;
const RECORDS_AT = FOUND_AT + CODE_BLOCK * 4;
/** Bytes of an estimate, which is the number of its bucket. */
const ESTIMATE_BYTES = 2;

/** The query's part of an estimate: `constant + offset + factor * (rest + perUnit * weighted + perSign * signs)`. */
export interface QueryTerms {
  /** Four bit planes per 64 dimensions of the code, lowest bit first. */
  planes: BigUint64Array;
  perUnit: number;
  perSign: number;
  rest: number;
  constant: number;
}

export class CodeKernel {
  readonly #memory = wasmMemory(1);
  readonly #estimate: (...numbers: number[]) => void;
  readonly #collect: (...numbers: number[]) => number;
  /** Bytes of a record: signs, factor and offset. */
  readonly stride: number;
  /** Positions there is room for. */
  #capacity = 0;
  #terms: QueryTerms | null = null;
  /** How many estimates the current search has made. */
  estimated = 0;
  #bytes = new Uint8Array(0);
  #floats = new Float32Array(0);
  #integers = new Int32Array(0);

  /** @param words 64-bit words of signs in a record */
  constructor(readonly words: number) {
    this.stride = words * 8 + 8;
    const exports = wasmExports(MODULE, this.#memory);
    this.#estimate = exports.estimate as (...numbers: number[]) => void;
    this.#collect = exports.collect as (...numbers: number[]) => number;
    this.#see();
  }

  /** Makes room for the records at the first so many positions. */
  reserve(positions: number): void {
    if (positions <= this.#capacity) return;
    // An eighth more than needed, so that a growing store copies seldom and wastes little.
    this.#capacity = Math.max(1024, Math.ceil(positions * 1.125));
    this.#need(this.#estimatesAt());
  }

  /** The record at a position, for writing. */
  record(position: number): Uint8Array {
    const at = RECORDS_AT + position * this.stride;
    return this.#bytes.subarray(at, at + this.stride);
  }

  /** The records at the first `positions` positions. They share the kernel's memory until the next `reserve`. */
  records(positions: number): Uint8Array {
    return this.#bytes.subarray(RECORDS_AT, RECORDS_AT + positions * this.stride);
  }

  /** Sets a record's factor and offset. */
  setFactors(position: number, factor: number, offset: number): void {
    const at = (RECORDS_AT + position * this.stride + this.words * 8) / 4;
    this.#floats[at] = factor;
    this.#floats[at + 1] = offset;
  }

  factorOf(position: number): number {
    return this.#floats[(RECORDS_AT + position * this.stride + this.words * 8) / 4] as number;
  }

  offsetOf(position: number): number {
    return this.#floats[(RECORDS_AT + position * this.stride + this.words * 8) / 4 + 1] as number;
  }

  /** Starts a search. */
  begin(terms: QueryTerms): void {
    this.#terms = terms;
    this.estimated = 0;
    new BigUint64Array(this.#memory.buffer, PLANES_AT, terms.planes.length).set(terms.planes);
    this.#integers.fill(0, HISTOGRAM_AT / 4, HISTOGRAM_AT / 4 + BUCKETS);
  }

  /** Makes the search's next estimates: of `count` records from position `first` on. */
  estimateRun(first: number, count: number): void {
    this.#need(this.#estimatesAt() + (this.estimated + count) * ESTIMATE_BYTES);
    this.#run(0, first, count);
  }

  /** Makes the search's next estimates: of the records at some positions. */
  estimateList(positions: Int32Array): void {
    this.#need(this.#estimatesAt() + (this.estimated + positions.length) * ESTIMATE_BYTES);
    for (let from = 0; from < positions.length; from += CODE_BLOCK) {
      const part = positions.subarray(from, from + CODE_BLOCK);
      this.#integers.set(part, LIST_AT / 4);
      this.#run(LIST_AT, 0, part.length);
    }
  }

  /** How many estimates of the search fell into each bucket; shares the kernel's memory. */
  histogram(): Int32Array {
    return this.#integers.subarray(HISTOGRAM_AT / 4, HISTOGRAM_AT / 4 + BUCKETS);
  }

  /**
   * Which of the search's estimates from number `from` to `end`, at most a block, are in bucket `low` or above, and below
   * bucket `high`; shares the kernel's memory.
   */
  collect(from: number, end: number, low: number, high: number): Int32Array {
    const count = this.#collect(from, end, this.#estimatesAt(), low, high, FOUND_AT);
    return this.#integers.subarray(FOUND_AT / 4, FOUND_AT / 4 + count);
  }

  /** Bytes for the records at so many positions, and for the last search's estimates. */
  bytes(positions: number): number {
    return RECORDS_AT + positions * this.stride + this.estimated * ESTIMATE_BYTES;
  }

  #run(list: number, first: number, count: number): void {
    const { perUnit, perSign, rest, constant } = this.#terms as QueryTerms;
    const out = this.#estimatesAt() + this.estimated * ESTIMATE_BYTES;
    const memory = [RECORDS_AT, this.stride, this.words, PLANES_AT, out, HISTOGRAM_AT] as const;
    this.#estimate(list, first, count, ...memory, perUnit, perSign, rest, constant);
    this.estimated += count;
  }

  #estimatesAt(): number {
    return RECORDS_AT + this.#capacity * this.stride;
  }

  /** Makes the memory at least so many bytes long. */
  #need(bytes: number): void {
    const missing = bytes - this.#memory.buffer.byteLength;
    if (missing <= 0) return;
    this.#memory.grow(Math.ceil(missing / WASM_PAGE));
    this.#see();
  }

  #see(): void {
    this.#bytes = new Uint8Array(this.#memory.buffer);
    this.#floats = new Float32Array(this.#memory.buffer);
    this.#integers = new Int32Array(this.#memory.buffer);
  }
}
