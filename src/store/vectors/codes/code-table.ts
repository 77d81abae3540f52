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
import { CodeKernel, type QueryTerms } from "./code-kernel.js";
import { type Coder, signsOf } from "./coder.js";

/** Number of values to which a component of a query is rounded: four bits. */
const LEVELS = 16;

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
  /** A slot's factor is nearly its distance from the center times this. */
  readonly #perDistance: number;

  constructor(
    private readonly table: VectorTable,
    readonly coder: Coder,
  ) {
    this.kernel = new CodeKernel(coder.signs / 64);
    this.#rotated = new Float64Array(coder.dims);
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
          ? this.allocate(1)
          : (group as CodeGroup).place(partition, () => this.allocate(PAGE_POSITIONS));
      this.#code(position);
      this.put(this.covered, position);
    }
    return this.covered === table.size;
  }

  /** Reserves consecutive positions. Returns the first. */
  allocate(count: number): number {
    const first = this.slots.length;
    this.kernel.reserve(first + count);
    for (let i = 0; i < count; i++) this.slots.push(-1);
    return first;
  }

  /** Notes that a slot's code is at a position; slots must come in ascending order, or their places exist already. */
  put(slot: number, position: number): void {
    this.slots.set(position, slot);
    while (this.positions.length <= slot) this.positions.push(-1);
    this.positions.set(slot, position);
  }

  /** Copies a slot's code from another table of the same coder to a position. */
  copy(from: CodeTable, slot: number, position: number): void {
    this.kernel.record(position).set(from.kernel.record(from.positions.at(slot)));
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
    if (count !== covered || records.length !== slots.length * this.kernel.stride) return false;
    this.kernel.reserve(slots.length);
    this.kernel.records(slots.length).set(records);
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
    let most = 0;
    for (let i = 0; i < coder.signs; i++) most = Math.max(most, Math.abs(z[i] as number));
    const step = most > 0 ? (2 * most) / (LEVELS - 1) : 1;
    const { planes, sum } = planesOf(z, coder.signs, most, step);
    return {
      planes,
      perUnit: 2 * step,
      perSign: -2 * most,
      rest: coder.signs * most - step * sum,
      constant: along - coder.centerSquared,
      distance: Math.sqrt(squared),
    };
  }

  /** Standard deviation of the estimate of a slot's cosine with a query, if the cosine is `score`. */
  deviation(slot: number, { distance, constant, perUnit }: CodedQuery, score: number): number {
    // A slot without a code has no estimate; it is always looked at. Its place in the kernel's memory holds anything.
    if (slot >= this.covered) return 0;
    const { signs, deviation } = this.coder;
    const position = this.positions.at(slot);
    const factor = this.kernel.factorOf(position);
    const full = (factor / this.#perDistance) * distance;
    if (full === 0) return 0;
    // For vectors in the same direction from the center the signs are exact; only rounding the query adds an error.
    const along = Math.min(1, Math.abs(score - constant - this.kernel.offsetOf(position)) / full);
    const rounding = factor * (perUnit / 2) * Math.sqrt(signs / 12);
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
    const record = kernel.record(position);
    let absolute = 0;
    for (let byte = 0; byte < coder.signs / 8; byte++) {
      let bits = 0;
      for (let i = 0; i < 8; i++) {
        const component = y[byte * 8 + i] as number;
        if (component >= 0) bits |= 1 << i;
        absolute += Math.abs(component);
      }
      record[byte] = bits;
    }
    kernel.setFactors(position, absolute > 0 ? squared / absolute : 0, along);
  }
}

/** The components of a query, rounded to levels and split into bit planes, and the sum of the levels. */
function planesOf(
  z: Float64Array,
  signs: number,
  most: number,
  step: number,
): { planes: BigUint64Array; sum: number } {
  const planes = new BigUint64Array((signs / 64) * 4);
  const halves = new Uint32Array(planes.buffer);
  let sum = 0;
  for (let i = 0; i < signs; i++) {
    const level = Math.max(0, Math.min(LEVELS - 1, Math.round(((z[i] as number) + most) / step)));
    sum += level;
    const bit = 1 << (i & 31);
    for (let plane = 0; plane < 4; plane++) {
      const at = ((i >> 6) * 4 + plane) * 2 + ((i >> 5) & 1);
      if ((level >> plane) & 1) halves[at] = (halves[at] as number) | bit;
    }
  }
  return { planes, sum };
}
