/**
 * Search by codes that FAISS holds (its index "LSH": signs and Hamming distances), rescored from the vector table.
 *
 * FAISS holds the codes of as many slots as the limit of native memory allows, the first ones; the others are scanned.
 * It holds no vectors, so these are in memory once. As with our own codes (`coded.ts`) it is known how often the signs of
 * two vectors differ, so from what was found it follows how much was missed, and more is asked for until that is little.
 *
 * faiss-node aborts the process on a FAISS exception outside of `read` and `fromFactory`, and its `k`, array lengths and
 * dimension are unsigned. So this file calls only `fromFactory` with one fixed description, `add`, and `search` with one
 * query and 1 <= k <= ntotal, with finite numbers of the right count. Nothing of FAISS is saved or read back: an index is
 * made from the vectors, so no damaged file can reach it.
 */
import { type Addon, requireAddon } from "../../addons.js";
import type { Coder } from "../codes/coder.js";
import { normalBelow } from "../codes/normal.js";
import { IntegerList } from "../columns.js";
import type { SearchPromise, SlotScore, VectorIndex } from "../vector-index.js";
import type { VectorTable } from "../vector-table.js";
import { scan } from "./flat.js";
import { type NativeShare, nativeMemory } from "./native-memory.js";
import { Scorer, TopVersions } from "./top-hits.js";

interface FaissIndexLsh {
  add(vectors: number[]): void;
  search(query: number[], k: number): { distances: number[]; labels: number[] };
}
export interface FaissModule {
  Index: { fromFactory(dims: number, description: string): FaissIndexLsh };
}

/** When this share of the scope has to be looked at, a scan of all of it is cheaper. */
const SCAN_SHARE = 0.1;
/** Slots handed to FAISS at once: each call copies number by number and leaves garbage. */
const PIECE = 64;
/**
 * Codes in one object of FAISS. It keeps them in a `std::vector`, which doubles, so that one object for all of them would
 * hold up to twice what it needs; one of 64 times a power of two is full in the end.
 */
const SEGMENT = 4096;

/** One object of FAISS, with the codes of slots that follow each other in the index. */
interface Segment {
  index: FaissIndexLsh;
  native: NativeShare;
  /** Its first code's place in the index. */
  from: number;
  count: number;
  /** Codes it has room for. */
  room: number;
}

/** What a segment gave a search: the nearest codes so far, and the distance of the last. */
interface Reach {
  done: number;
  last: number;
}

let loaded: Addon<FaissModule> | undefined;

/** faiss-node, or null when it is not installed or does not load. Tried once. */
export function loadFaiss(): FaissModule | null {
  loaded ??= requireAddon("faiss-node", (module) => module as FaissModule);
  return loaded.module;
}

/** Why faiss-node did not load; empty when it did or was not tried. */
export function faissFailures(): readonly unknown[] {
  return loaded?.module ? [] : (loaded?.failures ?? []);
}

export class FaissIndex implements VectorIndex {
  readonly kind = "faiss";
  readonly #slots = new IntegerList();
  readonly #segments: Segment[] = [];
  readonly #rotated: Float64Array;
  /** Whether there was no room for what was to be handed over last. */
  starved = false;

  /** @param limit bytes of native memory beyond which nothing more is handed to FAISS */
  constructor(
    private readonly table: VectorTable,
    private readonly coder: Coder,
    private readonly faiss: FaissModule,
    private readonly limit: number,
  ) {
    this.#rotated = new Float64Array(coder.dims);
  }

  get size(): number {
    return this.#slots.length;
  }

  /** Adds a slot of the table; slots come in ascending order. */
  add(slot: number): void {
    this.#slots.push(slot);
  }

