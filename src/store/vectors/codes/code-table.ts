/**
 * Codes of the vectors in the table: the signs of up to 384 rotated components, and two numbers.
 *
 * Owns coding slots and queries, at which position a slot's code is, and the error of an estimate. Leaves out the search
 * (`vector-indexes/coded.ts`), the rotation (`coder.ts`), which codes lie together (`code-group.ts`), and when vectors are
 * coded (`code-upkeep.ts`).
 */
import { Column } from "../columns.js";
import type { VectorTable } from "../vector-table.js";
import { type CodeGroup, PAGE_POSITIONS } from "./code-group.js";
import { BLOCK_RECORDS, CodeKernel, LARGEST_ENTRY, type QueryTerms } from "./code-kernel.js";
import { type Coder, signsOf } from "./coder.js";

/** Namespaces with fewer vectors share pages: ids of namespaces are not negative. */
const OWN_PAGES = 256;
const SHARED = -1;

/** A query, ready for estimates. */
export interface CodedQuery extends QueryTerms {
  /** Distance from the center. */
  distance: number;
}

/** Bytes in the record of a vector with so many components. */
export function strideFor(dims: number): number {
  return signsOf(dims) / 8 + 8;
}

export class CodeTable {
  readonly kernel: CodeKernel;
  /** How many slots, from the first, are coded so far. */
  covered = 0;
  /** The large namespaces whose codes lie by partition. */
  readonly groups = new Map<number, CodeGroup>();
  /** Slot by position, -1 where there is none yet; and position by slot. */
  readonly slots = new Column<Int32Array>(Int32Array);
  readonly positions = new Column<Int32Array>(Int32Array);
  readonly #rotated: Float64Array;
  readonly #signs: Uint8Array;
  /** The next free position, and how many are left, of the namespaces whose codes have pages. */
  readonly #pages = new Map<number, { next: number; left: number }>();
  /** A slot's factor is nearly its distance from the center times this. */
  readonly #perDistance: number;

  constructor(
    private readonly table: VectorTable,
    readonly coder: Coder,
  ) {
    this.kernel = new CodeKernel(coder.signs / 8);
    this.#rotated = new Float64Array(coder.dims);
    this.#signs = new Uint8Array(coder.signs / 8);
    this.#perDistance = Math.sqrt((Math.PI / 2) * coder.dims) / coder.signs;
  }

  /** Codes at most `most` further slots. Returns whether the whole table is coded. */
  cover(most = Number.POSITIVE_INFINITY): boolean {
    const { table } = this;
    const end = Math.min(table.size, this.covered + most);
    for (; this.covered < end; this.covered++) {
      const group = this.groups.get(table.ns.at(this.covered));
      const partition = group?.partitions.of(table.chunkOf(this.covered), table.offsetOf(this.covered));
      const position =
        partition === undefined
          ? this.place(this.covered)
          : (group as CodeGroup).place(partition, () => this.allocate(PAGE_POSITIONS));
      this.#code(position);
      this.put(this.covered, position);
    }
    return this.covered === table.size;
  }

  /** Reserves at least so many consecutive positions. Returns the first, with which a block begins. */
  allocate(count: number): number {
    const first = this.slots.length;
    const whole = Math.ceil(count / BLOCK_RECORDS) * BLOCK_RECORDS;
    this.kernel.reserve(first + whole);
    for (let i = 0; i < whole; i++) this.slots.push(-1);
    return first;
  }

  /**
   * A position for a slot of a namespace without partitions: with others of its namespace, so that few blocks hold a scope,
   * or with those of other small namespaces, so that no room is wasted.
   */
  place(slot: number): number {
    const ns = this.table.ns.at(slot);
    const key = (this.table.slotsOf(ns)?.length ?? 0) < OWN_PAGES ? SHARED : ns;
    let page = this.#pages.get(key);
    if (!page || page.left === 0) {
      page = { next: this.allocate(PAGE_POSITIONS), left: PAGE_POSITIONS };
      this.#pages.set(key, page);
    }
    page.left--;
    return page.next++;
  }

  /** Notes that a slot's code is at a position; slots must come in ascending order, or their places exist already. */
  put(slot: number, position: number): void {
    this.slots.set(position, slot);
    while (this.positions.length <= slot) this.positions.push(-1);
    this.positions.set(slot, position);
  }

  /** Copies a slot's code from another table of the same coder to a position. */
  copy(from: CodeTable, slot: number, position: number): void {
    this.kernel.copy(from.kernel, from.positions.at(slot), position);
    this.put(slot, position);
  }

