/**
 * The vector indexes of a store, one per search scope that is large enough to gain from one.
 *
 * A scope is a namespace prefix. Its index is built by searches that need it and then kept up to date; other
 * scopes are scanned. Owns which implementation a scope gets, and which ones are kept.
 */
import { BoundedMap } from "../../lib/bounded-map.js";
import type { Engine } from "../engine.js";
import { namespacePath } from "../operations.js";
import type { NamespaceRow } from "../rows/namespaces.js";
import { type ChosenIndex, chooseIndex } from "./index-kind.js";
import type { Hit, IndexKind, VectorIndex } from "./vector-index.js";
import { FaissIndex, loadFaiss } from "./vector-indexes/faiss.js";
import { scan } from "./vector-indexes/flat.js";
import { nativeMemory } from "./vector-indexes/native-memory.js";
import { PartitionedIndex, type PartitionState } from "./vector-indexes/partitioned.js";
import type { Recall } from "./vector-indexes/recall.js";
import type { VectorTable } from "./vector-table.js";

/** Scopes with fewer slots are scanned: below this the call into FAISS costs more than it saves. */
const SCAN_BELOW = 2048;
/** Without being told to use FAISS, larger scopes are scanned: it is no faster there, and holds them a second time. */
const FAISS_UP_TO = 20_000;
/** And so are scopes that had fewer searches: handing vectors to FAISS costs as much as many scans. */
const FAISS_AFTER = 16;
/** Bytes that FAISS may hold. */
export const FAISS_BYTES = 128 * 1024 * 1024;
/** Searches after which an index that had none of them makes room for one that is waiting for it. */
const IDLE = 1000;
/** Partitioned indexes kept; the least recently used one is dropped. */
const MAX_PARTITIONED = 64;

interface Held {
  index: VectorIndex;
  /** Number of the last search that used it. */
  used: number;
}

/** An index in memory, for people and monitoring. */
export interface IndexStats {
  /** Namespace prefix as JSON. */
  scope: string;
  kind: IndexKind;
  /** Vectors held. */
  size: number;
  /** Whether a search is sure to find the best. */
  exact: boolean;
  /** Recall at 10 measured on this scope; null for exact indexes. */
  recall: Recall | null;
}

export class IndexSet {
  /** By scope, the least recently used first. */
  readonly #indexes = new Map<string, Held>();
  readonly #searched = new BoundedMap<string, number>(10_000);
  #searches = 0;
  #chosen: ChosenIndex | null = null;

  constructor(private readonly engine: Engine) {}

  /** What large scopes get on this machine with these options, and why when it is not FAISS. */
  chosen(): ChosenIndex {
    this.#chosen ??= chooseIndex(this.engine.options.index?.kind);
    return this.#chosen;
  }

  /** "faiss" or "flat". */
  kind(): "faiss" | "flat" {
    return this.chosen().kind;
  }

