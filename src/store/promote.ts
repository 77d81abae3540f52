/** Promotion: writes a branch's net changes to its parent as one revision. */
import { InputError, StoreError } from "../errors.js";
import type { Engine } from "./engine.js";
import type { View } from "./rows/branches.js";
import type { Ledger } from "./rows/ledger.js";
import { latestRow } from "./rows/reader.js";
import { readVectors } from "./rows/vector-rows.js";
import { isLive, type VersionRow } from "./rows/version-row.js";
import { type PreparedPut, writePuts } from "./rows/writer.js";

export interface PromoteOptions {
  /**
   * What to do if the parent has changed the same item since the fork: `"fail"` (default) writes nothing and throws an
   * error that lists the conflicts, `"keep"` keeps the parent's state, `"overwrite"` takes the branch's.
   */
  onConflict?: "fail" | "keep" | "overwrite";
}

export interface PromoteConflict {
  namespace: string[];
  key: string;
}

export interface PromoteResult {
  /** The name of the branch that was written to, and its new revision. */
  branch: string;
  revision: number;
  /** How many items were put or deleted there. */
  applied: number;
  /** Items that both sides changed, each handled as `onConflict` says. */
  conflicts: PromoteConflict[];
}

/**
 * Writes a branch's net changes to its nearest open ancestor and closes the branch.
 *
 * @throws StoreError `AGEMEM_STORE_CONFLICT` with `details.conflicts`, `AGEMEM_STORE_BRANCH` (the trunk, closed);
 * InputError `AGEMEM_INPUT_ARGUMENT`
 */
export async function promoteBranch(
  { ledger, transactions }: Engine,
  id: number,
  options: PromoteOptions = {},
): Promise<PromoteResult> {
  const { onConflict = "fail" } = options;
  checkConflictAnswer(onConflict);
  const result = await transactions.write(() => {
    const { id: parent, name } = ledger.branches.openAncestor(id);
    const { puts, conflicts } = netChanges(ledger, id, parent, onConflict);
    if (conflicts.length > 0 && onConflict === "fail") throw conflictError(conflicts);
    const rows = writePuts(ledger, parent, puts);
    const revision = rows[0]?.rev ?? ledger.revisionOf(parent);
    ledger.db.run("UPDATE branches SET closed = ? WHERE id = ?", `promoted:${revision}`, id);
    return { branch: name, revision, applied: rows.length, conflicts };
  });
  ledger.branches.reload();
  return result;
}

/** Refuses any other word, which would act like "keep" and silently drop changes. */
function checkConflictAnswer(onConflict: string): void {
  if (["fail", "keep", "overwrite"].includes(onConflict)) return;
  throw new InputError("AGEMEM_INPUT_ARGUMENT", `onConflict is "${onConflict}"; nothing was promoted`, {
    remedy: 'Give "fail", "keep" or "overwrite".',
  });
}

function netChanges(
  ledger: Ledger,
  id: number,
  parent: number,
  onConflict: string,
): { puts: PreparedPut[]; conflicts: PromoteConflict[] } {
  const puts: PreparedPut[] = [];
  const conflicts: PromoteConflict[] = [];
  const view = ledger.branches.view(id);
  const depth = view.levels.findIndex(({ branch }) => branch === parent);
  const base = ledger.branches.view(parent, view.levels[depth]?.limit);
  const current = ledger.branches.view(parent);
  for (const mine of changedRows(ledger, view, depth)) {
    const { item } = mine;
    const before = latestRow(ledger, base, item);
    const theirs = latestRow(ledger, current, item);
    // Created and deleted on the branch: nothing to carry over.
    if (mine.op === 0 && (before === undefined || before.op === 0)) continue;
    if (theirs?.id !== before?.id && !isSame(theirs, mine)) {
      conflicts.push({ namespace: [...ledger.namespaces.get(mine.ns).labels], key: mine.key });
      if (onConflict !== "overwrite") continue;
    }
    puts.push(asPut(ledger, mine));
  }
  return { puts, conflicts };
}

/** The newest row of each item written in the view's first `depth` levels, oldest row first. */
function changedRows(ledger: Ledger, view: View, depth: number): VersionRow[] {
  const unique = new Set<number>();
  for (const { branch, limit } of view.levels.slice(0, depth)) {
    // Memory knows them; the table would have to be read as a whole.
    for (const [item, first] of ledger.overrides.get(branch) ?? []) if (first <= limit) unique.add(item);
  }
  const rows = [...unique].map((item) => latestRow(ledger, view, item) as VersionRow);
  return rows.sort((a, b) => a.id - b.id);
}

function isSame(a: VersionRow | undefined, b: VersionRow): boolean {
  return a !== undefined && a.op === b.op && a.value === b.value;
}

/** A put that repeats a row and its vectors. */
function asPut(ledger: Ledger, row: VersionRow): PreparedPut {
  const live = isLive(row);
  return {
    path: ledger.namespaces.get(row.ns).path,
    key: row.key,
    json: live ? row.value : null,
    fields: row.fields,
    vectors: live ? readVectors(ledger.db, row.id) : [],
    ttl: row.ttl,
    idempotencyKeys: [],
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

function conflictError(conflicts: PromoteConflict[]): StoreError {
  return new StoreError(
    "AGEMEM_STORE_CONFLICT",
    `Since the fork, the parent changed ${conflicts.length} of the items that this branch changed`,
    {
      remedy:
        'Look at details.conflicts and promote with onConflict "keep" or "overwrite", or discard the branch.',
      details: { conflicts },
    },
  );
}
