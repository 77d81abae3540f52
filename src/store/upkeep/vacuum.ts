/**
 * Vacuum: removes old rows that no open branch, fork point, pin or kept revision needs.
 *
 * Runs in short transactions with pauses, so that writers wait little. Afterwards every connection reads everything
 * again. If it is interrupted, the next vacuum continues.
 */
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import type { Engine } from "../engine.js";
import type { View } from "../rows/branches.js";
import type { Connection } from "../rows/database.js";
import { keepIds } from "../rows/ids.js";
import type { Ledger } from "../rows/ledger.js";
import { MAIN } from "../rows/schema.js";
import { deleteVectors } from "../rows/vector-rows.js";
import { unindex } from "../search/keyword-index.js";
import type { Transactions } from "../transactions.js";
import { dropLeftPins } from "../versions.js";
import { deleteExpired } from "./expiry.js";
import { sizeOnDisk } from "./stats.js";

/** How long idempotency keys are kept: far longer than an interrupted run waits to be resumed. */
const IDEMPOTENCY_DAYS = 30;
/** Version rows examined per transaction. */
const SLICE = 500;
/** Pages returned to the file system per transaction. */
const PAGES = 200;
/** SQLite's number for `auto_vacuum = INCREMENTAL`. */
const INCREMENTAL = 2;

export interface VacuumOptions {
  /** Revisions before the newest one that stay readable through `at()`. Default 0. */
  keepRevisions?: number;
  /** Revisions of the last so many minutes stay readable. Default 0. */
  keepMinutes?: number;
  /**
   * Whether to return free pages to the file system, a few at a time. Default true. `"copy"` writes a new file instead,
   * which is as small as possible and has no trace of what was removed, but writers wait until the copy is done.
   */
  shrink?: boolean | "copy";
}

export interface VacuumResult {
  /** Version rows removed. */
  removed: number;
  /** Expired items, which were deleted first. */
  expired: number;
  bytesBefore: number;
  bytesAfter: number;
}

/** The columns that decide who can see a version row. */
interface Row {
  id: number;
  item: number;
  branch: number;
  rev: number;
  end_rev: number | null;
  op: number;
}

type KeptView = { view: View; window: boolean };

/** Whether a row may be removed, given the views to keep. */
function isRemovable(row: Row, views: readonly KeptView[], horizon: number): boolean {
  const end = row.end_rev ?? Number.POSITIVE_INFINITY;
  // On the trunk a deletion can go, because the row before it has an end.
  if (row.op === 0 && row.branch === MAIN && row.rev <= horizon) return true;
  return !views.some(({ view, window }) => {
    const level = view.levels.find(({ branch }) => branch === row.branch);
    if (!level || row.rev > level.limit) return false;
    // Between the horizon and the view's own limit every revision stays readable.
    const lowest = window ? Math.min(horizon, level.limit) : level.limit;
    return end > lowest;
  });
}

/** The views that must not change: open branches, with the levels below them and the kept window, and pins. */
function keptViews({ db, branches }: Ledger): KeptView[] {
  const open = branches.allOpen().map(({ id }) => ({ view: branches.view(id), window: true }));
  const pins = db
    .rows<{ branch: number; rev: number }>("SELECT branch, rev FROM pins")
    .map(({ branch, rev }) => ({ view: branches.view(branch, rev), window: false }));
  return [...open, ...pins];
}

/** The lowest revision that stays readable on open branches. */
function horizonOf(ledger: Ledger, options: VacuumOptions): number {
  const newest = ledger.newestRevision();
  const byCount = newest - (options.keepRevisions ?? 0);
  const before = Date.now() - (options.keepMinutes ?? 0) * 60_000;
  const byTime =
    ledger.db.row<{ rev: number | null }>("SELECT max(rev) AS rev FROM revisions WHERE at <= ?", before)
      ?.rev ?? 0;
  return Math.max(0, Math.min(byCount, options.keepMinutes === undefined ? byCount : byTime));
}

/**
 * Deletes expired items, removes rows that nobody can read any more, and shrinks the file.
 *
 * Never removes what an open branch, a fork of it, a pinned version or the kept window needs.
 */
export async function vacuum(engine: Engine, options: VacuumOptions = {}): Promise<VacuumResult> {
  const { db, transactions } = engine;
  const bytesBefore = sizeOnDisk(db.directory);
  const expired = await deleteExpired(engine);
  // Removed content must vanish from the file too, not only from the tables.
  const before = db.db.pragma("secure_delete", { simple: true });
  db.db.pragma("secure_delete = ON");
  let removed: number;
  try {
    removed = await vacuumRows(engine, options);
  } finally {
    if (!transactions.closed) db.db.pragma(`secure_delete = ${before}`);
  }
  transactions.reload();
  if (options.shrink !== false && db.directory) await shrink(engine, options.shrink === "copy");
  return { removed, expired, bytesBefore, bytesAfter: sizeOnDisk(db.directory) };
}

