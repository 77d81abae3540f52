/** Keeps the best k version rows of a stream of scored slots. Pure. */
import type { SlotScore } from "../vector-index.js";
import { SEES_ALL, type VectorTable } from "../vector-table.js";

/**
 * A bounded heap of slots with the worst one on top. The consecutive slots of a version row count once, with their best
 * score. Order: score descending, then creation (`born`) ascending.
 */
export class TopHits {
  readonly #slots: number[] = [];
  readonly #scores: number[] = [];
  #lastVersion = -1;
  #lastSlot = -1;
  #lastScore = 0;
  /** The worst kept score once k are kept. */
  #floor = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly table: VectorTable,
    private readonly k: number,
  ) {}

  /** Offers a slot. The slots of a version row must be offered one after the other. */
  offer(slot: number, score: number): void {
    // Too low to be kept, whatever the row's other slots score.
    if (score < this.#floor) return;
    const version = this.table.version.at(slot);
    if (version === this.#lastVersion) {
      if (score > this.#lastScore) {
        this.#lastScore = score;
        this.#lastSlot = slot;
      }
      return;
    }
    this.#flush();
    this.#lastVersion = version;
    this.#lastSlot = slot;
    this.#lastScore = score;
  }

  /** The kept hits, best first. */
  finish(): SlotScore[] {
    this.#flush();
    this.#lastVersion = -1;
    const hits = this.#slots.map((slot, i) => ({ slot, score: this.#scores[i] as number }));
    return hits.sort((a, b) => b.score - a.score || this.table.born.at(a.slot) - this.table.born.at(b.slot));
  }

  #flush(): void {
    if (this.#lastVersion !== -1) this.#keep(this.#lastSlot, this.#lastScore);
  }

  #keep(slot: number, score: number): void {
    const slots = this.#slots;
    if (slots.length < this.k) {
      slots.push(slot);
      this.#scores.push(score);
      this.#rise(slots.length - 1);
    } else if (this.k > 0 && this.#worse(slots[0] as number, this.#scores[0] as number, slot, score)) {
      slots[0] = slot;
      this.#scores[0] = score;
      this.#sink();
    }
    if (slots.length === this.k && this.k > 0) this.#floor = this.#scores[0] as number;
  }

  #worse(slotA: number, scoreA: number, slotB: number, scoreB: number): boolean {
    if (scoreA !== scoreB) return scoreA < scoreB;
    return this.table.born.at(slotA) > this.table.born.at(slotB);
  }

  #worseAt(a: number, b: number): boolean {
    return this.#worse(
      this.#slots[a] as number,
      this.#scores[a] as number,
      this.#slots[b] as number,
      this.#scores[b] as number,
    );
  }

  #swap(a: number, b: number): void {
    [this.#slots[a], this.#slots[b]] = [this.#slots[b] as number, this.#slots[a] as number];
    [this.#scores[a], this.#scores[b]] = [this.#scores[b] as number, this.#scores[a] as number];
  }

  #rise(start: number): void {
    let at = start;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#worseAt(at, parent)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #sink(): void {
    let at = 0;
    for (;;) {
      let worst = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < this.#slots.length && this.#worseAt(child, worst)) worst = child;
      }
      if (worst === at) return;
      this.#swap(at, worst);
      at = worst;
    }
  }
}

/** {@link TopHits} for slots in any order: keeps the best slot of each version row, so that k hits are k items. */
export class TopVersions {
  #best = new Map<number, SlotScore>();
  /** No score below this one can be among the best k. */
  #floor = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly table: VectorTable,
    private readonly k: number,
  ) {}

  /** Whether k version rows have been offered. */
  get full(): boolean {
    return this.#best.size >= this.k;
  }

  offer(slot: number, score: number): void {
    if (score < this.#floor) return;
    const version = this.table.version.at(slot);
    const known = this.#best.get(version);
    if (known && known.score >= score) return;
    this.#best.set(version, { slot, score });
    if (this.#best.size > this.k * 4 + 64) this.#cut();
  }

  /** The kept hits, best first. */
  finish(): SlotScore[] {
    const { born } = this.table;
    const hits = [...this.#best.values()];
    return hits.sort((a, b) => b.score - a.score || born.at(a.slot) - born.at(b.slot)).slice(0, this.k);
  }

  #cut(): void {
    const kept = this.finish();
    this.#best = new Map(kept.map((hit) => [this.table.version.at(hit.slot), hit]));
    this.#floor = kept[this.k - 1]?.score ?? this.#floor;
  }
}

const BLOCK = 256;

/** Scores the accepted slots in some lists, block by block, and passes each of them to `offer`. */
export class Scorer {
  readonly #slots = new Int32Array(BLOCK);
  readonly #scores = new Float64Array(BLOCK);
  readonly #unit: Float64Array;
  #filled = 0;
  /** Slots scored or waiting. */
  seen = 0;

  constructor(
    private readonly table: VectorTable,
    unit: Float32Array,
    private readonly accept: (slot: number) => boolean,
    private readonly offer: (slot: number, score: number) => void,
  ) {
    this.#unit = new Float64Array(unit);
  }

  add(list: Int32Array | readonly number[]): void {
    if (this.accept === SEES_ALL && list instanceof Int32Array) {
      this.#addAll(list);
      return;
    }
    for (let i = 0; i < list.length; i++) {
      const slot = list[i] as number;
      if (!this.accept(slot)) continue;
      this.#slots[this.#filled++] = slot;
      this.seen++;
      if (this.#filled === BLOCK) this.flush();
    }
  }

  /** Scores the slots still waiting. Call at the end. */
  flush(): void {
    this.#score(this.#slots, this.#filled);
    this.#filled = 0;
  }

  #addAll(list: Int32Array): void {
    this.flush();
    this.seen += list.length;
    for (let i = 0; i < list.length; i += BLOCK) {
      const part = list.subarray(i, i + BLOCK);
      this.#score(part, part.length);
    }
  }

  #score(slots: Int32Array, count: number): void {
    if (count === 0) return;
    this.table.scores(slots, count, this.#unit, this.#scores);
    for (let i = 0; i < count; i++) {
      const score = this.#scores[i] as number;
      // A vector that is damaged in memory's file may have no cosine, and nothing is better or worse than that.
      if (!Number.isNaN(score)) this.offer(slots[i] as number, score);
    }
  }
}