  /** The indexes in memory, for stats; measures the recall of the approximate ones. */
  async describe(): Promise<IndexStats[]> {
    const out: IndexStats[] = [];
    for (const [scope, { index }] of [...this.#indexes]) {
      const recall = index instanceof PartitionedIndex ? await index.recall() : null;
      out.push({ scope, kind: index.kind, size: index.size, exact: index.exact, recall });
    }
    return out;
  }

  /** Bytes of all indexes, beside the vector table. */
  bytes(): number {
    return [...this.#indexes.values()].reduce((sum, { index }) => sum + index.bytes(), 0);
  }

  /** Bytes that FAISS holds for all stores of this process, dropped and not yet collected ones too, and the limit. */
  native(): { bytes: number; limit: number } {
    return { bytes: nativeMemory.bytes, limit: this.#limit() };
  }

  clear(): void {
    for (const { index } of this.#indexes.values()) dispose(index);
    this.#indexes.clear();
  }

  /** Resolves when all indexes have finished training. */
  async ready(): Promise<void> {
    for (const { index } of [...this.#indexes.values()])
      if (index instanceof PartitionedIndex) await index.ready();
  }

  /** The trained partitions by scope, for the sidecar. */
  partitions(): [string, PartitionState][] {
    return [...this.#indexes].flatMap(([scope, { index }]): [string, PartitionState][] => {
      const state = index instanceof PartitionedIndex ? index.state() : null;
      return state ? [[scope, state]] : [];
    });
  }

  /** Puts saved partitions back, unless this handle searches such a scope exactly. */
  restore(table: VectorTable, scope: string, state: PartitionState): void {
    const index = new PartitionedIndex(table);
    index.restore(state);
    if (index.size >= this.#approximateFrom()) this.#indexes.set(scope, { index, used: 0 });
  }

  /** Tells the indexes of all enclosing scopes about a new slot. */
  added(slot: number, ns: number): void {
    if (this.#indexes.size === 0) return;
    const { labels } = this.engine.namespaces.get(ns);
    for (let depth = 0; depth <= labels.length; depth++) {
      this.#indexes.get(namespacePath(labels.slice(0, depth)))?.index.add(slot);
    }
  }

  /** Best hits of a scope. */
  search(
    prefix: readonly string[],
    scope: readonly NamespaceRow[],
    unit: Float32Array,
    k: number,
    accept: (slot: number) => boolean,
  ): Hit[] {
    const { table } = this.engine;
    if (!table || k < 1) return [];
    this.#searches++;
    const lists = this.#lists(table, scope);
    const slots = lists.reduce((sum, list) => sum + list.length, 0);
    const key = namespacePath(prefix);
    if (slots >= this.#approximateFrom()) return this.#partitioned(table, key, lists).search(unit, k, accept);
    const faiss = this.#faiss(table, key, lists, slots);
    if (!faiss) return scan(table, lists, unit, k, accept);
    const hits = faiss.search(unit, k, accept);
    if (faiss.starved) this.#dropIdle();
    return hits;
  }

  /** Best hits of a scope by scanning all of it: exact whatever the index. */
  scan(
    scope: readonly NamespaceRow[],
    unit: Float32Array,
    k: number,
    accept: (slot: number) => boolean,
  ): Hit[] {
    const { table } = this.engine;
    return table ? scan(table, this.#lists(table, scope), unit, k, accept) : [];
  }

  #approximateFrom(): number {
    return this.engine.options.index?.approximateFrom ?? Number.POSITIVE_INFINITY;
  }

  #limit(): number {
    return this.engine.options.index?.faissBytes ?? FAISS_BYTES;
  }

  #lists(table: VectorTable, scope: readonly NamespaceRow[]): Int32Array[] {
    const lists: Int32Array[] = [];
    for (const { id } of scope) {
      const slots = table.slotsOf(id);
      if (slots) lists.push(slots.view());
    }
    return lists;
  }

  /** The FAISS index of a scope; null where a scan is the better choice. */
  #faiss(table: VectorTable, key: string, lists: readonly Int32Array[], slots: number): FaissIndex | null {
    const { kind, insists } = this.chosen();
    if (kind === "flat" || slots < (this.engine.options.index?.scanBelow ?? SCAN_BELOW)) return null;
    if (!insists && slots >= FAISS_UP_TO) {
      this.#indexes.delete(key);
      return null;
    }
    const known = this.#use(key);
    if (known instanceof FaissIndex) return known;
    const searched = (this.#searched.get(key) ?? 0) + 1;
    this.#searched.set(key, searched);
    const faiss = insists || searched >= FAISS_AFTER ? loadFaiss() : null;
    if (!faiss) return null;
    // An index that holds nothing yet is a scan, so one is worth having only while there is room.
    if (nativeMemory.bytes >= this.#limit()) {
      this.#dropIdle();
      return null;
    }
    return this.#keep(key, new FaissIndex(table, faiss, this.#limit()), lists);
  }

  #partitioned(table: VectorTable, key: string, lists: readonly Int32Array[]): PartitionedIndex {
    const known = this.#use(key);
    if (known instanceof PartitionedIndex) return known;
    const index = this.#keep(key, new PartitionedIndex(table), lists);
    index.startTraining();
    const partitioned = [...this.#indexes].filter(([, held]) => held.index instanceof PartitionedIndex);
    const oldest = partitioned[0];
    if (oldest && partitioned.length > MAX_PARTITIONED) this.#drop(oldest[0], oldest[1]);
    return index;
  }

  /** The index of a scope, now the most recently used one. */
  #use(key: string): VectorIndex | undefined {
    const held = this.#indexes.get(key);
    if (!held) return undefined;
    held.used = this.#searches;
    this.#indexes.delete(key);
    this.#indexes.set(key, held);
    return held.index;
  }

  #keep<I extends VectorIndex>(key: string, index: I, lists: readonly Int32Array[]): I {
    const slots = lists.length === 1 ? (lists[0] as Int32Array) : merge(lists);
    for (const slot of slots) index.add(slot);
    this.#indexes.set(key, { index, used: this.#searches });
    return index;
  }

  /** Drops the FAISS index that was not used for longest, if that is long. Its memory comes free when it is collected. */
  #dropIdle(): void {
    for (const [scope, held] of this.#indexes) {
      if (!(held.index instanceof FaissIndex)) continue;
      if (this.#searches - held.used >= IDLE) this.#drop(scope, held);
      return;
    }
  }

  #drop(scope: string, { index }: Held): void {
    dispose(index);
    this.#indexes.delete(scope);
  }
}

function merge(lists: readonly Int32Array[]): Int32Array {
  const out = new Int32Array(lists.reduce((sum, list) => sum + list.length, 0));
  let at = 0;
  for (const list of lists) {
    out.set(list, at);
    at += list.length;
  }
  return out.sort();
}

function dispose(index: VectorIndex): void {
  if (index instanceof PartitionedIndex) index.dispose();
}
