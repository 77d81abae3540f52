/**
 * Estimates many cosines at once from the codes of vectors: the compiled `code-kernel.wat` and its memory.
 *
 * The memory holds first the scratch space of a search (the query's bit planes, a histogram, a block of slots, a block
 * of results), then the records of all slots, then the estimates of the current search. Leaves out what the numbers
 * mean (`code-table.ts`). It counts the bits of 64 signs with one instruction, which Debian's build of FAISS does not
 * use.
 */

/** The compiled module. */
const MODULE =
  "AGFzbQEAAAABGgJgDH9/f39/f39/fX19fQBgBn9/f319fwF/Ag0BAW0GbWVtb3J5AgABAwMCAAEHFgIIZXN0aW1hdGUAAAdjb2xsZWN0AAEKkAMCuwIE" +
  "BH8BfgF9BX4CQANAIAFFDQEgAiAAKAIAIANsaiEMIAwgBEEDdGohDiAFIQ1CACESQgAhE0IAIRRCACEVQgAhFgNAIAwpAwAhECASIBB7fCESIBMgECAN" +
  "KQMAg3t8IRMgFCAQIA0pAwiDe3whFCAVIBAgDSkDEIN7fCEVIBYgECANKQMYg3t8IRYgDUEgaiENIAxBCGoiDCAOSQ0ACyATIBRCAYZ8IBVCAoYgFkID" +
  "hnx8IRMgCyAMKgIEkiAMKgIAIAogCCATp7KUIAkgEqeylJKSlJIhESAGIBE4AgAgEUMAAABAkkMAAIBElPwAIQ8gD0EASARAQQAhDwsgD0H/H0oEQEH/" +
  "HyEPCyAHIA9BAnRqIQ8gDyAPKAIAQQFqNgIAIAZBBGohBiAAQQRqIQAgAUEBayEBDAALCwtRAgF/AX0gBSEGAkADQCAAIAFPDQEgAiAAQQJ0aioCACEH" +
  "IAcgA2AgByAEXXEEQCAGIAA2AgAgBkEEaiEGCyAAQQFqIQAMAAsLIAYgBWtBAnYL";

/** Slots passed to the kernel, and results collected, at a time. */
export const CODE_BLOCK = 1024;
/** Buckets of the histogram: estimates from -2 to 2. */
export const BUCKETS = 4096;

const PLANES_AT = 0;
const HISTOGRAM_AT = 512;
const SLOTS_AT = HISTOGRAM_AT + BUCKETS * 4;
const FOUND_AT = SLOTS_AT + CODE_BLOCK * 4;
const RECORDS_AT = FOUND_AT + CODE_BLOCK * 4;
const PAGE = 65_536;

/** Node.js has it, but its types come with TypeScript's DOM library, which a package for Node.js leaves out. */
declare const WebAssembly: {
  Memory: new (size: { initial: number }) => { readonly buffer: ArrayBuffer; grow(pages: number): number };
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
};

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
  readonly #memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly #estimate: (...numbers: number[]) => void;
  readonly #collect: (...numbers: number[]) => number;
  /** Bytes of a record: signs, factor and offset. */
  readonly stride: number;
  #capacity = 0;
  #bytes = new Uint8Array(0);
  #floats = new Float32Array(0);
  #integers = new Int32Array(0);

  /** @param words 64-bit words of signs in a record */
  constructor(readonly words: number) {
    this.stride = words * 8 + 8;
    this.#memory = new WebAssembly.Memory({ initial: 1 });
    const module = new WebAssembly.Module(Buffer.from(MODULE, "base64"));
    const { exports } = new WebAssembly.Instance(module, { m: { memory: this.#memory } });
    this.#estimate = exports.estimate as (...numbers: number[]) => void;
    this.#collect = exports.collect as (...numbers: number[]) => number;
    this.#see();
  }

  /** Makes room for the records and estimates of so many slots. */
  reserve(slots: number): void {
    if (slots <= this.#capacity) return;
    // An eighth more than needed, so that a growing store copies seldom and wastes little.
    const capacity = Math.max(1024, Math.ceil(slots * 1.125));
    const end = RECORDS_AT + capacity * (this.stride + 4) + PAGE;
    const missing = end - this.#memory.buffer.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / PAGE));
    this.#capacity = capacity;
    this.#see();
  }

  /** The record of a slot, for writing. */
  record(slot: number): Uint8Array {
    const at = RECORDS_AT + slot * this.stride;
    return this.#bytes.subarray(at, at + this.stride);
  }

  /** The records of the first `slots` slots. They share the kernel's memory until the next `reserve`. */
  records(slots: number): Uint8Array {
    return this.#bytes.subarray(RECORDS_AT, RECORDS_AT + slots * this.stride);
  }

  /** Sets a slot's factor and offset. */
  setFactors(slot: number, factor: number, offset: number): void {
    const at = (RECORDS_AT + slot * this.stride + this.words * 8) / 4;
    this.#floats[at] = factor;
    this.#floats[at + 1] = offset;
  }

  factorOf(slot: number): number {
    return this.#floats[(RECORDS_AT + slot * this.stride + this.words * 8) / 4] as number;
  }

  offsetOf(slot: number): number {
    return this.#floats[(RECORDS_AT + slot * this.stride + this.words * 8) / 4 + 1] as number;
  }

  /** Starts a search. */
  begin({ planes }: QueryTerms): void {
    new BigUint64Array(this.#memory.buffer, PLANES_AT, planes.length).set(planes);
    this.#integers.fill(0, HISTOGRAM_AT / 4, HISTOGRAM_AT / 4 + BUCKETS);
  }

  /** Estimates the slots of a list, as the current search's estimates from number `at` on. */
  estimate(slots: Int32Array, at: number, { perUnit, perSign, rest, constant }: QueryTerms): void {
    const out = this.#estimatesAt();
    for (let from = 0; from < slots.length; from += CODE_BLOCK) {
      const part = slots.subarray(from, from + CODE_BLOCK);
      this.#integers.set(part, SLOTS_AT / 4);
      const to = out + (at + from) * 4;
      const query = [perUnit, perSign, rest, constant];
      const memory = [RECORDS_AT, this.stride, this.words, PLANES_AT, to, HISTOGRAM_AT];
      this.#estimate(SLOTS_AT, part.length, ...memory, ...query);
    }
  }

  /** How many estimates of the search fell into each bucket; shares the kernel's memory. */
  histogram(): Int32Array {
    return this.#integers.subarray(HISTOGRAM_AT / 4, HISTOGRAM_AT / 4 + BUCKETS);
  }

  /**
   * The numbers from `from` to `end`, at most a block, whose estimate is at least `low` and below `high`; shares the
   * kernel's memory.
   */
  collect(from: number, end: number, low: number, high: number): Int32Array {
    const count = this.#collect(from, end, this.#estimatesAt(), low, high, FOUND_AT);
    return this.#integers.subarray(FOUND_AT / 4, FOUND_AT / 4 + count);
  }

  /** Bytes for so many slots: records, and estimates during a search. */
  bytes(slots: number): number {
    return RECORDS_AT + slots * (this.stride + 4);
  }

  #estimatesAt(): number {
    return RECORDS_AT + this.#capacity * this.stride;
  }

  #see(): void {
    this.#bytes = new Uint8Array(this.#memory.buffer);
    this.#floats = new Float32Array(this.#memory.buffer);
    this.#integers = new Int32Array(this.#memory.buffer);
  }
}
