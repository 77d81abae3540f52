/**
 * Branches: which exist, and what a view of a branch at a revision sees.
 *
 * A view is a chain of levels: the rows of the branch itself up to a revision, then those of its parent up to the fork,
 * and so on. A row of a lower level is visible only if no level above it has written the same item.
 */
import { StoreError } from "../../errors.js";
import type { StoreVersion } from "../../types.js";
import type { Connection } from "./database.js";

export interface BranchRow {
  id: number;
  name: string;
  parent: number | null;
  fork_rev: number;
  created_at: number;
  /** Null while open; else "discarded", or "promoted:" and the parent's revision with the branch's changes. */
  closed: string | null;
  /** Lowest revision that `at()` can still read; vacuum raises it. */
  oldest_rev: number;
}

/** The limit of a view that has none: larger than any revision, but still an integer for SQLite. */
export const TIP = Number.MAX_SAFE_INTEGER;

/** One level of a view: rows of `branch` with revisions up to `limit`. */
interface Level {
  branch: number;
  limit: number;
}

/** What a handle sees of the store. The first level's `limit` is {@link TIP} for a branch's current state. */
export interface View {
  readonly levels: readonly Level[];
}

/** An in-memory copy of the branch table, reloaded when another connection has committed. */
export class Branches {
  #rows = new Map<number, BranchRow>();
  /** Ids of the open branches by name, because discarded ones may be many. */
  readonly #open = new Map<string, number>();

  constructor(private readonly db: Connection) {
    this.reload();
  }

  reload(): void {
    this.#rows = new Map(this.db.rows<BranchRow>("SELECT * FROM branches").map((row) => [row.id, row]));
    this.#open.clear();
    for (const { id, name, closed } of this.#rows.values()) if (closed === null) this.#open.set(name, id);
  }

  /**
   * Reads only one row again, because forks are many and each is written twice. Call it in the transaction that wrote the
   * row; when that is rolled back, {@link reload}.
   */
  refresh(id: number): void {
    const before = this.#rows.get(id);
    if (before && this.#open.get(before.name) === id) this.#open.delete(before.name);
    const row = this.db.row<BranchRow>("SELECT * FROM branches WHERE id = ?", id);
    if (!row) {
      this.#rows.delete(id);
      return;
    }
    this.#rows.set(id, row);
    if (row.closed === null) this.#open.set(row.name, id);
  }

  all(): BranchRow[] {
    return [...this.#rows.values()];
  }

  /** The branches that are neither discarded nor promoted. */
  allOpen(): BranchRow[] {
    return this.all().filter(({ closed }) => closed === null);
  }

  byName(name: string): BranchRow | undefined {
    const id = this.#open.get(name);
    return id === undefined ? undefined : this.#rows.get(id);
  }

  get(id: number): BranchRow | undefined {
    return this.#rows.get(id);
  }

  /** The row of an open branch. Throws `AGEMEM_STORE_BRANCH` when it was discarded or promoted. */
  open(id: number): BranchRow {
    const row = this.#rows.get(id);
    if (!row) throw branchError(`The branch "${id}" is gone`, "Fork again from an open branch.");
    if (row.closed !== null) throw this.closedError(row);
    return row;
  }

  /** The last promoted branch with this name. */
  promoted(name: string): BranchRow | undefined {
    return this.all().findLast((row) => row.name === name && row.closed?.startsWith("promoted"));
  }

  /**
   * The version that now has a promoted branch's changes: its parent's, or where the parent was promoted to. Undefined
   * if one of them was discarded.
   */
  destinationOf({ closed, parent }: BranchRow): StoreVersion | undefined {
    const above = parent === null ? undefined : this.#rows.get(parent);
    if (!above || !closed?.startsWith("promoted")) return undefined;
    if (above.closed !== null) return this.destinationOf(above);
    // Stores written before 0.1 do not record the revision; the newest one is the best guess.
    const revision = Number(closed.split(":")[1] ?? Number.NaN);
    return { branch: above.name, revision: Number.isNaN(revision) ? this.#tipOf(above) : revision };
  }

  /** The error for a branch that is closed. `details.promotedTo` says where a promoted one went. */
  closedError(row: BranchRow): StoreError {
    const promotedTo = this.destinationOf(row);
    const where = promotedTo ? ` to "${promotedTo.branch}"` : "";
    return new StoreError(
      "AGEMEM_STORE_BRANCH",
      `The branch "${row.name}" is ${row.closed?.split(":")[0]}${where}`,
      {
        remedy: promotedTo ? `Continue from "${promotedTo.branch}".` : "Fork again from an open branch.",
        details: { branch: row.name, ...(promotedTo ? { promotedTo, tip: this.#tipOf(row) } : {}) },
      },
    );
  }

  /** The row of an open branch by name. Throws `AGEMEM_STORE_BRANCH`. */
  named(name: string): BranchRow {
    const row = this.byName(name);
    if (row) return row;
    const promoted = this.promoted(name);
    if (promoted) throw this.closedError(promoted);
    throw branchError(`There is no open branch "${name}"`, "List the branches with branches().");
  }

  /** The nearest open ancestor. Throws `AGEMEM_STORE_BRANCH` for the trunk, which has none. */
  openAncestor(id: number): BranchRow {
    let row = this.open(id);
    do {
      const above = row.parent === null ? undefined : this.#rows.get(row.parent);
      if (!above) throw branchError('The branch "main" has no parent to promote to', "Promote forks only.");
      row = above;
    } while (row.closed !== null);
    return row;
  }

  /** The view of a branch up to a revision (default: everything). */
  view(id: number, limit = TIP): View {
    const levels: Level[] = [];
    let bound = limit;
    for (
      let row = this.#rows.get(id);
      row;
      row = row.parent === null ? undefined : this.#rows.get(row.parent)
    ) {
      levels.push({ branch: row.id, limit: bound });
      bound = Math.min(bound, row.fork_rev);
    }
    return { levels };
  }

  /**
   * Finds the branch of a version and checks that the version can be read: on an open branch, or on a promoted one
   * until the next vacuum. Throws `AGEMEM_STORE_BRANCH`.
   */
  resolve(version: StoreVersion, newest: number): BranchRow {
    const { branch, revision } = version;
    const row = this.byName(branch) ?? this.promoted(branch) ?? this.named(branch);
    if (!Number.isInteger(revision) || revision < 0 || revision > newest) {
      throw branchError(`Branch "${branch}" has no revision ${revision}`, `Use a revision up to ${newest}.`);
    }
    if (revision < row.oldest_rev && !this.#isPinned(row.id, revision)) {
      throw branchError(
        `Revision ${revision} of branch "${branch}" was vacuumed`,
        "Pin versions that must stay readable before vacuum.",
      );
    }
    return row;
  }

  #tipOf({ id, fork_rev }: BranchRow): number {
    const row = this.db.row<{ rev: number | null }>(
      "SELECT max(rev) AS rev FROM revisions WHERE branch = ?",
      id,
    );
    return Math.max(row?.rev ?? 0, fork_rev);
  }

  #isPinned(branch: number, revision: number): boolean {
    return this.db.row("SELECT 1 FROM pins WHERE branch = ? AND rev = ?", branch, revision) !== undefined;
  }
}

export function branchError(message: string, remedy: string): StoreError {
  return new StoreError("AGEMEM_STORE_BRANCH", message, { remedy });
}
