/** Promotion: the net changes of a branch written onto its parent as one revision. */
import { InputError, StoreError } from "../errors.js";
import type { Engine } from "./engine.js";
import type { View } from "./rows/branches.js";
import { isLive, latestRow, type VersionRow } from "./rows/reader.js";
import { VECTORS_PER_VERSION } from "./rows/schema.js";
import { type PreparedPut, type StoredVector, type WrittenRow, writePuts } from "./rows/writer.js";
import { toVector } from "./vectors/loader.js";

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
 * @throws StoreError `AGEMEM_STORE_CONFLICT` with `details.conflicts`, `AGEMEM_STORE_BRANCH` (the trunk, closed);
 * InputError `AGEMEM_INPUT_ARGUMENT`
 */
export async function promoteBranch(
  engine: Engine,
  id: number,
  options: PromoteOptions = {},
): Promise<PromoteResult> {
  const { onConflict = "fail" } = options;
  checkConflictAnswer(onConflict);
  const result = await engine.write(
    async () => null,
    () => {
      const { id: parent, name } = engine.branches.openAncestor(id);
      const { puts, conflicts } = netChanges(engine, id, parent, onConflict);
      if (conflicts.length > 0 && onConflict === "fail") throw conflictError(conflicts);
      const rows = writePuts(engine, parent, puts);
      const revision = rows[0]?.rev ?? engine.revisionOf(parent);
      engine.db.run("UPDATE branches SET closed = ? WHERE id = ?", `promoted:${revision}`, id);
      return {
        result: { branch: name, revision, applied: rows.length, conflicts },
        rows: rows as WrittenRow[],
      };
    },
  );
  engine.branches.reload();
  return result;
}

/** Any other word would be taken for "keep", and changes left out without a sign. */
function checkConflictAnswer(onConflict: string): void {
  if (["fail", "keep", "overwrite"].includes(onConflict)) return;
  throw new InputError("AGEMEM_INPUT_ARGUMENT", `onConflict is "${onConflict}"; nothing was promoted`, {
    remedy: 'Give "fail", "keep" or "overwrite".',
  });
}

function netChanges(
  engine: Engine,
  id: number,
  parent: number,
  onConflict: string,
): { puts: PreparedPut[]; conflicts: PromoteConflict[] } {
  const puts: PreparedPut[] = [];
  const conflicts: PromoteConflict[] = [];
  const view = engine.branches.view(id);
  const depth = view.levels.findIndex(({ branch }) => branch === parent);
  const base = engine.branches.view(parent, view.levels[depth]?.limit);
  const current = engine.branches.view(parent);
  for (const mine of changedRows(engine, view, depth)) {
    const { item } = mine;
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

/** The state of each item that a view has of its first levels, oldest first. */
function changedRows(engine: Engine, view: View, depth: number): VersionRow[] {
  const items = view.levels
    .slice(0, depth)
    .flatMap(({ branch, limit }) =>
      engine.db.rows<{ item: number }>(
        "SELECT DISTINCT item FROM versions WHERE branch = ? AND rev <= ?",
        branch,
        limit,
      ),
    );
  const unique = new Set(items.map(({ item }) => item));
  const rows = [...unique].map((item) => latestRow(engine, view, item) as VersionRow);
  return rows.sort((a, b) => a.id - b.id);
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
