/**
 * The vectors of a store in memory: one slot per stored vector, in the order of version rows.
 *
 * Owns the facts that decide whether a view sees a slot, and the list of slots of each namespace. It is derived data that
 * can be read again from SQLite. Leaves out how the numbers are kept (`stored-rows.ts`) and ranking (`vector-index.ts`).
 */
import { TIP, type View } from "../rows/branches.js";
import { IntegerList, SmallColumn, WholeColumn } from "./columns.js";
import type { RowSource } from "./row-chunks.js";
import { type StoredRows, storedRows } from "./stored-rows.js";
import { dotInOrder } from "./vector-math.js";

/** The visibility test of a view that sees every slot. */
export const SEES_ALL = (): boolean => true;

/** Facts of a version row, which all its slots share. */
interface SlotFacts {
  version: number;
  item: number;
  ns: number;
  branch: number;
  rev: number;
  /** Revision that ended the row on its own branch; null if current. */
  endRev: number | null;
  born: number;
}

/** The columns of a table as saved in a sidecar. */
export interface SavedColumns {
  version: Float64Array;
  item: Float64Array;
  ns: Int32Array;
  branch: Int32Array;
  rev: Float64Array;
  end: Float64Array;
  born: Float64Array;
}

/** For each branch, the first revision at which it wrote each item, from which it hides the item's rows below. */
type Overrides = Map<number, Map<number, number>>;

export class VectorTable {
  readonly version = new WholeColumn();
  readonly item = new WholeColumn();
  readonly ns = new SmallColumn();
  readonly branch = new SmallColumn();
  readonly rev = new WholeColumn();
  readonly end = new WholeColumn();
  readonly born = new WholeColumn();
  /** The unit vectors. */
  readonly rows: StoredRows;
  readonly #byNamespace = new Map<number, IntegerList>();
  /** Branches with at least one slot. */
  readonly #branches = new Set<number>();
  /** Slots that were replaced or deleted on their own branch. */
  dead = 0;
  size = 0;

  /** @param quantized whether a component takes a byte; then the vectors are those of the model nearly */
  constructor(
    readonly dims: number,
    readonly quantized = false,
  ) {
    this.rows = storedRows(dims, quantized);
  }

  /** Appends a vector, scaled to length 1 (a zero vector stays zero and scores 0). Returns its slot. */
  append(facts: SlotFacts, vector: Float32Array): number {
    const slot = this.size++;
    this.rows.append(slot, vector);
    this.#appendFacts(slot, facts);
    return slot;
  }

  /** Takes over saved facts and rows. */
  restore(columns: SavedColumns, rows: RowSource): void {
    this.version.replace(columns.version);
    this.item.replace(columns.item);
    this.ns.replace(columns.ns);
    this.branch.replace(columns.branch);
    this.rev.replace(columns.rev);
    this.end.replace(columns.end);
    this.born.replace(columns.born);
    this.size = columns.version.length;
    let list = new IntegerList();
    let last = -1;
    for (let slot = 0; slot < this.size; slot++) {
      if (this.end.at(slot) !== Number.POSITIVE_INFINITY) this.dead++;
      this.#branches.add(this.branch.at(slot));
      const ns = this.ns.at(slot);
      if (ns !== last) list = this.#listOf(ns);
      last = ns;
      list.push(slot);
    }
    this.rows.restore(rows);
  }

