/**
 * Decides how the scopes of a store are searched: small ones by a scan, large ones by codes of their vectors.
 *
 * A scope is a namespace prefix. When a scope that is large enough to gain from codes is searched, they are made in the
 * background; until then it is scanned. Owns which scopes are coded, whether FAISS or the store holds the codes, the
 * background work (in slices, so that nothing waits for it), and what is known about each scope's recall.
 */
import { LRUCache } from "lru-cache";
import { messageOf } from "../../errors.js";
import { type Namespaces, namespacePath } from "../rows/namespaces.js";
import type { CodeTable } from "./codes/code-table.js";
import { CodeUpkeep, type Searches } from "./codes/code-upkeep.js";
import { LEAST_DIMS } from "./codes/coder.js";
import type { StoreIndexOptions } from "./embedder.js";
import { type ChosenIndex, chooseIndex } from "./index-kind.js";
import { merge, type Scope, sizeOf, slotLists } from "./scope.js";
import type { IndexKind, SlotScore, VectorIndex } from "./vector-index.js";
import { countBelow } from "./vector-indexes/code-search.js";
import { CodedIndex } from "./vector-indexes/coded.js";
import { FaissIndex, loadFaiss } from "./vector-indexes/faiss.js";
import { fasterEngine } from "./vector-indexes/faster-engine.js";
import { scan } from "./vector-indexes/flat.js";
import { nativeMemory } from "./vector-indexes/native-memory.js";
import { measureRecall, type Recall } from "./vector-indexes/recall.js";
import { ScopeRecall } from "./vector-indexes/scope-recall.js";
import type { VectorTable } from "./vector-table.js";

/** Scopes with fewer slots are scanned, which is just as fast. */
const SCAN_BELOW = 2048;
/** Namespaces with so many times as many have partitions. */
const PARTITIONED_FROM = 16;
/** Share of the true best results that a search must find. */
const RECALL = 0.99;
/** Bytes that FAISS may hold. */
const FAISS_BYTES = 128 * 1024 * 1024;
/** A FAISS index that none of the last so many searches used makes room for one that needs it. */
const IDLE = 1000;
/** How many scopes are remembered; the least recently used one is forgotten. */
const MAX_SCOPES = 256;
/** Milliseconds that upkeep takes before other work may run. */
const SLICE_MS = 1;
/** Slots without a code are scanned, until there are so many of them. */
const BACKLOG = 512;

/** What is known about a scope that is searched by codes. */
interface Coded {
  recall: ScopeRecall;
  /** Its own index, where FAISS holds the codes. */
  faiss: FaissIndex | null;
  lists: readonly Int32Array[];
  /** Number of the last search that used it. */
  used: number;
}

/** Statistics of a scope that is searched by codes. */
export interface IndexStats {
  /** Namespace prefix as JSON. */
  scope: string;
  /** What holds the codes: "codes" for the store itself, or "faiss". */
  kind: IndexKind;
  /** Vectors in the scope. */
  size: number;
  /** Whether the scope is scanned after all, because only that reaches the recall, or because codes cannot be made. */
  exact: boolean;
  /** Recall at 10, measured in this scope; null before that. */
  recall: Recall | null;
}

export class IndexSet {
  /** By namespace path. */
  #scopes = new LRUCache<string, Coded>({ max: MAX_SCOPES });
  readonly #upkeep: CodeUpkeep;
  /** What holds the codes; null until that is decided. */
  #engine: IndexKind | null = null;
  #searches = 0;
  #chosen: ChosenIndex | null = null;
  #covering: Promise<void> | null = null;
  #measuring: Promise<void> | null = null;
  /** Why codes cannot be made; null while they can. */
  #failure: string | null = null;
  /** Replaced when everything is dropped, so that background work ends. */
  #life = { over: false };

  constructor(
    private readonly namespaces: Namespaces,
    private readonly options: StoreIndexOptions | undefined,
  ) {
    this.#upkeep = new CodeUpkeep(this.#scanBelow() * PARTITIONED_FROM);
  }

  /** Whether FAISS may be used on this machine with these options, and why not. */
  chosen(): ChosenIndex {
    this.#chosen ??= chooseIndex(this.options?.kind);
    return this.#chosen;
  }

  kind(): "faiss" | "flat" {
    return this.chosen().kind;
  }

  /** The codes to save; null when there are none. */
  get codes(): CodeTable | null {
    return this.#upkeep.codes;
  }

