/**
 * The ledger of an opened store: its connection, and what is kept in memory about rows, except their vectors.
 *
 * Owns branches, namespaces, the newest revision of each branch, which items a fork overrides, and the rows that the
 * current transaction has written. Leaves out when memory is brought up to date (`catch-up.ts`) and the vectors
 * (`vectors/vectors.ts`).
 */
import { LRUCache } from "lru-cache";
import { Branches, type View } from "./branches.js";
import type { Connection } from "./database.js";
import { Namespaces } from "./namespaces.js";
import { RowCounts } from "./row-counts.js";
import type { FoundRow, WrittenRow } from "./version-row.js";

/** What {@link Ledger.note} needs to know of a row. */
type NotedRow = Omit<WrittenRow, "vectors" | "end_rev" | "prev" | "born">;

export class Ledger {
  readonly branches: Branches;
  readonly namespaces: Namespaces;
  /** Counts of the rows written. */
  readonly counts = new RowCounts();
  /** Cache of rows that searches found, by id. */
  readonly found = new LRUCache<number, FoundRow>({ max: 4000 });
  /** For each fork, the first revision at which it wrote each item. */
  readonly overrides = new Map<number, Map<number, number>>();
  /** Id of the last version row that memory has loaded. */
  lastVersion = 0;
  /** The epoch of what is in memory. A vacuum, repair or conversion to another model starts a new one. */
  epoch = "";
  /** Changes whenever memory is dropped, so that nothing derived from it is used any more. */
  generation = 0;
  readonly #newest = new Map<number, number>();
  readonly #lastWrites = new Map<number, number>();
  #written: WrittenRow[] = [];

  constructor(readonly db: Connection) {
    this.branches = new Branches(db);
    this.namespaces = new Namespaces(db);
  }

  /** Notes a row that the current transaction has written; memory loads it when the transaction commits. */
  wrote(row: WrittenRow): void {
    this.#written.push(row);
  }

  /** The rows written since the last call. */
  takeWritten(): WrittenRow[] {
    const written = this.#written;
    this.#written = [];
    return written;
  }

  /** How many rows were written since the last {@link takeWritten}. */
  get written(): number {
    return this.#written.length;
  }

  /** Drops the rows written after the first `kept`. */
  forgetWritten(kept: number): void {
    this.#written.length = kept;
  }

  /** Loads a row into memory. */
  note(row: NotedRow): void {
    this.#lastWrites.set(row.ns, row.id);
    this.lastVersion = Math.max(this.lastVersion, row.id);
    this.setNewest(row.branch, row.rev);
    if (this.branches.get(row.branch)?.parent != null) this.setOverride(row.branch, row.item, row.rev);
  }

  /** Drops everything in memory, so that it is read again. */
  forget(): void {
    this.branches.reload();
    this.namespaces.reload();
    this.lastVersion = 0;
    this.generation++;
    this.overrides.clear();
    this.counts.clear();
    this.found.clear();
    this.#newest.clear();
    this.#lastWrites.clear();
  }

  /** Starts the next epoch, so that every connection reads everything again. Call inside a write transaction. */
  bumpEpoch(): void {
    this.db.setMeta("epoch", String(Number(this.storedEpoch()) + 1));
  }

  /** The epoch of the database, which another connection may have changed since {@link epoch} was read. */
  storedEpoch(): string {
    return this.db.getMeta("epoch") ?? "0";
  }

  /** Id of the last version row written to a namespace. */
  lastWriteTo(ns: number): number {
    return this.#lastWrites.get(ns) ?? 0;
  }

  /** Whether a level above `depth` in a view has written the item. */
  isHidden(view: View, depth: number, item: number): boolean {
    for (let above = 0; above < depth; above++) {
      const level = view.levels[above];
      const first = level && this.overrides.get(level.branch)?.get(item);
      if (first !== undefined && first <= (level?.limit ?? 0)) return true;
    }
    return false;
  }

  /** Revision of the last write that a branch sees. */
  revisionOf(branch: number): number {
    return Math.max(this.#newest.get(branch) ?? 0, this.branches.get(branch)?.fork_rev ?? 0);
  }

  /** The same, with what the current transaction has written. */
  writtenRevisionOf(branch: number): number {
    return this.#written.reduce(
      (newest, row) => (row.branch === branch ? Math.max(newest, row.rev) : newest),
      this.revisionOf(branch),
    );
  }

  /** The newest revision of each branch. */
  newestByBranch(): [branch: number, rev: number][] {
    return [...this.#newest];
  }

  setNewest(branch: number, rev: number): void {
    this.#newest.set(branch, Math.max(this.#newest.get(branch) ?? 0, rev));
  }

  setOverride(branch: number, item: number, rev: number): void {
    let items = this.overrides.get(branch);
    if (!items) {
      items = new Map();
      this.overrides.set(branch, items);
    }
    const first = items.get(item);
    if (first === undefined || rev < first) items.set(item, rev);
  }

  /** Whether any item of the store can expire. */
  hasExpiring(): boolean {
    return this.db.row("SELECT 1 FROM versions WHERE expires_at IS NOT NULL LIMIT 1") !== undefined;
  }

  /** The last revision number used, over all branches. */
  newestRevision(): number {
    return this.db.row<{ rev: number | null }>("SELECT max(rev) AS rev FROM revisions")?.rev ?? 0;
  }
}
