/**
 * The vector indexes of a store, one per search scope that is large enough to gain from one.
 *
 * A scope is a namespace prefix. Its index is built at the first search that needs it and then kept up to date;
 * small scopes are scanned. Owns which implementation a scope gets.
 */
import { ConfigError } from "../errors.js";
import type { Engine } from "./engine.js";
import type { NamespaceRow } from "./namespaces.js";
import { namespacePath } from "./operations.js";
import type { Hit, IndexKind, VectorIndex } from "./vector-index.js";
import { FaissIndex, faissFailure, loadFaiss } from "./vector-indexes/faiss.js";
import { FlatIndex, scan } from "./vector-indexes/flat.js";
import type { VectorTable } from "./vector-table.js";

/** Scopes with fewer slots are scanned: below this the call into FAISS costs more than it saves. */
const SCAN_BELOW = 384;
/** Indexes kept; the least recently used one is dropped. */
const MAX_INDEXES = 64;

export class IndexSet {
  readonly #indexes = new Map<string, VectorIndex>();
  #kind: "faiss" | "flat" | null = null;

  constructor(private readonly engine: Engine) {}

  /** "faiss" or "flat": what large scopes get on this machine with these options. */
  kind(): "faiss" | "flat" {
    this.#kind ??= resolveKind(this.engine.options.index?.kind ?? "auto");
    return this.#kind;
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
    this.#indexes.clear();
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
    if (slots < (this.engine.options.index?.scanBelow ?? SCAN_BELOW) || this.kind() === "flat")
      return scan(table, lists, unit, k, accept);
    return this.#indexOf(table, prefix, lists).search(unit, k, accept);
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

  #indexOf(table: VectorTable, prefix: readonly string[], lists: readonly Int32Array[]): VectorIndex {
    const key = namespacePath(prefix);
    let index = this.#indexes.get(key);
    if (index) this.#indexes.delete(key);
    else index = this.#build(table, lists);
    this.#indexes.set(key, index);
    const oldest = this.#indexes.keys().next();
    if (this.#indexes.size > MAX_INDEXES && !oldest.done) this.#indexes.delete(oldest.value);
    return index;
  }

  #build(table: VectorTable, lists: readonly Int32Array[]): VectorIndex {
    const faiss = this.kind() === "faiss" ? loadFaiss() : null;
    const index = faiss ? new FaissIndex(table, faiss) : new FlatIndex(table);
    const slots =
      lists.length === 1
        ? (lists[0] as Int32Array)
        : Int32Array.from(lists.flatMap((list) => [...list])).sort();
    for (const slot of slots) index.add(slot);
    return index;
  }
}

function resolveKind(option: "auto" | "faiss" | "flat"): "faiss" | "flat" {
  const forced = process.env.AGEMEM_INDEX;
  if (forced !== undefined && forced !== "" && forced !== "flat" && forced !== "faiss" && forced !== "auto") {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", `AGEMEM_INDEX is "${forced}"`, {
      remedy: "Set it to auto, faiss or flat.",
    });
  }
  const wanted = forced || option;
  if (wanted === "flat") return "flat";
  if (loadFaiss()) return "faiss";
  if (wanted === "auto") return "flat";
  throw new ConfigError(
    "AGEMEM_PACKAGE_MISSING",
    "The faiss index needs the package faiss-node, which does not load",
    {
      cause: faissFailure(),
      remedy:
        'Install faiss-node, or use index.kind "auto" or "flat" (same results, slower on large scopes).',
    },
  );
}