  /** Takes over saved codes of the first slots. Returns false if they are not such codes. */
  restore(slots: Int32Array, records: Uint8Array, covered: number): boolean {
    const positions = new Int32Array(covered).fill(-1);
    let count = 0;
    for (let position = 0; position < slots.length; position++) {
      const slot = slots[position] as number;
      // Filled while the codes were saved.
      if (slot >= covered) slots[position] = -1;
      if (slot === -1 || slot >= covered) continue;
      if (slot < 0 || positions[slot] !== -1) return false;
      positions[slot] = position;
      count++;
    }
    if (count !== covered || slots.length % BLOCK_RECORDS !== 0) return false;
    if (records.length !== slots.length * this.kernel.stride) return false;
    this.kernel.reserve(slots.length);
    this.kernel.blocks(slots.length).set(records);
    this.slots.replace(slots);
    this.positions.replace(positions);
    this.covered = covered;
    return true;
  }

  /** Codes a query of length 1 (or 0). */
  query(unit: Float32Array): CodedQuery {
    const { coder } = this;
    const z = new Float64Array(coder.dims);
    const { squared, along } = coder.rotate(unit, 0, z);
    const { table, step, sum } = tableOf(z, coder.signs);
    return {
      table,
      perEntry: step,
      rest: -sum,
      constant: along - coder.centerSquared,
      distance: Math.sqrt(squared),
    };
  }

  /** Standard deviation of the estimate of a slot's cosine with a query, if the cosine is `score`. */
  deviation(slot: number, { distance, constant, perEntry }: CodedQuery, score: number): number {
    // A slot without a code has no estimate; it is always looked at. Its place in the kernel's memory holds anything.
    if (slot >= this.covered) return 0;
    const { signs, deviation } = this.coder;
    const position = this.positions.at(slot);
    const factor = this.kernel.factorOf(position);
    const full = (factor / this.#perDistance) * distance;
    if (full === 0) return 0;
    // For vectors in the same direction from the center the signs are exact; only rounding the query adds an error.
    const along = Math.min(1, Math.abs(score - constant - this.kernel.offsetOf(position)) / full);
    const rounding = factor * perEntry * Math.sqrt(signs / 4 / 12);
    return Math.hypot(deviation * full * Math.sqrt(1 - along * along), rounding);
  }

  /** Bytes of the codes, and of a search's estimates. */
  bytes(): number {
    const groups = [...this.groups.values()].reduce((sum, group) => sum + group.bytes(), 0);
    return this.kernel.bytes(this.slots.length) + this.slots.length * 4 + this.covered * 4 + groups;
  }

  /** Codes the next slot. */
  #code(position: number): void {
    const { kernel, coder } = this;
    const slot = this.covered;
    const y = this.#rotated;
    const { squared, along } = coder.rotate(this.table.chunkOf(slot), this.table.offsetOf(slot), y);
    const record = this.#signs;
    let absolute = 0;
    for (let byte = 0; byte < record.length; byte++) {
      let bits = 0;
      for (let i = 0; i < 8; i++) {
        const component = y[byte * 8 + i] as number;
        if (component >= 0) bits |= 1 << i;
        absolute += Math.abs(component);
      }
      record[byte] = bits;
    }
    kernel.set(position, record, absolute > 0 ? squared / absolute : 0, along);
  }
}

/**
 * For every four components of a query their sums with each combination of signs, rounded to multiples of `step` above the
 * least one; and `sum`, the sum of the amounts of all components, which the least ones come to.
 */
function tableOf(z: Float64Array, signs: number): { table: Uint8Array; step: number; sum: number } {
  const least = new Float64Array(signs / 4);
  for (let i = 0; i < signs; i++) least[i >> 2] = (least[i >> 2] as number) + Math.abs(z[i] as number);
  const [most, sum] = [Math.max(...least), least.reduce((all, one) => all + one, 0)];
  const step = most > 0 ? (2 * most) / LARGEST_ENTRY : 1;
  const table = new Uint8Array(signs * 4);
  const entries = new Float64Array(16);
  for (let part = 0; part < least.length; part++) {
    entries[0] = least[part] as number;
    for (let i = 0; i < 4; i++) entries[0] -= z[part * 4 + i] as number;
    for (let i = 0; i < 4; i++) {
      const twice = 2 * (z[part * 4 + i] as number);
      for (let c = 0; c < 1 << i; c++) entries[c + (1 << i)] = (entries[c] as number) + twice;
    }
    for (let c = 0; c < 16; c++) table[part * 16 + c] = Math.round((entries[c] as number) / step);
  }
  return { table, step, sum };
}
