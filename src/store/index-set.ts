/**
 * The vector indexes of a store, one per search scope that is large enough to gain from one.
 *
 * A scope is a namespace prefix. Its index is built at the first search that needs it and then kept up to date;
 * small scopes are scanned. Owns which implementation a scope gets.
 */
import type { Engine } from "./engine.js";
import { type ChosenIndex, chooseIndex } from "./index-kind.js";
import type { NamespaceRow } from "./namespaces.js";
import { namespacePath } from "./operations.js";
import type { Hit, IndexKind, VectorIndex } from "./vector-index.js";
import { FaissIndex, loadFaiss } from "./vector-indexes/faiss.js";
import { FlatIndex, scan } from "./vector-indexes/flat.js";
import { PartitionedIndex, type PartitionState } from "./vector-indexes/partitioned.js";
import type { VectorTable } from "./vector-table.js";

/** Scopes with fewer slots are scanned: below this the call into FAISS costs more than it saves. */
const SCAN_BELOW = 2048;
/** Scopes with this many slots or more are searched approximately. */
const APPROXIMATE_FROM = 20_000;
/** Indexes kept; the least recently used one is dropped. */
const MAX_INDEXES = 64;

export class IndexSet {
  readonly #indexes = new Map<string, VectorIndex>();
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

  /** The kinds of the indexes in memory with their sizes, for stats. */
  describe(): { scope: string; kind: IndexKind; size: number; bytes: number }[] {
    return [...this.#indexes].map(([scope, index]) => ({
      scope,
      kind: index.kind,
      size: index.size,
      bytes: index.bytes(),
    }));
  }

  clear(): void {
    for (const index of this.#indexes.values()) dispose(index);
    this.#indexes.clear();
  }

  /** Resolves when all indexes have finished training. */
  async ready(): Promise<void> {
    for (const index of this.#indexes.values()) if (index instanceof PartitionedIndex) await index.ready();
  }

  /** The trained partitions by scope, for the sidecar. */
  partitions(): [string, PartitionState][] {
    return [...this.#indexes].flatMap(([scope, index]): [string, PartitionState][] => {
      const state = index instanceof PartitionedIndex ? index.state() : null;
      return state ? [[scope, state]] : [];
    });
  }

  /** Puts saved partitions back. */
  restore(table: VectorTable, scope: string, state: PartitionState): void {
    const index = new PartitionedIndex(table);
    index.restore(state);
    this.#indexes.set(scope, index);
  }

  /** Tells the indexes of all enclosing scopes about a new slot. */
  added(slot: number, ns: number): void {
    if (this.#indexes.size === 0) return;
    const { labels } = this.engine.namespaces.get(ns);
    for (let depth = 0; depth <= labels.length; depth++) {
      this.#indexes.get(namespacePath(labels.slice(0, depth)))?.add(slot);
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
    const lists = this.#lists(table, scope);
    const slots = lists.reduce((sum, list) => sum + list.length, 0);
    if (slots >= this.#approximateFrom())
      return this.#indexOf(table, prefix, lists, true).search(unit, k, accept);
    if (slots < (this.engine.options.index?.scanBelow ?? SCAN_BELOW) || this.kind() === "flat")
      return scan(table, lists, unit, k, accept);
    return this.#indexOf(table, prefix, lists, false).search(unit, k, accept);
  }

  #approximateFrom(): number {
    return this.engine.options.index?.approximateFrom ?? APPROXIMATE_FROM;
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

  #lists(table: VectorTable, scope: readonly NamespaceRow[]): Int32Array[] {
    const lists: Int32Array[] = [];
    for (const { id } of scope) {
      const slots = table.slotsOf(id);
      if (slots) lists.push(slots.view());
    }
    return lists;
  }

  #indexOf(
    table: VectorTable,
    prefix: readonly string[],
    lists: readonly Int32Array[],
    large: boolean,
  ): VectorIndex {
    const key = namespacePath(prefix);
    let index = this.#indexes.get(key);
    this.#indexes.delete(key);
    if (!index || (large && index.kind !== "partitioned")) index = this.#build(table, lists, large);
    this.#indexes.set(key, index);
    const oldest = this.#indexes.entries().next();
    if (this.#indexes.size > MAX_INDEXES && !oldest.done) {
      dispose(oldest.value[1]);
      this.#indexes.delete(oldest.value[0]);
    }
    return index;
  }

  #build(table: VectorTable, lists: readonly Int32Array[], large: boolean): VectorIndex {
    const faiss = this.kind() === "faiss" ? loadFaiss() : null;
    const index = large
      ? new PartitionedIndex(table)
      : faiss
        ? new FaissIndex(table, faiss)
        : new FlatIndex(table);
    const slots = lists.length === 1 ? (lists[0] as Int32Array) : merge(lists);
    for (const slot of slots) index.add(slot);
    if (index instanceof PartitionedIndex) index.startTraining();
    return index;
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
