/**
 * Approximate search of large scopes: partitions around trained centers, of which the most promising are scanned.
 *
 * Scores come from the stored vectors, so the score of a found item is exact; only which items are found is approximate.
 * While it trains, and until it has caught up, it scans everything (exact).
 */

import { IntegerList } from "../columns.js";
import type { SlotScore, VectorIndex } from "../vector-index.js";
import { dot } from "../vector-math.js";
import type { VectorTable } from "../vector-table.js";
import { assign, type Clusters, type Source, train } from "./clusters.js";
import { scan } from "./flat.js";
import { type Find, measureRecall, type Recall } from "./recall.js";
import { Scorer, TopVersions } from "./top-hits.js";

/** Share of the scope that a search looks at, and its least number of slots. */
const SCAN_SHARE = 0.02;
const SCAN_LEAST = 1000;
/** Trains again when the scope has grown by this factor. */
const RETRAIN = 4;
/** Queries remembered, to measure recall with. */
const ASKED = 32;

/** What a partitioned index saves: centers and the slots of each partition. */
export interface PartitionState {
  clusters: Clusters;
  trainedOn: number;
  lists: Int32Array[];
}

export class PartitionedIndex implements VectorIndex {
  readonly kind = "partitioned";
  readonly #all = new IntegerList();
  #clusters: Clusters | null = null;
  #lists: IntegerList[] = [];
  #trainedOn = 0;
  #training: Promise<void> | null = null;
  #disposed = false;
  /** The last queries, for measuring recall. */
  readonly #asked: Float32Array[] = [];
  #measured: { stamp: string; recall: Recall } | null = null;

  constructor(private readonly table: VectorTable) {}

  get exact(): boolean {
    return this.#clusters === null;
  }

  get size(): number {
    return this.#all.length;
  }

  add(slot: number): void {
    this.#all.push(slot);
    if (this.#clusters) this.#place(this.#clusters, this.#lists, slot);
    if (this.#clusters && this.size > this.#trainedOn * RETRAIN) this.startTraining();
  }

  /** Trains in the background unless it does already. */
  startTraining(): void {
    this.#training ??= this.#train().finally(() => {
      this.#training = null;
    });
    this.#training.catch(() => undefined);
  }

  /** Resolves when no training is running. */
  async ready(): Promise<void> {
    await this.#training;
  }

  /** Stops training; the index is not used any more. */
  dispose(): void {
    this.#disposed = true;
  }

  search(unit: Float32Array, k: number, accept: (slot: number) => boolean): SlotScore[] {
    if (!this.#asked.includes(unit)) this.#asked.push(unit);
    if (this.#asked.length > ASKED) this.#asked.shift();
    return this.#find(unit, k, accept);
  }

  /** Its recall on this scope, measured again when it was trained, grew or was searched since; null while exact. */
  async recall(): Promise<Recall | null> {
    if (!this.#clusters) return null;
    const stamp = `${this.#trainedOn}/${Math.round(Math.log2(this.size) * 10)}/${this.#asked.length}`;
    if (this.#measured?.stamp !== stamp) {
      const exact: Find = (unit, k, accept) => scan(this.table, [this.#all.view()], unit, k, accept);
      const find: Find = (unit, k, accept) => this.#find(unit, k, accept);
      const asked = [...this.#asked];
      this.#measured = {
        stamp,
        recall: await measureRecall(this.table, this.#all.view(), asked, find, exact),
      };
    }
    return this.#measured.recall;
  }

  #find(unit: Float32Array, k: number, accept: (slot: number) => boolean): SlotScore[] {
    const clusters = this.#clusters;
    if (!clusters) return scan(this.table, [this.#all.view()], unit, k, accept);
    const order = orderBy(clusters, unit);
    const budget = Math.max(SCAN_LEAST, this.size * SCAN_SHARE, k * 20);
    const top = new TopVersions(this.table, k);
    const scorer = new Scorer(this.table, unit, accept, (slot, score) => top.offer(slot, score));
    for (const c of order) {
      scorer.add((this.#lists[c] as IntegerList).view());
      if (scorer.seen < budget) continue;
      // Items with many vectors use up the budget with few items: then the search goes on until there are enough.
      scorer.flush();
      if (top.full) break;
    }
    scorer.flush();
    return top.finish();
  }

  bytes(): number {
    return this.#all.length * 8 + (this.#clusters ? this.#clusters.count * this.table.dims * 4 : 0);
  }

  /** What to save; null while untrained. */
  state(): PartitionState | null {
    if (!this.#clusters) return null;
    return {
      clusters: this.#clusters,
      trainedOn: this.#trainedOn,
      lists: this.#lists.map((list) => list.view()),
    };
  }

  /** Takes over a saved state instead of training. */
  restore({ clusters, trainedOn, lists }: PartitionState): void {
    this.#clusters = clusters;
    this.#trainedOn = trainedOn;
    this.#lists = lists.map((list) => IntegerList.from(list));
    const slots = lists.flatMap((list) => [...list]).sort((a, b) => a - b);
    for (const slot of slots) this.#all.push(slot);
  }

  async #train(): Promise<void> {
    const slots = this.#all.view().slice();
    const source: Source = {
      length: slots.length,
      chunk: (i) => this.table.chunkOf(slots[i] as number),
      offset: (i) => this.table.offsetOf(slots[i] as number),
    };
    const steps = train(source, this.table.dims, Math.round(Math.sqrt(slots.length) * 1.3));
    let step = steps.next();
    while (!step.done) {
      await pause();
      if (this.#disposed) return;
      step = steps.next();
    }
    const clusters: Clusters = step.value;
    const lists = Array.from({ length: clusters.count }, () => new IntegerList());
    // Slots added meanwhile are in #all, so the loop runs to its present end.
    for (let i = 0; i < this.#all.length; i++) {
      this.#place(clusters, lists, this.#all.view()[i] as number);
      if (i % 500 === 499) await pause();
      if (this.#disposed) return;
    }
    this.#clusters = clusters;
    this.#lists = lists;
    this.#trainedOn = slots.length;
  }

  #place(clusters: Clusters, lists: IntegerList[], slot: number): void {
    const c = assign(clusters, this.table.chunkOf(slot), this.table.offsetOf(slot));
    lists[c]?.push(slot);
  }
}

const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Partitions by the cosine of their center with the query, best first; picked one by one, as few are needed. */
function* orderBy({ centers, count, dims }: Clusters, unit: Float32Array): Generator<number> {
  const scores = new Float64Array(count);
  for (let c = 0; c < count; c++) scores[c] = dot(centers, c * dims, unit, dims);
  for (let picked = 0; picked < count; picked++) {
    let best = 0;
    for (let c = 1; c < count; c++) if ((scores[c] as number) > (scores[best] as number)) best = c;
    yield best;
    scores[best] = Number.NEGATIVE_INFINITY;
  }
}
