/** Promotion: the net changes of a branch written onto its parent as one revision. */
import { StoreError } from "../errors.js";
import { branchError } from "./branches.js";
import type { Engine } from "./engine.js";
import { toVector } from "./loader.js";
import { isLive, latestRow, type VersionRow } from "./reader.js";
import { VECTORS_PER_VERSION } from "./schema.js";
import { type PreparedPut, type StoredVector, type WrittenRow, writePuts } from "./writer.js";

export interface PromoteOptions {
  /**
   * What to do where the parent changed the same item since the fork: `"fail"` (default) writes nothing and throws
   * with the conflicts, `"keep"` leaves the parent's state, `"overwrite"` takes the branch's.
   */
  onConflict?: "fail" | "keep" | "overwrite";
}

export interface PromoteConflict {
  namespace: string[];
  key: string;
}

export interface PromoteResult {
  /** The parent's name and its revision afterwards. */
  branch: string;
  revision: number;
  /** Items put or deleted on the parent. */
  applied: number;
  /** Items both sides changed; what was done with them is what `onConflict` says. */
  conflicts: PromoteConflict[];
}

/**
 * Writes a branch's net changes onto its parent and closes the branch.
 *
 * @throws StoreError `AGEMEM_STORE_CONFLICT` with `details.conflicts`, `AGEMEM_STORE_BRANCH` (the trunk, closed)
 */
export async function promoteBranch(
  engine: Engine,
  id: number,
  options: PromoteOptions = {},
): Promise<PromoteResult> {
  const { onConflict = "fail" } = options;
  const result = await engine.write(
    async () => null,
    () => {
      const { parent, fork_rev } = engine.branches.open(id);
      if (parent === null)
        throw branchError('The branch "main" has no parent to promote to', "Promote forks only.");
      const { name } = engine.branches.open(parent);
      const { puts, conflicts } = netChanges(engine, id, parent, fork_rev, onConflict);
      if (conflicts.length > 0 && onConflict === "fail") throw conflictError(conflicts);
      const rows = writePuts(engine, parent, puts);
      engine.db.run("UPDATE branches SET closed = 'promoted' WHERE id = ?", id);
      const revision = rows[0]?.rev ?? engine.revisionOf(parent);
      return {
        result: { branch: name, revision, applied: rows.length, conflicts },
        rows: rows as WrittenRow[],
      };
    },
  );
  engine.branches.reload();
  return result;
}

function netChanges(
  engine: Engine,
  id: number,
  parent: number,
  forkRev: number,
  onConflict: string,
): { puts: PreparedPut[]; conflicts: PromoteConflict[] } {
  const puts: PreparedPut[] = [];
  const conflicts: PromoteConflict[] = [];
  const base = engine.branches.view(parent, forkRev);
  const current = engine.branches.view(parent);
  const changed = engine.db.rows<{ item: number }>(
    "SELECT item FROM versions WHERE branch = ? AND end_rev IS NULL ORDER BY id",
    id,
  );
  for (const { item } of changed) {
    const mine = latestRow(engine, engine.branches.view(id), item) as VersionRow;
    const before = latestRow(engine, base, item);
    const theirs = latestRow(engine, current, item);
    // Made and removed again on the branch: nothing to carry over.
    if (mine.op === 0 && (before === undefined || before.op === 0)) continue;
    if (theirs?.id !== before?.id && !isSame(theirs, mine)) {
      conflicts.push({ namespace: [...engine.namespaces.get(mine.ns).labels], key: mine.key });
      if (onConflict !== "overwrite") continue;
    }
    puts.push(asPut(engine, mine));
  }
  return { puts, conflicts };
}

function isSame(a: VersionRow | undefined, b: VersionRow): boolean {
  return a !== undefined && a.op === b.op && a.value === b.value;
}

/** A put that repeats a row, with its vectors. */
function asPut(engine: Engine, row: VersionRow): PreparedPut {
  const live = isLive(row, engine.now());
  return {
    path: engine.namespaces.get(row.ns).path,
    key: row.key,
    json: live ? row.value : null,
    fields: row.fields,
    vectors: live ? vectorsOf(engine, row.id) : [],
    ttl: row.ttl,
    idempotencyKeys: [],
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/** The stored vectors of a version row. */
export function vectorsOf(engine: Engine, version: number): StoredVector[] {
  return engine.db
    .rows<{ path: string; hash: Buffer; vector: Buffer }>(
      "SELECT path, hash, vector FROM vectors WHERE id >= ? AND id < ? ORDER BY id",
      version * VECTORS_PER_VERSION,
      (version + 1) * VECTORS_PER_VERSION,
    )
    .map(({ path, hash, vector }) => ({ path, hash, vector: toVector(vector, null) }));
}

function conflictError(conflicts: PromoteConflict[]): StoreError {
  return new StoreError(
    "AGEMEM_STORE_CONFLICT",
    `The parent changed ${conflicts.length} of the same items since the fork`,
    {
      remedy:
        'Look at details.conflicts and promote with onConflict "keep" or "overwrite", or discard the branch.',
      details: { conflicts },
    },
  );
}
