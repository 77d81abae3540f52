/**
 * The vector indexes of a store, one for each search scope that is large enough to gain from one.
 *
 * A scope is a namespace prefix. Its index is built by the searches that need it and kept up to date from then on; other
 * scopes are scanned. Owns which implementation a scope gets, and which indexes are kept.
 */

import { LRUCache } from "lru-cache";
import { type NamespaceRow, type Namespaces, namespacePath } from "../rows/namespaces.js";
import type { StoreIndexOptions } from "./embedder.js";
import { type ChosenIndex, chooseIndex } from "./index-kind.js";
import type { IndexKind, SlotScore, VectorIndex } from "./vector-index.js";
import { FaissIndex, loadFaiss } from "./vector-indexes/faiss.js";
import { scan } from "./vector-indexes/flat.js";
import { nativeMemory } from "./vector-indexes/native-memory.js";
import { PartitionedIndex, type PartitionState } from "./vector-indexes/partitioned.js";
import type { Recall } from "./vector-indexes/recall.js";
import type { VectorTable } from "./vector-table.js";

/** Scopes with fewer slots are scanned: there the call into FAISS costs more than it saves. */
const SCAN_BELOW = 2048;
/** Larger scopes are scanned unless FAISS was asked for: it is no faster there, and holds their vectors a second time. */
const FAISS_UP_TO = 20_000;
/** Scopes with fewer searches so far are scanned: handing vectors to FAISS costs as much as many scans. */
const FAISS_AFTER = 16;
/** Bytes that FAISS may hold. */
const FAISS_BYTES = 128 * 1024 * 1024;
/** An index that none of so many searches used makes room for one that waits for it. */
const IDLE = 1000;
/** Partitioned indexes kept; the least recently used one is dropped. */
const MAX_PARTITIONED = 64;

/** What a search looks at: a namespace prefix, and the namespaces below it. */
export interface Scope {
  prefix: readonly string[];
  namespaces: readonly NamespaceRow[];
}

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
  /** How often each scope was searched that has no index yet. */
  readonly #searched = new LRUCache<string, number>({ maxSize: 10_000, sizeCalculation: () => 1 });
  #searches = 0;
  #chosen: ChosenIndex | null = null;

  constructor(
    private readonly namespaces: Namespaces,
    private readonly options: StoreIndexOptions | undefined,
  ) {}

  /** Which index large scopes get on this machine with these options, and why where it is not FAISS. */
  chosen(): ChosenIndex {
    this.#chosen ??= chooseIndex(this.options?.kind);
    return this.#chosen;
  }

  /** "faiss" or "flat". */
  kind(): "faiss" | "flat" {
    return this.chosen().kind;
  }

  /** The indexes in memory, for statistics; measures the recall of the approximate ones. */
  async describe(): Promise<IndexStats[]> {
    const out: IndexStats[] = [];
    for (const [scope, { index }] of [...this.#indexes]) {
      const recall = index instanceof PartitionedIndex ? await index.recall() : null;
      out.push({ scope, kind: index.kind, size: index.size, exact: index.exact, recall });
    }
    return out;
  }

  /** Bytes of all indexes beside the vector table. */
  bytes(): number {
    return [...this.#indexes.values()].reduce((sum, { index }) => sum + index.bytes(), 0);
  }

  /** Bytes that FAISS holds for all stores of this process, with those dropped but not yet collected; and the limit. */
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

  /** Takes over saved partitions, unless a scope of that size is searched exactly. */
  restore(table: VectorTable, scope: string, state: PartitionState): void {
    const index = new PartitionedIndex(table);
    index.restore(state);
    if (index.size >= this.#approximateFrom()) this.#indexes.set(scope, { index, used: 0 });
  }

  /** Adds a new slot to the indexes of all enclosing scopes. */
  add(slot: number, ns: number): void {
    if (this.#indexes.size === 0) return;
    const { labels } = this.namespaces.get(ns);
    for (let depth = 0; depth <= labels.length; depth++) {
      this.#indexes.get(namespacePath(labels.slice(0, depth)))?.index.add(slot);
    }
  }

  /** The best `k` version rows of a scope, by the index that suits it. */
  search(
    table: VectorTable,
    scope: Scope,
    unit: Float32Array,
    k: number,
    accept: (slot: number) => boolean,
  ): SlotScore[] {
    if (k < 1) return [];
    this.#searches++;
    const lists = slotLists(table, scope);
    const slots = lists.reduce((sum, list) => sum + list.length, 0);
    const key = namespacePath(scope.prefix);
    if (slots >= this.#approximateFrom()) return this.#partitioned(table, key, lists).search(unit, k, accept);
    const faiss = this.#faiss(table, key, lists, slots);
    if (!faiss) return scan(table, lists, unit, k, accept);
    const hits = faiss.search(unit, k, accept);
    if (faiss.starved) this.#dropIdle();
    return hits;
  }

  #approximateFrom(): number {
    return this.options?.approximateFrom ?? Number.POSITIVE_INFINITY;
  }

  #limit(): number {
    return this.options?.faissBytes ?? FAISS_BYTES;
  }

  /** The FAISS index of a scope; null where a scan is better. */
  #faiss(table: VectorTable, key: string, lists: readonly Int32Array[], slots: number): FaissIndex | null {
    const { kind, insists } = this.chosen();
    if (kind === "flat" || slots < (this.options?.scanBelow ?? SCAN_BELOW)) return null;
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
    // An index that holds nothing is a scan, so a new one is worth having only while there is room.
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

  /** Drops the least recently used FAISS index if it is idle. Its memory is freed when it is collected. */
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

/** The best `k` version rows of a scope by a scan of all of it: exact, whatever index the scope has. */
export function scanScope(
  table: VectorTable,
  scope: Scope,
  unit: Float32Array,
  k: number,
  accept: (slot: number) => boolean,
): SlotScore[] {
  return scan(table, slotLists(table, scope), unit, k, accept);
}

function slotLists(table: VectorTable, { namespaces }: Scope): Int32Array[] {
  const lists: Int32Array[] = [];
  for (const { id } of namespaces) {
    const slots = table.slotsOf(id);
    if (slots) lists.push(slots.view());
  }
  return lists;
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
