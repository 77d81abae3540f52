/**
 * Search by codes held by FAISS (its index "LSH": signs and Hamming distances), with scores from the vector table.
 *
 * FAISS holds the codes of the first slots, as many as the limit of native memory allows; the others are scanned. It
 * holds no vectors, so these are in memory only once. As in `coded.ts`, it is known how often the signs of two vectors
 * differ, so the results show how much was probably missed, and more is fetched until that is little enough.
 *
 * faiss-node aborts the process on a FAISS exception outside `read` and `fromFactory`, and its `k`, array lengths and
 * dimension are unsigned. So this file calls only `fromFactory` with a fixed description, `add`, and `search` with one
 * query and 1 <= k <= ntotal, always with the right number of finite values. Nothing of FAISS is saved or read back: an
 * index is always made from the vectors, so no damaged file can reach it.
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

/** If more than this share of the scope had to be computed, a full scan is cheaper. */
const SCAN_SHARE = 0.1;
/** Slots passed to FAISS per call, because a call copies number by number and leaves garbage. */
const PIECE = 64;
/**
 * Codes per FAISS object. FAISS keeps them in a `std::vector`, which grows by doubling, so one object for all codes
 * could reserve up to twice what it needs; one with 64 times a power of two ends up full.
 */
const SEGMENT = 4096;

/** One FAISS object, with the codes of consecutive slots of the index. */
interface Segment {
  index: FaissIndexLsh;
  native: NativeShare;
  /** Position of its first code in the index. */
  from: number;
  count: number;
  /** How many codes it has room for. */
  room: number;
}

/** What a segment has returned to a search: how many nearest codes, and the distance of the last one. */
interface Reach {
  done: number;
  last: number;
}

let loaded: Addon<FaissModule> | undefined;

/** Loads faiss-node; null when it is not installed or does not load. Tries only once. */
export function loadFaiss(): FaissModule | null {
  loaded ??= requireAddon("faiss-node", (module) => module as FaissModule);
  return loaded.module;
}

/** Why faiss-node did not load; empty when it did, or was not tried. */
export function faissFailures(): readonly unknown[] {
  return loaded?.module ? [] : (loaded?.failures ?? []);
}

export class FaissIndex implements VectorIndex {
  readonly kind = "faiss";
  readonly #slots = new IntegerList();
  readonly #segments: Segment[] = [];
  readonly #rotated: Float64Array;
  /** Whether there was no room for the last slots that were to be added. */
  starved = false;

  /** @param limit bytes of native memory beyond which FAISS gets no more codes */
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

  /** Adds a slot of the table. Slots must come in ascending order. */
  add(slot: number): void {
    this.#slots.push(slot);
  }

  search(
    unit: Float32Array,
    wanted: number,
    accept: (slot: number) => boolean,
    promise: SearchPromise,
  ): SlotScore[] {
    return this.#search(unit, wanted + (promise.spare ?? 0), accept, promise);
  }

  #search(
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

  /** Whether FAISS holds all slots, or has no room for more. */
  get isDone(): boolean {
    return this.starved || this.#handed === this.size;
  }

  /** Passes some slots to FAISS. Returns whether FAISS holds all of them, or has no room for more. */
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

  /** Bytes in use, without the vector table. */
  bytes(): number {
    return this.#segments.reduce((sum, { native }) => sum + native.bytes, this.size * 4);
  }

  /** How many slots, from the first, FAISS holds. */
  get #handed(): number {
    const last = this.#segments.at(-1);
    return last ? last.from + last.count : 0;
  }

  /** The segment for the next code; a new one is added to the list once it holds a code. */
  #segmentFor(handed: number): Segment {
    const last = this.#segments.at(-1);
    if (last && last.count < SEGMENT) return last;
    const index = this.faiss.Index.fromFactory(this.coder.signs, "LSH");
    return { index, native: nativeMemory.track(index), from: handed, count: 0, room: 0 };
  }

  /**
   * The share of the best results expected among the nearest codes of each segment: for two vectors at angle a, seen
   * from the center, each sign differs with probability a / pi, and a segment has returned all codes nearer than its
   * last.
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

  /** The distance up to which the slot's segment has returned all codes. */
  #reachFor(slot: number, reaches: readonly Reach[]): number {
    const slots = this.#slots.view();
    const i = this.#segments.findLastIndex(({ from }) => (slots[from] as number) <= slot);
    const reach = reaches[i];
    // Slots that FAISS does not hold are all scanned.
    if (!reach || slot > (slots[this.#handed - 1] as number)) return Number.POSITIVE_INFINITY;
    return reach.done === this.#segments[i]?.count ? Number.POSITIVE_INFINITY : reach.last;
  }

  /** The rotated components whose signs are the code. */
  #numbers(vector: Float32Array, from: number): number[] {
    this.coder.rotate(vector, from, this.#rotated);
    return Array.from(this.#rotated.subarray(0, this.coder.signs));
  }
}

/** The slots of a segment's nearest codes, without those returned before. */
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

/** How many codes there is room for after some were appended. */
function roomAfter(count: number, added: number, room: number): number {
  return count + added <= room ? room : count + Math.max(count, added);
}
