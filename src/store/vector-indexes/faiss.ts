/**
 * Exact search with FAISS (`IndexFlatIP` of faiss-node), rescored from the vector table.
 *
 * faiss-node ends the process on a FAISS exception outside of `read`, and its `k`, array length and dimension
 * are unsigned: so this file calls only the constructor, `add`, `search` with one query and 1 <= k <= ntotal,
 * with finite numbers of the right count. (Twenty queries or more at once would enter BLAS, which a build may
 * lack; `removeIds`, `mergeFrom`, `train` and `write` are never called.)
 */
import { type Addon, requireAddon } from "../addons.js";
import { IntegerList } from "../columns.js";
import { Scorer, TopHits } from "../top-hits.js";
import type { Hit, VectorIndex } from "../vector-index.js";
import type { VectorTable } from "../vector-table.js";
import { scan } from "./flat.js";

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

export class FaissIndex implements VectorIndex {
  readonly kind = "faiss";
  readonly exact = true;
  readonly #slots = new IntegerList();
  readonly #index: FaissFlat;
  #pending: number[] = [];

  constructor(
    private readonly table: VectorTable,
    faiss: FaissModule,
  ) {
    this.#index = new faiss.IndexFlatIP(table.dims);
  }

  get size(): number {
    return this.#slots.length;
  }

  add(slot: number): void {
    this.#slots.push(slot);
    this.#pending.push(slot);
  }

  search(unit: Float32Array, k: number, accept: (slot: number) => boolean): Hit[] {
    if (k < 1 || this.size === 0) return [];
    this.#flush();
    const query = new Array<number>(unit.length);
    for (let i = 0; i < unit.length; i++) query[i] = unit[i] as number;
    const slots = this.#slots.view();
    let wanted = k + 4;
    for (;;) {
      const n = Math.min(wanted, slots.length);
      if (n > k * WIDEN_LIMIT + 256) break;
      const { labels, distances } = this.#index.search(query, n);
      const hits = this.#rescore(labels, slots, unit, k, accept);
      const last = distances[n - 1] as number;
      const kth = hits[k - 1];
      if (n === slots.length || (kth && last < kth.score - TIE)) return hits;
      wanted = n * 4;
    }
    return scan(this.table, [slots], unit, k, accept);
  }

  bytes(): number {
    return this.#slots.length * (4 + this.table.dims * 4);
  }

  #rescore(
    labels: number[],
    slots: Int32Array,
    unit: Float32Array,
    k: number,
    accept: (slot: number) => boolean,
  ): Hit[] {
    const found: number[] = [];
    for (const label of labels) if (slots[label] !== undefined) found.push(slots[label] as number);
    found.sort((a, b) => a - b);
    const top = new TopHits(this.table, k);
    const scorer = new Scorer(this.table, unit, accept, (slot, score) => top.offer(slot, score));
    scorer.add(found);
    scorer.flush();
    return top.finish();
  }

  #flush(): void {
    if (this.#pending.length === 0) return;
    const { dims } = this.table;
    // Each add copies number by number and leaves garbage, so large loads go in pieces.
    for (let from = 0; from < this.#pending.length; from += 256) {
      const piece = this.#pending.slice(from, from + 256);
      const numbers = new Array<number>(piece.length * dims);
      piece.forEach((slot, i) => {
        const vector = this.table.vector(slot);
        for (let j = 0; j < dims; j++) numbers[i * dims + j] = vector[j] as number;
      });
      this.#index.add(numbers);
    }
    this.#pending = [];
  }
}
