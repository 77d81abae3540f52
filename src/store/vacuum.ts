/**
 * Vacuum: removing old rows that no open branch, fork point, pin or kept revision needs.
 *
 * Runs in short transactions, so that writers wait little; every connection reads everything anew afterwards.
 */
import type { Branches, BranchRow, Level, View } from "./branches.js";
import type { Engine } from "./engine.js";
import { deleteExpired } from "./expiry.js";
import { keepIds } from "./ids.js";
import { indexedUpTo, setIndexedUpTo, unindex } from "./keyword-index.js";
import { MAIN, VECTORS_PER_VERSION } from "./schema.js";
import { sizeOnDisk } from "./stats.js";

/** Idempotency keys are kept this long, far longer than a run is resumed. */
const IDEMPOTENCY_DAYS = 30;

export interface VacuumOptions {
  /** Revisions before the newest one that stay readable through `at()`. Default 0. */
  keepRevisions?: number;
  /** Minutes back from now that stay readable. Default 0. */
  keepMinutes?: number;
  /** Give free pages back to the file system (takes the time of a copy). Default true. */
  shrink?: boolean;
}

export interface VacuumResult {
  /** Version rows removed. */
  removed: number;
  /** Expired items that were deleted first. */
  expired: number;
  bytesBefore: number;
  bytesAfter: number;
}

/** Ids of version rows that may go, given what is kept. */
export function removable(engine: Engine, horizon: number): number[] {
  const views = keptViews(engine);
  const gone: number[] = [];
  const rows = engine.db.iterate<{
    id: number;
    item: number;
    branch: number;
    rev: number;
    end_rev: number | null;
    op: number;
  }>("SELECT id, item, branch, rev, end_rev, op FROM versions ORDER BY id");
  for (const row of rows) {
    const end = row.end_rev ?? Number.POSITIVE_INFINITY;
    // On the trunk the end of the row before says as much as the deletion itself.
    if (row.op === 0 && row.branch === MAIN && row.rev <= horizon) {
      gone.push(row.id);
      continue;
    }
    const kept = views.some(({ view, window }) => {
      const depth = view.levels.findIndex(({ branch }) => branch === row.branch);
      const level = view.levels[depth] as Level | undefined;
      if (!level || row.rev > level.limit) return false;
      // Between the horizon and the view's own limit every revision stays readable.
      const lowest = window ? Math.min(horizon, level.limit) : level.limit;
      return end > lowest;
    });
    if (!kept) gone.push(row.id);
  }
  return gone;
}

/** Views that must stay as they are: tips and fork points of open branches (with the window), pins (exactly). */
function keptViews(engine: Engine): { view: View; window: boolean }[] {
  const { branches } = engine;
  const open = openBranches(branches).map(({ id }) => ({ view: branches.view(id), window: true }));
  const pins = engine.db
    .rows<{ branch: number; rev: number }>("SELECT branch, rev FROM pins")
    .map(({ branch, rev }) => ({ view: branches.view(branch, rev), window: false }));
  return [...open, ...pins];
}

export function openBranches(branches: Branches): BranchRow[] {
  return branches.all().filter(({ closed }) => closed === null);
}

/** The lowest revision that stays readable on open branches. */
export function horizonOf(engine: Engine, options: VacuumOptions): number {
  const newest = engine.newestRevision();
  const byCount = newest - (options.keepRevisions ?? 0);
  const before = engine.now() - (options.keepMinutes ?? 0) * 60_000;
  const byTime =
    engine.db.row<{ rev: number | null }>("SELECT max(rev) AS rev FROM revisions WHERE at <= ?", before)
      ?.rev ?? 0;
  return Math.max(0, Math.min(byCount, options.keepMinutes === undefined ? byCount : byTime));
}

/**
 * Deletes expired items, removes rows nobody can read any more, and shrinks the file.
 *
 * Never removes what an open branch, a fork of it, a pinned version or the kept window needs.
 */
export async function vacuum(engine: Engine, options: VacuumOptions = {}): Promise<VacuumResult> {
  const bytesBefore = sizeOnDisk(engine.db.directory);
  const expired = await deleteExpired(engine);
  const removed = await vacuumRows(engine, options);
  engine.forget();
  engine.poll();
  if (options.shrink !== false && engine.db.directory) {
    await engine.exclusive(() => {
      engine.db.db.exec("VACUUM");
      engine.db.db.pragma("wal_checkpoint(TRUNCATE)");
    });
  }
  return { removed, expired, bytesBefore, bytesAfter: sizeOnDisk(engine.db.directory) };
}

/** Removes what `removable` names. Returns the number of rows. */
async function vacuumRows(engine: Engine, options: VacuumOptions): Promise<number> {
  return engine.write(
    async () => null,
    () => {
      keepIds(engine.db);
      const dayAgo = `export-${Date.now() - 86_400_000}`;
      engine.db.run("DELETE FROM pins WHERE name GLOB 'export-[0-9]*' AND name < ?", dayAgo);
      const horizon = horizonOf(engine, options);
      const gone = removable(engine, horizon);
      for (const id of gone) removeRow(engine, id);
      const { db } = engine;
      for (const { id } of openBranches(engine.branches)) {
        // The state a branch has now stays readable under its own number, which may lie before the horizon.
        const oldest = Math.min(horizon, engine.revisionOf(id));
        db.run("UPDATE branches SET oldest_rev = max(oldest_rev, ?) WHERE id = ?", oldest, id);
      }
      db.run("DELETE FROM items WHERE id NOT IN (SELECT item FROM versions)");
      db.run("DELETE FROM namespaces WHERE id NOT IN (SELECT ns FROM items)");
      db.run(
        `DELETE FROM revisions WHERE rev < ? AND rev NOT IN (SELECT rev FROM versions)
         AND rev NOT IN (SELECT max(rev) FROM revisions GROUP BY branch)`,
        horizon,
      );
      db.run("DELETE FROM idempotency WHERE at < ?", engine.now() - IDEMPOTENCY_DAYS * 86_400_000);
      dropClosedBranches(engine);
      const last = db.row<{ id: number | null }>("SELECT max(id) AS id FROM versions")?.id ?? 0;
      setIndexedUpTo(engine, Math.min(indexedUpTo(engine), last));
      if (gone.length > 0) engine.bumpEpoch();
      return { result: gone.length, rows: [] };
    },
  );
}

function removeRow(engine: Engine, id: number): void {
  const { db } = engine;
  unindex(engine, id);
  db.run(
    "DELETE FROM vectors WHERE id >= ? AND id < ?",
    id * VECTORS_PER_VERSION,
    (id + 1) * VECTORS_PER_VERSION,
  );
  db.run("DELETE FROM versions WHERE id = ?", id);
}

/**
 * Closed branches without rows and without children are forgotten, so that lists stay short; promoted ones stay, because
 * a thread that comes back to one must learn where it went. What a closed one held cannot be read under its name any more.
 */
function dropClosedBranches(engine: Engine): void {
  const beyond = engine.newestRevision() + 1;
  engine.db.run("UPDATE branches SET oldest_rev = ? WHERE closed IS NOT NULL", beyond);
  engine.db.run(
    `DELETE FROM branches WHERE closed = 'discarded' AND id NOT IN (SELECT branch FROM versions)
     AND id NOT IN (SELECT parent FROM branches WHERE parent IS NOT NULL)`,
  );
}