  /** Statistics of the scopes that are searched by codes. Measures their recall if that is out of date. */
  async describe(): Promise<IndexStats[]> {
    const life = this.#life;
    const out: IndexStats[] = [];
    for (const [scope, coded] of [...this.#scopes.entries()].reverse()) {
      const { lists, recall, faiss } = coded;
      const size = sizeOf(lists);
      if (this.#table && recall.isStale(size)) await this.#measure(coded, life);
      const kind = faiss ? "faiss" : "codes";
      out.push({ scope, kind, size, exact: recall.exact || this.#failure !== null, recall: recall.measured });
    }
    return out;
  }

  /** Bytes in use, without the vector table. */
  bytes(): number {
    return [...this.#scopes.values()].reduce(
      (sum, { faiss }) => sum + (faiss?.bytes() ?? 0),
      this.#upkeep.bytes(),
    );
  }

  /**
   * Bytes that FAISS holds for all stores of this process, including dropped indexes not yet collected; and the limit.
   */
  native(): { bytes: number; limit: number } {
    return { bytes: nativeMemory.bytes, limit: this.#limit() };
  }

  clear(): void {
    this.#life.over = true;
    this.#life = { over: false };
    this.#scopes.clear();
    this.#upkeep.clear();
    [this.#table, this.#failure] = [null, null];
  }

  /** Resolves when all vectors have their codes, if any scope uses codes. */
  async ready(): Promise<void> {
    if (this.#table && this.#scopes.size > 0) this.#cover(this.#table, 0);
    await this.#covering;
  }

  /** Whether saved codes are of use. */
  get wantsCodes(): boolean {
    const { kind, insists } = this.chosen();
    return this.#target() < 1 && !(kind === "faiss" && insists);
  }

  /** Takes over saved codes of a table. */
  restore(table: VectorTable, codes: CodeTable): void {
    if (!this.wantsCodes) return;
    this.#table = table;
    this.#upkeep.restore(codes);
  }

  /** Adds a new slot to the indexes of all enclosing scopes. */
  add(slot: number, ns: number): void {
    if (this.#scopes.size === 0) return;
    const { labels } = this.namespaces.get(ns);
    for (let depth = 0; depth <= labels.length; depth++) {
      this.#scopes.peek(namespacePath(labels.slice(0, depth)))?.faiss?.add(slot);
    }
  }

  /** The best `k` version rows of a scope, and the next best `spare` ones of those that were looked at. */
  search(
    table: VectorTable,
    scope: Scope,
    unit: Float32Array,
    k: number,
    accept: (slot: number) => boolean,
    spare = 0,
  ): SlotScore[] {
    if (k < 1) return [];
    this.#searches++;
    const lists = slotLists(table, scope);
    const slots = sizeOf(lists);
    const isCoded = slots >= this.#scanBelow() && this.#target() < 1;
    if (!isCoded || table.dims < LEAST_DIMS) return scan(table, lists, unit, k + spare, accept);
    this.#table = table;
    const coded = this.#scopeOf(namespacePath(scope.prefix), lists);
    coded.recall.note(unit);
    this.#cover(table, BACKLOG);
    this.#measureWhenDue();
    const index = this.#indexOf(table, coded, slots);
    if (!index || coded.recall.exact) return scan(table, lists, unit, k + spare, accept);
    const hits = index.search(unit, k, accept, { ...coded.recall.promise, spare });
    if (coded.faiss?.starved) this.#dropIdle();
    return hits;
  }

  #table: VectorTable | null = null;

  #target(): number {
    const recall = this.options?.recall ?? RECALL;
    return recall === "exact" ? 1 : recall;
  }

  #scanBelow(): number {
    return Math.max(1, this.options?.scanBelow ?? SCAN_BELOW);
  }

  #limit(): number {
    return this.options?.faissBytes ?? FAISS_BYTES;
  }

  #scopeOf(key: string, lists: readonly Int32Array[]): Coded {
    const known = this.#scopes.get(key);
    const coded = known ?? { recall: new ScopeRecall(this.#target()), faiss: null, lists, used: 0 };
    coded.lists = lists;
    coded.used = this.#searches;
    if (!known) this.#scopes.set(key, coded);
    return coded;
  }

  /** The index of a scope; null while a scan is better. */
  #indexOf(table: VectorTable, coded: Coded, slots: number): VectorIndex | null {
    if (this.#engine === "faiss") return this.#faissOf(table, coded);
    const { codes } = this.#upkeep;
    // While most of the scope has no codes, they save nothing. What other scopes lack does not matter.
    if (!codes || countCoded(table, codes, coded.lists) < slots / 2) return null;
    return new CodedIndex(table, codes, coded.lists);
  }

  /** The FAISS index of a scope, made if there is room for one. */
  #faissOf(table: VectorTable, coded: Coded): FaissIndex | null {
    const faiss = loadFaiss();
    if (coded.faiss || !faiss || !this.#upkeep.coder) return coded.faiss;
    // An empty index only scans, so a new one makes sense only while there is room.
    if (nativeMemory.bytes >= this.#limit()) {
      this.#dropIdle();
      return null;
    }
    coded.faiss = new FaissIndex(table, this.#upkeep.coder, faiss, this.#limit());
    for (const slot of merge(coded.lists)) coded.faiss.add(slot);
    return coded.faiss;
  }

  /** Makes missing codes in the background, if more than `backlog` slots have none. */
  #cover(table: VectorTable, backlog: number): void {
    if (this.#covering || this.#failure !== null || this.#isCovered(table, backlog)) return;
    const life = this.#life;
    const done = (): void => {
      this.#covering = null;
    };
    this.#covering = this.#coverIn(table, life).then(done, (error: unknown) => {
      done();
      // Without memory for codes, scopes are scanned.
      this.#failure = messageOf(error);
    });
  }

  #isCovered(table: VectorTable, backlog: number): boolean {
    if (this.#engine === "faiss")
      return [...this.#scopes.values()].every(({ faiss }) => faiss?.isDone ?? false);
    return this.#upkeep.isCovered(table, backlog);
  }

  async #coverIn(table: VectorTable, life: { over: boolean }): Promise<void> {
    this.#engine ??= await this.#chooseEngine();
    await pause();
    if (life.over) return;
    if (this.#engine === "faiss") {
      if (this.#upkeep.recenter(table)) this.#dropFaiss();
      for (const coded of this.#scopes.values()) {
        const faiss = this.#faissOf(table, coded);
        while (faiss && !faiss.step()) {
          await pause();
          if (life.over) return;
        }
      }
      return;
    }
    const work = this.#upkeep.cover(table, this.#recent(table));
    while (!advance(work)) {
      await pause();
      if (life.over) return;
    }
  }

  /** What the upkeep of the codes needs to know of the searches. */
  #recent(table: VectorTable): Searches {
    const promise = { target: this.#target(), widen: 1 };
    return {
      target: promise.target,
      asked: (ns) =>
        [...this.#scopes.values()].flatMap(({ lists, recall }) =>
          lists.some((list) => list.length > 0 && table.ns.at(list[0] as number) === ns) ? recall.asked : [],
        ),
      find: (codes, slots, unit, k, accept) =>
        new CodedIndex(table, codes, [slots]).search(unit, k, accept, promise),
    };
  }

  #dropFaiss(): void {
    for (const coded of this.#scopes.values()) coded.faiss = null;
  }

  async #chooseEngine(): Promise<IndexKind> {
    const { kind, insists } = this.chosen();
    if (kind === "flat") return "codes";
    const faiss = loadFaiss();
    if (insists || !faiss) return faiss ? "faiss" : "codes";
    return await fasterEngine(faiss);
  }

  /** Measures in the background the recall of a scope that was never measured or has grown. */
  #measureWhenDue(): void {
    if (this.#measuring || this.#covering) return;
    const due = [...this.#scopes.values()].find(({ recall, lists }) => recall.isDue(sizeOf(lists)));
    if (!due || due.recall.asked.length < ENOUGH) return;
    this.#measuring = this.#measure(due, this.#life).finally(() => {
      this.#measuring = null;
    });
    this.#measuring.catch(() => undefined);
  }

  async #measure(coded: Coded, life: { over: boolean }): Promise<void> {
    const table = this.#table as VectorTable;
    const { recall } = coded;
    for (let again = true; again && !life.over; ) {
      const slots = merge(coded.lists);
      const asked = [...recall.asked];
      const measured = await measureRecall(
        table,
        slots,
        asked,
        (unit, k, accept) => {
          const index = recall.exact ? null : this.#indexOf(table, coded, slots.length);
          return index?.search(unit, k, accept, recall.promise) ?? scan(table, [slots], unit, k, accept);
        },
        () => life.over,
      );
      again = measured !== null && recall.take(measured, slots.length);
    }
  }

  /** Drops the least recently used FAISS index if it is idle. The garbage collector frees its memory. */
  #dropIdle(): void {
    for (const coded of this.#scopes.rvalues()) {
      if (!coded?.faiss) continue;
      if (this.#searches - coded.used >= IDLE) coded.faiss = null;
      return;
    }
  }
}

/** Searches of a scope before its recall is measured, so that they are a sample of what is asked. */
const ENOUGH = 16;

/** Goes on with some work for a while. Returns whether it is done. By time, so that a busy machine does not fall behind. */
function advance(work: Generator<void, unknown>): boolean {
  const began = performance.now();
  while (!work.next().done) if (performance.now() - began > SLICE_MS) return false;
  return true;
}

/** How many slots of some lists have codes. */
function countCoded(table: VectorTable, { covered }: CodeTable, lists: readonly Int32Array[]): number {
  if (covered === table.size) return sizeOf(lists);
  return lists.reduce((sum, list) => sum + countBelow(list, covered), 0);
}

const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