  #appendFacts(slot: number, facts: SlotFacts): void {
    this.version.push(facts.version);
    this.item.push(facts.item);
    this.ns.push(facts.ns);
    this.branch.push(facts.branch);
    this.#branches.add(facts.branch);
    this.rev.push(facts.rev);
    this.end.push(facts.endRev ?? Number.POSITIVE_INFINITY);
    this.born.push(facts.born);
    if (facts.endRev !== null) this.dead++;
    this.#listOf(facts.ns).push(slot);
  }

  #listOf(ns: number): IntegerList {
    let slots = this.#byNamespace.get(ns);
    if (!slots) {
      slots = new IntegerList();
      this.#byNamespace.set(ns, slots);
    }
    return slots;
  }

  /** Marks the slots of a version row as ended at a revision of its own branch. */
  endVersion(version: number, rev: number): void {
    for (
      let slot = this.firstSlotOf(version);
      slot < this.size && this.version.at(slot) === version;
      slot++
    ) {
      if (this.end.at(slot) === Number.POSITIVE_INFINITY) this.dead++;
      this.end.set(slot, rev);
    }
  }

  /** The first slot whose version row is `version` or a later one. */
  firstSlotOf(version: number): number {
    let low = 0;
    let high = this.size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.version.at(middle) < version) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  slotsOf(ns: number): IntegerList | undefined {
    return this.#byNamespace.get(ns);
  }

  /** The namespaces with at least so many slots. */
  namespacesFrom(slots: number): number[] {
    return [...this.#byNamespace].filter(([, own]) => own.length >= slots).map(([ns]) => ns);
  }

  /** An array with a slot's vector, which starts at {@link offsetOf} (shared memory, until the next call). */
  chunkOf(slot: number): Float32Array {
    return this.rows.chunkOf(slot);
  }

  offsetOf(slot: number): number {
    return this.rows.offsetOf(slot);
  }

  /** A slot's unit vector. It shares memory until the next call, so do not write to it. */
  vector(slot: number): Float32Array {
    const at = this.offsetOf(slot);
    return this.chunkOf(slot).subarray(at, at + this.dims);
  }

  /**
   * Writes the cosines of `count` slots with a unit vector to `out`. A slot's score is exactly the same wherever it is
   * computed.
   */
  scores(slots: Int32Array, count: number, unit: Float64Array, out: Float64Array): void {
    if (this.rows.scores(slots, count, unit, out)) return;
    for (let i = 0; i < count; i++) {
      const slot = slots[i] as number;
      out[i] = dotInOrder(this.chunkOf(slot), this.offsetOf(slot), unit, this.dims);
    }
  }

  /** Makes a test of whether a view sees a slot; a test takes as many steps as the view has levels. */
  visibility(view: View, overrides: Overrides): (slot: number) => boolean {
    const { levels } = view;
    const only = levels[0];
    if (levels.length === 1 && only && only.limit === TIP) {
      // Nothing was ever replaced, or written on a fork: every slot is visible.
      if (this.dead === 0 && this.#branches.size <= 1 && this.#branches.has(only.branch)) return SEES_ALL;
      const [branches, { end }, { branch }] = [this.branch.view(), this, only];
      return (slot) => branches[slot] === branch && end.at(slot) === Number.POSITIVE_INFINITY;
    }
    const depth = new Map(levels.map((level, i) => [level.branch, i]));
    const hiding = levels.map((level) => overrides.get(level.branch));
    return (slot) => {
      const at = depth.get(this.branch.at(slot));
      if (at === undefined) return false;
      const limit = levels[at]?.limit ?? 0;
      if (this.rev.at(slot) > limit || this.end.at(slot) <= limit) return false;
      if (at === 0) return true;
      const item = this.item.at(slot);
      for (let above = 0; above < at; above++) {
        const first = hiding[above]?.get(item);
        if (first !== undefined && first <= (levels[above]?.limit ?? 0)) return false;
      }
      return true;
    };
  }

  /** Bytes used by vectors, facts and slot lists, without reserved space that was never touched. */
  bytes(): number {
    const { version, item, ns, branch, rev, end, born } = this;
    const columns = [version, item, ns, branch, rev, end, born];
    // And 4 for its place in the list of its namespace.
    const facts = columns.reduce((sum, { bytesEach }) => sum + bytesEach, 4);
    return this.size * (this.rows.bytesEach + facts);
  }
}
