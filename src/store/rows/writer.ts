/**
 * Writes puts and deletions inside an open write transaction: revisions, version rows, vectors, idempotency keys.
 *
 * Owns how a put or deletion changes the tables. Leaves out the transaction (`transactions.ts`) and loading the rows
 * into memory (`catch-up.ts`).
 */
import { StoreError } from "../../errors.js";
import type { View } from "./branches.js";
import { nextId } from "./ids.js";
import type { Ledger } from "./ledger.js";
import { latestRow } from "./reader.js";
import { type StoredVector, writeVectors } from "./vector-rows.js";
import { isLive, type WrittenRow } from "./version-row.js";

/** A put or deletion that is ready to be written. */
export interface PreparedPut {
  path: string;
  key: string;
  /** The value as JSON; null deletes. */
  json: string | null;
  /** The indexed paths, or false, as JSON; null for a deletion. */
  fields: string | null;
  vectors: StoredVector[];
  /** Minutes; null = forever. */
  ttl: number | null;
  idempotencyKeys: string[];
  /** The revision at which the item must be; 0 = never written. */
  ifRevision?: number;
  /** Times to keep, for an import or a promotion. Default: now; a replaced item keeps its `createdAt`. */
  createdAt?: number;
  updatedAt?: number;
}

/** Writes the puts of a batch as one revision. Returns the rows written: none when nothing changed. */
export function writePuts(ledger: Ledger, branch: number, puts: readonly PreparedPut[]): WrittenRow[] {
  const view = ledger.branches.view(branch);
  const now = Date.now();
  const rev = ledger.newestRevision() + 1;
  const first = nextId(ledger.db, "versions");
  const written: WrittenRow[] = [];
  for (const put of lastOfEach(ledger, view, puts)) {
    const row = writePut(ledger, view, put, { rev, id: first + written.length, now });
    if (!row) continue;
    written.push(row);
    ledger.wrote(row);
  }
  const keys = puts.flatMap((put) => put.idempotencyKeys);
  if (written.length > 0 || keys.length > 0) {
    for (const key of keys) {
      ledger.db.run(
        "INSERT OR IGNORE INTO idempotency (key, branch, rev, at) VALUES (?, ?, ?, ?)",
        key,
        branch,
        rev,
        now,
      );
    }
  }
  if (written.length > 0)
    ledger.db.run("INSERT INTO revisions (rev, branch, at) VALUES (?, ?, ?)", rev, branch, now);
  return written;
}

/** The last put of each item, except those whose idempotency key was used before. */
function lastOfEach(ledger: Ledger, view: View, puts: readonly PreparedPut[]): PreparedPut[] {
  if (puts.length === 1) return puts.filter((put) => !wasDone(ledger, view, put));
  const last = new Map<string, PreparedPut>();
  const seen = new Set<string>();
  for (const put of puts) {
    if (put.idempotencyKeys.some((key) => seen.has(key)) || wasDone(ledger, view, put)) continue;
    for (const key of put.idempotencyKeys) seen.add(key);
    const id = `${put.path}\n${put.key}`;
    last.delete(id);
    last.set(id, put);
  }
  return [...last.values()];
}

function wasDone(ledger: Ledger, view: View, put: PreparedPut): boolean {
  return put.idempotencyKeys.some((key) =>
    view.levels.some(({ branch, limit }) =>
      ledger.db.row(
        "SELECT 1 FROM idempotency WHERE key = ? AND branch = ? AND rev <= ?",
        key,
        branch,
        limit,
      ),
    ),
  );
}

function writePut(
  ledger: Ledger,
  view: View,
  put: PreparedPut,
  at: { rev: number; id: number; now: number },
): WrittenRow | null {
  const { db } = ledger;
  const branch = view.levels[0]?.branch ?? 0;
  const known = ledger.namespaces.find(put.path);
  if (!known && put.ifRevision) throw overtaken(put);
  if (!known && put.json === null) return null;
  const ns = known ?? ledger.namespaces.ensure(put.path);
  const found = db.row<{ id: number }>("SELECT id FROM items WHERE ns = ? AND key = ?", ns.id, put.key)?.id;
  if (found === undefined && put.ifRevision) throw overtaken(put);
  if (found === undefined && put.json === null) return null;
  const item = found ?? nextId(db, "items");
  if (found === undefined) db.run("INSERT INTO items (id, ns, key) VALUES (?, ?, ?)", item, ns.id, put.key);
  const current = found === undefined ? undefined : latestRow(ledger, view, item);
  const alive = current !== undefined && isLive(current, at.now);
  if (put.ifRevision !== undefined && put.ifRevision !== (current?.rev ?? 0)) throw overtaken(put);
  if (put.json === null && (!current || current.op === 0)) return null;
  const prev = current?.branch === branch ? current.id : null;
  if (prev !== null) db.run("UPDATE versions SET end_rev = ? WHERE id = ?", at.rev, prev);
  const row: WrittenRow = {
    id: at.id,
    item,
    ns: ns.id,
    branch,
    rev: at.rev,
    end_rev: null,
    prev,
    born: alive && put.json !== null ? current.born : at.id,
    op: put.json === null ? 0 : 1,
    vectors: put.vectors.map(({ vector }) => vector),
  };
  db.run(
    `INSERT INTO versions (id, item, ns, branch, rev, end_rev, prev, born, op, created_at, updated_at, expires_at, ttl,
      fields, value) VALUES (?, ?, ?, ?, ?, NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    row.id,
    item,
    ns.id,
    branch,
    at.rev,
    prev,
    row.born,
    row.op,
    put.createdAt ?? (alive ? current.created_at : at.now),
    put.updatedAt ?? at.now,
    put.ttl === null ? null : at.now + Math.round(put.ttl * 60_000),
    put.ttl,
    put.fields,
    put.json,
  );
  writeVectors(db, row.id, put.vectors);
  return row;
}

function overtaken({ key, ifRevision }: PreparedPut): StoreError {
  return new StoreError("AGEMEM_STORE_CONFLICT", `The item "${key}" is not at revision ${ifRevision}`, {
    remedy: "Read it again and decide again; nothing in the batch was written.",
    details: { key, ifRevision },
  });
}