  search(
    unit: Float32Array,
    k: number,
    accept: (slot: number) => boolean,
    promise: SearchPromise,
  ): SlotScore[] {
    if (k < 1 || this.size === 0) return [];
    this.step();
    const slots = this.#slots.view();
    const handed = this.#handed;
    const top = new TopVersions(this.table, k);
    const scorer = new Scorer(this.table, unit, accept, (slot, score) => top.offer(slot, score));
    scorer.add(slots.subarray(handed));
    scorer.flush();
    if (handed === 0) return top.finish();
    const query = this.#numbers(unit, 0);
    const reaches = this.#segments.map((): Reach => ({ done: 0, last: -1 }));
    for (let wanted = Math.max(16, (k * 4 + 64) / reaches.length); ; wanted *= 3) {
      if (wanted * reaches.length > Math.max(512, handed * SCAN_SHARE)) break;
      for (const [i, segment] of this.#segments.entries()) {
        scorer.add(nearestOf(segment, reaches[i] as Reach, query, wanted, slots));
      }
      scorer.flush();
      const found = top.finish();
      if (this.#segments.every(({ count }, i) => reaches[i]?.done === count)) return found;
      if (found.length === k && this.#expectedRecall(unit, found, reaches, promise) >= promise.target)
        return found;
    }
    return scan(this.table, [slots], unit, k, accept);
  }

  /** Whether FAISS holds all that it has room for. */
  get isDone(): boolean {
    return this.starved || this.#handed === this.size;
  }

  /** Hands some slots over. Returns whether FAISS holds all that it has room for. */
  step(): boolean {
    const handed = this.#handed;
    const piece = this.#slots.view().subarray(handed, Math.min(handed - (handed % PIECE) + PIECE, this.size));
    this.starved = false;
    if (piece.length === 0) return true;
    const segment = this.#segmentFor(handed);
    const room = roomAfter(segment.count, piece.length, segment.room);
    this.starved = !nativeMemory.grow(segment.native, (room * this.coder.signs) / 8, this.limit, () => {
      segment.index.add(
        [...piece].flatMap((slot) => this.#numbers(this.table.chunkOf(slot), this.table.offsetOf(slot))),
      );
    });
    if (this.starved) return true;
    segment.room = room;
    segment.count += piece.length;
    if (segment.from === handed) this.#segments.push(segment);
    return this.#handed === this.size;
  }

  /** Bytes held besides the vector table. */
  bytes(): number {
    return this.#segments.reduce((sum, { native }) => sum + native.bytes, this.size * 4);
  }

  /** How many of the slots, the first ones, FAISS holds. */
  get #handed(): number {
    const last = this.#segments.at(-1);
    return last ? last.from + last.count : 0;
  }

  /** The segment for the next code; a new one is kept once it holds something. */
  #segmentFor(handed: number): Segment {
    const last = this.#segments.at(-1);
    if (last && last.count < SEGMENT) return last;
    const index = this.faiss.Index.fromFactory(this.coder.signs, "LSH");
    return { index, native: nativeMemory.track(index), from: handed, count: 0, room: 0 };
  }

  /**
   * How much of the best is expected among the nearest codes of each segment: of two vectors at the angle a, seen from
   * the center, each sign differs with the probability a / pi, and a segment gave all that are nearer than its last one.
   */
  #expectedRecall(
    unit: Float32Array,
    found: readonly SlotScore[],
    reaches: readonly Reach[],
    { widen }: SearchPromise,
  ): number {
    const { coder, table } = this;
    const query = coder.differenceOf(unit, 0);
    let all = 0;
    for (const { slot, score } of found) {
      const own = coder.differenceOf(table.chunkOf(slot), table.offsetOf(slot));
      const inner = score - own.along - query.along + coder.centerSquared;
      const lengths = Math.sqrt(own.squared * query.squared);
      const cosine = lengths > 0 ? Math.max(-1, Math.min(1, inner / lengths)) : 1;
      const differs = Math.acos(cosine) / Math.PI;
      const deviation = Math.sqrt(coder.signs * differs * (1 - differs)) * widen;
      const margin = this.#reachFor(slot, reaches) - 0.5 - coder.signs * differs;
      all += 1 / Math.max(1e-9, deviation > 0 ? normalBelow(margin / deviation) : 1);
    }
    return found.length / all;
  }

  /** The distance down to which the segment of a slot gave everything. */
  #reachFor(slot: number, reaches: readonly Reach[]): number {
    const slots = this.#slots.view();
    const i = this.#segments.findLastIndex(({ from }) => (slots[from] as number) <= slot);
    const reach = reaches[i];
    // What FAISS does not hold is scanned.
    if (!reach || slot > (slots[this.#handed - 1] as number)) return Number.POSITIVE_INFINITY;
    return reach.done === this.#segments[i]?.count ? Number.POSITIVE_INFINITY : reach.last;
  }

  /** The rotated components whose signs are the code. */
  #numbers(vector: Float32Array, from: number): number[] {
    this.coder.rotate(vector, from, this.#rotated);
    return Array.from(this.#rotated.subarray(0, this.coder.signs));
  }
}

/** The slots of the nearest codes of a segment, without those it gave before. */
function nearestOf(
  segment: Segment,
  reach: Reach,
  query: number[],
  wanted: number,
  slots: Int32Array,
): number[] {
  const n = Math.min(Math.ceil(wanted), segment.count);
  if (n <= reach.done) return [];
  const { labels, distances } = segment.index.search(query, n);
  const fresh = labels.slice(reach.done).map((label) => slots[segment.from + label] as number);
  reach.done = n;
  reach.last = distances[n - 1] as number;
  return fresh;
}

/** Codes there is room for after some were appended. */
function roomAfter(count: number, added: number, room: number): number {
  return count + added <= room ? room : count + Math.max(count, added);
}
