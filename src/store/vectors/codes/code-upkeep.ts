/**
 * Keeps the codes of a store's vectors up to date, in slices.
 *
 * Owns when the center of the codes moves, when a namespace is large enough for partitions, when these are made anew, and
 * what is needed to find out how far searches look into them. Leaves out who drives the slices and which scopes are searched
 * (`index-set.ts`).
 */
import type { SlotScore } from "../vector-index.js";
import type { VectorTable } from "../vector-table.js";
import { type Answered, reachFor } from "./calibrate.js";
import type { CodeGroup } from "./code-group.js";
import { layOut } from "./code-layout.js";
import { CodeTable } from "./code-table.js";
import { Coder, centerOf } from "./coder.js";
import type { Partitions } from "./partitions.js";
import { trainPartitions } from "./train-partitions.js";

/** Slots coded before other work may run, which takes half a millisecond. */
const SLICE = 16;
/** When the table has grown by this factor, the mean of the vectors is computed again. */
const GROWN = 4;
/** If the mean is farther than this from the center, it becomes the new center. */
const MOVED = 0.1;
/** The growth after which the partitions of a namespace are made anew. */
const OUTGROWN = 2;
/** Stored vectors that the reach is measured with, and results of each. */
const SAMPLE = 256;
const AT = 10;

/** What the upkeep needs to know of the searches. */
export interface Searches {
  /** Share of the best results that a search is to find. */
  target: number;
  /** The last searches of scopes that contain a namespace. */
  asked: (ns: number) => readonly Float32Array[];
  /** The best slots of some by all codes. */
  find: (
    codes: CodeTable,
    slots: Int32Array,
    unit: Float32Array,
    k: number,
    accept: (slot: number) => boolean,
  ) => SlotScore[];
}

export class CodeUpkeep {
  codes: CodeTable | null = null;
  coder: Coder | null = null;
  /** Size of the table when its center was computed last. */
  #centeredAt = 0;
  /** Size of the table when it was last looked at for large namespaces. */
  #comparedAt = 0;

  /** @param partitionedFrom vectors from which on a namespace has partitions */
  constructor(private readonly partitionedFrom: number) {}

  clear(): void {
    [this.codes, this.coder, this.#centeredAt, this.#comparedAt] = [null, null, 0, 0];
  }

  /** Takes over saved codes. */
  restore(codes: CodeTable): void {
    this.codes = codes;
    this.coder = codes.coder;
    this.#centeredAt = codes.covered;
  }

  /** Whether the codes are up to date, except for those of `backlog` slots. */
  isCovered(table: VectorTable, backlog: number): boolean {
    if (this.codes === null || table.size - this.codes.covered > backlog) return false;
    // Looking at every namespace on every search would take too long.
    if (table.size < this.#comparedAt * 1.1) return true;
    if (this.#outgrown(table, this.codes).length > 0) return false;
    this.#comparedAt = table.size;
    return true;
  }

  /** Moves the center where the mean of the table has moved away from it. Returns whether it did. */
  recenter(table: VectorTable): boolean {
    const center = this.#newCenter(table);
    if (center) this.#setCoder(new Coder(center), table);
    return center !== null;
  }

  /** Brings the codes up to date. Yields between slices. */
  *cover(table: VectorTable, searches: Searches): Generator<void> {
    for (const _ of this.#work(table, searches)) {
      // Making partitions may take long, and vectors without a code make every search slower.
      this.codes?.cover(SLICE);
      yield;
    }
  }

  *#work(table: VectorTable, searches: Searches): Generator<void> {
    const center = this.#newCenter(table);
    // A table with a new center takes the place of the old one when it is complete.
    const coded =
      center || !this.codes
        ? new CodeTable(table, center ? new Coder(center) : (this.coder as Coder))
        : this.codes;
    this.codes ??= coded;
    while (!coded.cover(SLICE)) yield;
    const plans = new Map<number, Partitions>();
    for (const [ns, group] of this.codes.groups) plans.set(ns, group.partitions);
    const anew = this.#outgrown(table, this.codes);
    for (const ns of anew)
      plans.set(ns, yield* trainPartitions(table, table.slotsOf(ns)?.view() ?? new Int32Array(0)));
    this.#comparedAt = table.size;
    if (plans.size > 0 && (coded !== this.codes || anew.length > 0)) {
      const made = yield* layOut(table, coded, plans);
      while (!made.cover(SLICE)) yield;
      for (const [ns, group] of this.codes.groups) {
        const own = made.groups.get(ns);
        if (own && !anew.includes(ns)) own.reach = group.reach;
      }
      this.codes = made;
    } else {
      this.codes = coded;
    }
    if (center) this.#setCoder(coded.coder, table);
    for (const ns of anew) yield* this.#calibrate(table, ns, searches);
  }

  bytes(): number {
    return this.codes?.bytes() ?? 0;
  }

  /** Until it has ended, searches look at all partitions, as the ones do that it makes itself. */
  *#calibrate(table: VectorTable, ns: number, { target, asked, find }: Searches): Generator<void> {
    const codes = this.codes as CodeTable;
    const group = codes.groups.get(ns) as CodeGroup;
    const slots = (table.slotsOf(ns)?.view() ?? new Int32Array(0)).slice();
    const stored: Answered[] = [];
    for (let i = 0; i < SAMPLE; i++) {
      const own = slots[Math.floor(((i + 0.5) * slots.length) / SAMPLE)] as number;
      const unit = table.vector(own).slice();
      const version = table.version.at(own);
      stored.push({ unit, best: find(codes, slots, unit, AT, (slot) => table.version.at(slot) !== version) });
      yield;
    }
    const searched: Answered[] = [];
    for (const unit of asked(ns)) {
      searched.push({ unit, best: find(codes, slots, unit, AT, () => true) });
      yield;
    }
    const sets = searched.length > 0 ? [stored, searched] : [stored];
    group.reach = yield* reachFor(table, group, sets, target);
  }

  /** The namespaces that are too large to have no partitions, or the ones they have. */
  #outgrown(table: VectorTable, codes: CodeTable): number[] {
    return table.namespacesFrom(this.partitionedFrom).filter((ns) => {
      const group = codes.groups.get(ns);
      return !group || (table.slotsOf(ns)?.length ?? 0) > group.laidOut * OUTGROWN;
    });
  }

  /** A new center; null while the one that is used will do. */
  #newCenter(table: VectorTable): Float32Array | null {
    if (this.coder && table.size <= this.#centeredAt * GROWN) return null;
    const center = centerOf(table);
    if (distance(center, this.coder?.center) > MOVED) return center;
    this.#centeredAt = table.size;
    return null;
  }

  #setCoder(coder: Coder, table: VectorTable): void {
    this.coder = coder;
    this.#centeredAt = table.size;
  }
}

function distance(a: Float32Array, b: Float32Array | undefined): number {
  if (!b) return Number.POSITIVE_INFINITY;
  return Math.sqrt(a.reduce((sum, own, i) => sum + (own - (b[i] as number)) ** 2, 0));
}
