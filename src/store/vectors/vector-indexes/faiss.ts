/**
 * Exact search with FAISS (`IndexFlatIP` of faiss-node), rescored from the vector table.
 *
 * FAISS holds as many of the slots as the limit of native memory allows, the first ones; the others are scanned.
 * faiss-node aborts the process on a FAISS exception outside of `read`, and its `k`, array lengths and dimension are
 * unsigned. So this file calls only the constructor, `add`, and `search` with one query and 1 <= k <= ntotal, with finite
 * numbers of the right count. (Twenty queries or more at once would enter BLAS, which a build may lack; `removeIds`,
 * `mergeFrom`, `train` and `write` are never called.)
 */
import { type Addon, requireAddon } from "../../addons.js";
import { IntegerList } from "../columns.js";
import type { SlotScore, VectorIndex } from "../vector-index.js";
import type { VectorTable } from "../vector-table.js";
import { scan } from "./flat.js";
import { type NativeShare, nativeMemory } from "./native-memory.js";
import { Scorer, TopHits } from "./top-hits.js";

interface FaissFlat {
  add(vectors: number[]): void;
  search(query: number[], k: number): { distances: number[]; labels: number[] };
  ntotal(): number;
}
interface FaissModule {
  IndexFlatIP: new (dims: number) => FaissFlat;
}

/** Results within this distance of the k-th score may be in another order in single precision. */
const TIE = 1e-5;
/** Beyond this many candidates per wanted result the plain scan is cheaper than FAISS. */
const WIDEN_LIMIT = 64;

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

/** Slots handed to FAISS at once: each call copies number by number and leaves garbage. */
const PIECE = 256;
/** Slots handed over by one search at most; the rest is scanned until later ones have taken it. */
const PER_SEARCH = 1024;

export class FaissIndex implements VectorIndex {
  readonly kind = "faiss";
  readonly exact = true;
  readonly #slots = new IntegerList();
  readonly #index: FaissFlat;
  readonly #native: NativeShare;
  /** How many of the slots, the first ones, FAISS holds. */
  #handed = 0;
  /** Vectors that FAISS has room for. */
  #room = 0;
  /** Whether the last search could not hand over what it wanted. */
  starved = false;

  /** @param limit bytes of native memory beyond which nothing more is handed to FAISS */
  constructor(
    private readonly table: VectorTable,
    faiss: FaissModule,
    private readonly limit: number,
  ) {
    this.#index = new faiss.IndexFlatIP(table.dims);
    this.#native = nativeMemory.track(this.#index);
  }

  get size(): number {
    return this.#slots.length;
  }

  add(slot: number): void {
    this.#slots.push(slot);
  }

  search(unit: Float32Array, k: number, accept: (slot: number) => boolean): SlotScore[] {
    if (k < 1 || this.size === 0) return [];
    this.#handOver();
    const slots = this.#slots.view();
    const rest = slots.subarray(this.#handed);
    if (this.#handed > 0) {
      const query = new Array<number>(unit.length);
      for (let i = 0; i < unit.length; i++) query[i] = unit[i] as number;
      for (let wanted = k + 4; ; wanted *= 4) {
        const n = Math.min(wanted, this.#handed);
        if (n > k * WIDEN_LIMIT + 256) break;
        const { labels, distances } = this.#index.search(query, n);
        const hits = this.#rescore(labels, rest, unit, k, accept);
        const last = distances[n - 1] as number;
        const kth = hits[k - 1];
        if (n === this.#handed || (kth && last < kth.score - TIE)) return hits;
      }
    }
    return scan(this.table, [slots], unit, k, accept);
  }

  bytes(): number {
    return this.#slots.length * 4 + this.#native.bytes;
  }

  /** The best of what FAISS found and of the slots it does not hold. */
  #rescore(
    labels: number[],
    rest: Int32Array,
    unit: Float32Array,
    k: number,
    accept: (slot: number) => boolean,
  ): SlotScore[] {
    const slots = this.#slots.view();
    const found: number[] = [];
    for (const label of labels) if (slots[label] !== undefined) found.push(slots[label] as number);
    found.sort((a, b) => a - b);
    const top = new TopHits(this.table, k);
    const scorer = new Scorer(this.table, unit, accept, (slot, score) => top.offer(slot, score));
    scorer.add(found);
    // Later slots than those found, so that the slots of one version row still follow each other.
    scorer.add(rest);
    scorer.flush();
    return top.finish();
  }

  #handOver(): void {
    const { dims } = this.table;
    const slots = this.#slots.view();
    const end = Math.min(slots.length, this.#handed + PER_SEARCH);
    this.starved = false;
    while (this.#handed < end && !this.starved) {
      const piece = slots.subarray(this.#handed, Math.min(end, this.#handed + PIECE));
      const room = roomAfter(this.#handed, piece.length, this.#room);
      const grown = nativeMemory.grow(this.#native, room * dims * 4, this.limit, () => {
        this.#index.add(this.#numbers(piece));
      });
      if (!grown) this.starved = true;
      else {
        this.#room = room;
        this.#handed += piece.length;
      }
    }
  }

  #numbers(slots: Int32Array): number[] {
    const { dims } = this.table;
    const numbers = new Array<number>(slots.length * dims);
    slots.forEach((slot, i) => {
      const vector = this.table.vector(slot);
      for (let j = 0; j < dims; j++) numbers[i * dims + j] = vector[j] as number;
    });
    return numbers;
  }
}

/** Vectors there is room for after some were appended: FAISS keeps them in a `std::vector`, which doubles. */
function roomAfter(size: number, added: number, room: number): number {
  return size + added <= room ? room : size + Math.max(size, added);
}
