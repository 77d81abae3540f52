/**
 * Estimates many cosines at once from the codes of vectors: the compiled `code-kernel.wat` and its memory.
 *
 * The memory holds first the scratch space of a search (the query's tables, a histogram, a block of positions, a block of
 * results), then the records in blocks of 16, then the estimates of the current search. Leaves out what the numbers mean
 * (`code-table.ts`).
 *
 * In a block the first bytes of all records come first, then the second ones, and so on: so one instruction looks four signs
 * of 16 records up in a table (the layout of "fast scan", André and others, VLDB 2015). An estimate of a record by itself
 * takes as long as those of its whole block.
 */
import { WASM_PAGE, wasmExports, wasmMemory } from "../../../lib/wasm.js";

/** The compiled module. */
const MODULE =
  "AGFzbQEAAAABJANgB39/f397e3sAYAx/f39/f39/f399fX0AYAZ/f39/f38BfwINAQFtBm1lbW9yeQIAAQMEAwABAgcWAghlc3RpbWF0ZQABB2NvbGxlY3QA" +
  "AgrKBwPHBAIBfwV7/QwPDw8PDw8PDw8PDw8PDw8PIQwgACABQQR0aiEHA0AgAP0ABAAhCCAC/QAEACAIIAz9Tv0OIAL9AAQQIAhBBP2NASAM/U79Dv1uIQkg" +
  "AP0ABBAhCCAJIAL9AAQgIAggDP1O/Q4gAv0ABDAgCEEE/Y0BIAz9Tv0O/W79biEJIAsgCUEI/Y0B/Y4BIQsgCiAJ/Qz/AP8A/wD/AP8A/wD/AP8A/U79jgEh" +
  "CiACQcAAaiECIABBIGoiACAHSQ0ACyADIAogC/0NAAEQEQIDEhMEBRQVBgcWF/0LBAAgAyAKIAv9DQgJGBkKCxobDA0cHQ4PHh/9CwQQIABBwABqIQcDQCAD" +
  "/Qz/DwAA/w8AAP8PAAD/DwAA/QwAAABLAAAASwAAAEsAAABL/QwA8H9FAPB/RQDwf0UA8H9F/QwAAAAAAAAAAAAAAAAAAAAAIAb9DAAAgEQAAIBEAACARAAA" +
  "gEQgAP0ABED95gH95AEgAP0ABAAgBSAEIAP9BAMA/foB/eYB/eQB/eYB/eQB/esB/eoB/eQB/U79DP8PAAD/DwAA/w8AAP8PAAD9DAAAAEsAAABLAAAASwAA" +
  "AEv9DADwf0UA8H9FAPB/RQDwf0X9DAAAAAAAAAAAAAAAAAAAAAAgBv0MAACARAAAgEQAAIBEAACARCAA/QAEUP3mAf3kASAA/QAEECAFIAQgA/0EAwj9+gH9" +
  "5gH95AH95gH95AH96wH96gH95AH9Tv2GAf0LBAAgA0EQaiEDIABBIGoiACAHSQ0ACwv7AQEEf0F/IQwCQANAIAJFDQEgAARAIAAoAgAhASAAQQRqIQALIABF" +
  "IAJBEE8gAUEPcUVxcSEPIAFBBHYgDEcEQCABQQR2IQwgAyAMIARBCGpBBHRsaiAEIAUgBiAIIA8bIAn9EyAK/RMgC/0TEAALIA8EQCAGQSBqIQ0DQCAHIAYv" +
  "AQBBAnRqIQ4gDiAOKAIAQQFqNgIAIAZBAmoiBiANSQ0ACyABQRBqIQEgAkEQayECDAELIAggAUEPcUEBdGovAQAhDiABQQFqIQEgBiAOOwEAIAcgDkECdGoh" +
  "DiAOIA4oAgBBAWo2AgAgBkECaiEGIAJBAWshAgwACwsLgQECAX8BeyAFIQYgA/0QIQcgBCADayEEAkADQCAAIAFPDQEgAEEIaiABTQRAIAIgAEEBdGr9AAQA" +
  "IAf9Nv1TRQRAIABBCGohAAwCCwsgAiAAQQF0ai8BACADayAESQRAIAYgADYCACAGQQRqIQYLIABBAWohAAwACwsgBiAFa0ECdgs=";

/** Records in a block. */
export const BLOCK_RECORDS = 16;
/** Positions passed to the kernel, and results collected, at a time. */
export const CODE_BLOCK = 1024;
/** Buckets of estimates, from -2 to 2. */
export const BUCKETS = 4096;
const LEAST = -2;
/** Buckets of estimates that are 1 apart. */
const PER_UNIT = BUCKETS / 4;
/** Largest entry of a table: the kernel adds four in a byte. */
export const LARGEST_ENTRY = 63;

const HISTOGRAM_AT = 0;
const LIST_AT = HISTOGRAM_AT + BUCKETS * 4;
const FOUND_AT = LIST_AT + CODE_BLOCK * 4;
const SCRATCH_AT = FOUND_AT + CODE_BLOCK * 4;
const TABLE_AT = SCRATCH_AT + BLOCK_RECORDS * 2;
/** Bytes of an estimate, which is the number of its bucket. */
const ESTIMATE_BYTES = 2;

