/**
 * The SQLite schema of a store: tables, indexes, and the format number in `user_version`.
 *
 * Owns the format on disk. Leaves out reading and writing it (`reader.ts`, `writer.ts`, `branches.ts`).
 *
 * `versions` has one row for each state of an item that was written on a branch; a row is current on its branch while
 * `end_rev` is null. `born` is the row that created the item, or created it again after a deletion; it gives the order
 * of creation.
 */
import type { Database } from "better-sqlite3";
import { StoreError } from "../../errors.js";

/**
 * The format number in `PRAGMA user_version`. A store with a higher one is refused. Format 2 has the tables of format
 * 1, but splits text into keyword terms differently (`text/words.ts`).
 */
export const FORMAT = 2;

/** A version row's vectors have the ids `version * VECTORS_PER_VERSION + ordinal`. */
export const VECTORS_PER_VERSION = 4096;

/** Id of the trunk, the branch "main". */
export const MAIN = 1;

const DDL = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE branches (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, parent INTEGER, fork_rev INTEGER NOT NULL,
  created_at INTEGER NOT NULL, closed TEXT, oldest_rev INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX branches_open ON branches(name) WHERE closed IS NULL;
CREATE TABLE revisions (rev INTEGER PRIMARY KEY, branch INTEGER NOT NULL, at INTEGER NOT NULL);
CREATE TABLE pins (name TEXT PRIMARY KEY, branch INTEGER NOT NULL, rev INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE namespaces (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);
CREATE TABLE items (id INTEGER PRIMARY KEY, ns INTEGER NOT NULL, key TEXT NOT NULL);
CREATE UNIQUE INDEX items_key ON items(ns, key);
CREATE TABLE versions (
  id INTEGER PRIMARY KEY, item INTEGER NOT NULL, ns INTEGER NOT NULL, branch INTEGER NOT NULL,
  rev INTEGER NOT NULL, end_rev INTEGER, prev INTEGER, born INTEGER NOT NULL, op INTEGER NOT NULL,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, expires_at INTEGER, ttl REAL,
  fields TEXT, value TEXT);
CREATE UNIQUE INDEX versions_item ON versions(item, branch, rev);
CREATE INDEX versions_ns ON versions(ns, branch, born);
CREATE INDEX versions_expiring ON versions(expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE vectors (
  id INTEGER PRIMARY KEY, path TEXT NOT NULL, hash BLOB NOT NULL, vector BLOB NOT NULL);
CREATE TABLE idempotency (
  key TEXT NOT NULL, branch INTEGER NOT NULL, rev INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (key, branch)) WITHOUT ROWID;
CREATE TABLE terms (version INTEGER PRIMARY KEY, length INTEGER NOT NULL);
CREATE VIRTUAL TABLE fts USING fts5(
  text, content='', contentless_delete=1, tokenize="unicode61 remove_diacritics 0 tokenchars '_'");
CREATE VIRTUAL TABLE fts_terms USING fts5vocab(fts, instance);
`;

/** Drops the keyword terms of earlier formats; searches and writes then index all rows again, in batches. */
const DROP_KEYWORDS = `
INSERT INTO fts (fts) VALUES ('delete-all');
DELETE FROM terms;
DELETE FROM meta WHERE key = 'fts_upto';
`;

/**
 * Creates the tables in an empty database, and updates those of an earlier format. Throws `AGEMEM_STORE_FORMAT` for a
 * newer format.
 */
export function prepareSchema(db: Database, now: number, storeId: string): void {
  const format = db.pragma("user_version", { simple: true }) as number;
  if (format > FORMAT) throw newerFormat(format);
  if (format === FORMAT) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    const present = db.pragma("user_version", { simple: true }) as number;
    if (present === 0) {
      db.exec(DDL);
      db.prepare(
        "INSERT INTO branches (id, name, parent, fork_rev, created_at) VALUES (?, 'main', NULL, 0, ?)",
      ).run(MAIN, now);
      const meta = db.prepare("INSERT INTO meta (key, value) VALUES (?, ?)");
      meta.run("store_id", storeId);
      meta.run("epoch", "0");
    } else if (present < FORMAT) {
      db.exec(DROP_KEYWORDS);
    }
    if (present < FORMAT) db.pragma(`user_version = ${FORMAT}`);
    db.exec("COMMIT");
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  }
}

function newerFormat(format: number): StoreError {
  return new StoreError(
    "AGEMEM_STORE_FORMAT",
    `The store has format ${format}; this release reads ${FORMAT}`,
    {
      remedy: "Open it with the agemem release that wrote it, or a later one.",
      details: { format, supported: FORMAT },
    },
  );
}