/**
 * Removes rows in short transactions. First it raises the lowest readable revision. Anything below that can no longer
 * be read, forked or pinned, so a row that nobody needs at that moment stays unneeded.
 */
async function vacuumRows(engine: Engine, options: VacuumOptions): Promise<number> {
  const { db, ledger, transactions } = engine;
  const { views, horizon, last } = await transactions.write(() => raiseHorizon(ledger, options));
  let removed = 0;
  for (let after = 0; after < last; ) {
    const rows = db.rows<Row>(
      "SELECT id, item, branch, rev, end_rev, op FROM versions WHERE id > ? ORDER BY id LIMIT ?",
      after,
      SLICE,
    );
    after = rows.at(-1)?.id ?? last;
    const gone = rows.filter((row) => isRemovable(row, views, horizon)).map(({ id }) => id);
    const took = gone.length > 0 ? await inSlice(transactions, () => removeRows(db, gone)) : 0;
    if (after < last) await pause(took);
    removed += gone.length;
  }
  await transactions.write(() => tidy(ledger, horizon, removed));
  return removed;
}

function raiseHorizon(
  ledger: Ledger,
  options: VacuumOptions,
): { views: KeptView[]; horizon: number; last: number } {
  const { db, branches } = ledger;
  keepIds(db);
  dropLeftPins(db);
  const horizon = horizonOf(ledger, options);
  for (const { id } of branches.allOpen()) {
    // A branch's current state stays readable by its revision, which may be before the horizon.
    const oldest = Math.min(horizon, ledger.revisionOf(id));
    db.run("UPDATE branches SET oldest_rev = max(oldest_rev, ?) WHERE id = ?", oldest, id);
  }
  // Versions of closed branches can no longer be read by the branch's name.
  db.run("UPDATE branches SET oldest_rev = ? WHERE closed IS NOT NULL", ledger.newestRevision() + 1);
  branches.reload();
  const last = db.row<{ id: number | null }>("SELECT max(id) AS id FROM versions")?.id ?? 0;
  return { views: keptViews(ledger), horizon, last };
}

/** Runs `work` as one write. Returns how long it took, in milliseconds. */
async function inSlice(transactions: Transactions, work: () => unknown): Promise<number> {
  const started = performance.now();
  await transactions.write(work);
  return performance.now() - started;
}

/** Leaves the lock to others for as long as it was held (at most 100 ms), and yields to the event loop. */
function pause(took: number): Promise<void> {
  return took > 0 ? sleep(Math.min(took, 100)) : setImmediate();
}

function removeRows(db: Connection, ids: readonly number[]): void {
  for (const id of ids) {
    unindex(db, id);
    deleteVectors(db, id);
    db.run("DELETE FROM versions WHERE id = ?", id);
  }
}

/** Removes what no row refers to any more, and makes every connection read everything again. */
function tidy(ledger: Ledger, horizon: number, removed: number): void {
  const { db } = ledger;
  db.run("DELETE FROM items WHERE id NOT IN (SELECT item FROM versions)");
  db.run("DELETE FROM namespaces WHERE id NOT IN (SELECT ns FROM items)");
  db.run(
    `DELETE FROM revisions WHERE rev < ? AND rev NOT IN (SELECT rev FROM versions)
     AND rev NOT IN (SELECT max(rev) FROM revisions GROUP BY branch)`,
    horizon,
  );
  db.run("DELETE FROM idempotency WHERE at < ?", Date.now() - IDEMPOTENCY_DAYS * 86_400_000);
  // Forget discarded branches without rows and children. Promoted ones stay, because a thread that returns to one must
  // learn where its changes went.
  db.run(
    `DELETE FROM branches WHERE closed = 'discarded' AND id NOT IN (SELECT branch FROM versions)
     AND id NOT IN (SELECT parent FROM branches WHERE parent IS NOT NULL)`,
  );
  if (removed > 0) ledger.bumpEpoch();
}

/**
 * Returns free pages to the file system, a few at a time. A file of an earlier release is first copied to allow that.
 */
async function shrink({ db: { db }, transactions }: Engine, copy: boolean): Promise<void> {
  const inSteps = !copy && db.pragma("auto_vacuum", { simple: true }) === INCREMENTAL;
  const freePages = () => db.pragma("freelist_count", { simple: true }) as number;
  if (inSteps) {
    for (let free = freePages(); free > 0; ) {
      const took = await inSlice(transactions, () => db.exec(`PRAGMA incremental_vacuum(${PAGES})`));
      const left = freePages();
      // Others may free pages meanwhile: stop when the number no longer falls.
      if (left >= free) break;
      free = left;
      if (free > 0) await pause(took);
    }
  } else {
    await transactions.exclusive(() => {
      db.pragma(`auto_vacuum = ${INCREMENTAL}`);
      db.exec("VACUUM");
    });
  }
  await transactions.exclusive(() => db.pragma("wal_checkpoint(TRUNCATE)"));
}