/** The query's part of an estimate: `constant + offset + factor * (rest + perEntry * sum of entries)`. */
export interface QueryTerms {
  /** An entry of 0 to {@link LARGEST_ENTRY} for each value of four signs, 16 for each four components of the code. */
  table: Uint8Array;
  perEntry: number;
  rest: number;
  constant: number;
}

export class CodeKernel {
  readonly #memory = wasmMemory(1);
  readonly #estimate: (...numbers: number[]) => void;
  readonly #collect: (...numbers: number[]) => number;
  /** Bytes of a record: signs, factor and offset. */
  readonly stride: number;
  readonly #recordsAt: number;
  /** Positions there is room for. */
  #capacity = 0;
  #terms: QueryTerms | null = null;
  /** How many estimates the current search has made. */
  estimated = 0;
  #bytes = new Uint8Array(0);
  #floats = new Float32Array(0);
  #integers = new Int32Array(0);

  /** @param signBytes bytes of signs in a record, an even number */
  constructor(readonly signBytes: number) {
    this.stride = signBytes + 8;
    this.#recordsAt = TABLE_AT + signBytes * 32;
    const exports = wasmExports(MODULE, this.#memory);
    this.#estimate = exports.estimate as (...numbers: number[]) => void;
    this.#collect = exports.collect as (...numbers: number[]) => number;
    this.#see();
  }

  /** Makes room for the records at the first so many positions. */
  reserve(positions: number): void {
    if (positions <= this.#capacity) return;
    // An eighth more than needed, so that a growing store copies seldom and wastes little.
    this.#capacity = Math.ceil(Math.max(1024, positions * 1.125) / BLOCK_RECORDS) * BLOCK_RECORDS;
    this.#need(this.#estimatesAt());
  }

  /** Sets the record at a position. */
  set(position: number, signs: Uint8Array, factor: number, offset: number): void {
    const at = this.#firstByte(position);
    for (let i = 0; i < signs.length; i++) this.#bytes[at + i * BLOCK_RECORDS] = signs[i] as number;
    const factors = this.#factorAt(position);
    this.#floats[factors] = factor;
    this.#floats[factors + BLOCK_RECORDS] = offset;
  }

  /** Copies a record of another kernel to a position. */
  copy(from: CodeKernel, source: number, position: number): void {
    const [own, other] = [this.#firstByte(position), from.#firstByte(source)];
    const end = this.signBytes * BLOCK_RECORDS;
    for (let i = 0; i < end; i += BLOCK_RECORDS) this.#bytes[own + i] = from.#bytes[other + i] as number;
    const factors = this.#factorAt(position);
    this.#floats[factors] = from.factorOf(source);
    this.#floats[factors + BLOCK_RECORDS] = from.offsetOf(source);
  }

  /**
   * The blocks with the records at the first `positions` positions, whose number is a multiple of a block's. They share the
   * kernel's memory until the next `reserve`.
   */
  blocks(positions: number): Uint8Array {
    return this.#bytes.subarray(this.#recordsAt, this.#recordsAt + positions * this.stride);
  }

  factorOf(position: number): number {
    return this.#floats[this.#factorAt(position)] as number;
  }

  offsetOf(position: number): number {
    return this.#floats[this.#factorAt(position) + BLOCK_RECORDS] as number;
  }

  /** Starts a search. */
  begin(terms: QueryTerms): void {
    this.#terms = terms;
    this.estimated = 0;
    this.#bytes.set(terms.table, TABLE_AT);
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
    return this.#recordsAt + positions * this.stride + this.estimated * ESTIMATE_BYTES;
  }

  #run(list: number, first: number, count: number): void {
    const { perEntry, rest, constant } = this.#terms as QueryTerms;
    const out = this.#estimatesAt() + this.estimated * ESTIMATE_BYTES;
    this.#estimate(
      list,
      first,
      count,
      this.#recordsAt,
      this.signBytes,
      TABLE_AT,
      out,
      HISTOGRAM_AT,
      SCRATCH_AT,
      // The kernel counts in buckets, and rounds to the nearest whole number.
      perEntry * PER_UNIT,
      rest * PER_UNIT,
      (constant - LEAST) * PER_UNIT - 0.5,
    );
    this.estimated += count;
  }

  #estimatesAt(): number {
    return this.#recordsAt + this.#capacity * this.stride;
  }

  /** Where the first byte of a record is; the others follow at distances of {@link BLOCK_RECORDS}. */
  #firstByte(position: number): number {
    const within = position % BLOCK_RECORDS;
    return this.#recordsAt + (position - within) * this.stride + within;
  }

  /** Where a record's factor is among the floats. */
  #factorAt(position: number): number {
    const within = position % BLOCK_RECORDS;
    return (
      (this.#recordsAt + (position - within) * this.stride + this.signBytes * BLOCK_RECORDS) / 4 + within
    );
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
