/**
 * Opens a store's SQLite database, and turns its failures into store errors.
 *
 * Owns pragmas (WAL, synchronous), the name of the database file and the cache of prepared statements. Leaves out the
 * tables (`schema.ts`).
 */
import { randomUUID } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type Database from "better-sqlite3";
import { AgeMemError, messageOf, StoreError } from "../../errors.js";
import { ensureDirectory } from "../../lib/directory.js";
import { loadSqlite } from "../addons.js";
import { prepareSchema } from "./schema.js";

/**
 * `"full"`: an acknowledged write survives a power loss. `"normal"`: it survives a crash of the process, but a power
 * loss may lose the last writes.
 */
export type Durability = "full" | "normal";

/** Name of the database file inside a store's directory. */
export const DATABASE_FILE = "memory.db";

/** A database connection that prepares each statement once. */
export class Connection {
  readonly #statements = new Map<string, Database.Statement<unknown[]>>();
  readonly #opened: string | null;
  /** Identifies the write-ahead log's file from the first write on; it must not change while a connection is open. */
  #wal: string | null = null;

  constructor(
    readonly db: Database.Database,
    /** Absolute directory, or null for an in-memory store. */
    readonly directory: string | null,
    /** Whether every commit waits until the disk has it. */
    readonly syncs = false,
  ) {
    this.#opened = directory === null ? null : fileId(join(directory, DATABASE_FILE));
  }

  /** Prepares an SQL text, once. */
  prepare(sql: string): Database.Statement<unknown[]> {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = typed(() => this.db.prepare<unknown[]>(sql));
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  row<T>(sql: string, ...params: unknown[]): T | undefined {
    return typed(() => this.prepare(sql).get(...params)) as T | undefined;
  }

  rows<T>(sql: string, ...params: unknown[]): T[] {
    return typed(() => this.prepare(sql).all(...params)) as T[];
  }

  *iterate<T>(sql: string, ...params: unknown[]): Generator<T, undefined> {
    try {
      yield* this.prepare(sql).iterate(...params) as IterableIterator<T>;
    } catch (error) {
      throw toStoreError(error);
    }
    return undefined;
  }

  run(sql: string, ...params: unknown[]): Database.RunResult {
    return typed(() => this.prepare(sql).run(...params));
  }

  /** Runs `work`, whose commits the disk may have only when a later one has been synced. Call it outside transactions. */
  withoutSync<T>(work: () => T): T {
    if (!this.syncs) return work();
    typed(() => this.db.pragma("synchronous = NORMAL"));
    try {
      return work();
    } finally {
      typed(() => this.db.pragma("synchronous = FULL"));
    }
  }

  getMeta(key: string): string | undefined {
    return this.row<{ value: string }>("SELECT value FROM meta WHERE key = ?", key)?.value;
  }

  setMeta(key: string, value: string): void {
    this.run(
      "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
      key,
      value,
    );
  }

  /**
   * Throws `AGEMEM_STORE_PATH` when the files at the store's path are no longer the open ones: SQLite would keep
   * writing to files that nobody can open again.
   */
  assertInPlace(): void {
    if (this.directory === null) return;
    const wal = fileId(join(this.directory, `${DATABASE_FILE}-wal`));
    this.#wal ??= wal;
    const file = fileId(join(this.directory, DATABASE_FILE));
    if (file !== null && file === this.#opened && wal !== null && wal === this.#wal) return;
    throw new StoreError(
      "AGEMEM_STORE_PATH",
      `The files of the store in ${this.directory} were removed or replaced`,
      {
        remedy: "Nothing of this call was written. Open the store again, or restore a backup.",
        details: { path: this.directory },
      },
    );
  }

  close(): void {
    this.#statements.clear();
    this.db.close();
  }
}

/**
 * Opens or creates the database under a directory, or in memory for `":memory:"`.
 *
 * @throws StoreError `AGEMEM_STORE_PATH` (a file, not writable), `AGEMEM_STORE_CORRUPT` (not a database),
 * `AGEMEM_STORE_FORMAT` (written by a newer release); ConfigError `AGEMEM_PACKAGE_MISSING` (no better-sqlite3)
 */
export async function openDatabase(path: string, durability: Durability = "full"): Promise<Connection> {
  const Sqlite = await loadSqlite();
  const directory = path === ":memory:" ? null : resolve(path);
  if (directory) makeDirectory(directory);
  let db: Database.Database;
  try {
    db = new Sqlite(directory ? join(directory, DATABASE_FILE) : ":memory:", { timeout: 2000 });
  } catch (cause) {
    throw pathError(path, cause);
  }
  try {
    // Lets vacuum return pages a few at a time. Only for a new file: an existing one keeps its mode, and setting it
    // would be a write.
    if (db.pragma("page_count", { simple: true }) === 0) db.pragma("auto_vacuum = INCREMENTAL");
    db.pragma("journal_mode = WAL");
    db.pragma(`synchronous = ${durability === "full" ? "FULL" : "NORMAL"}`);
    db.pragma("cache_size = -65536");
    db.pragma("temp_store = MEMORY");
    prepareSchema(db, Date.now(), randomUUID());
  } catch (cause) {
    db.close();
    throw cause instanceof AgeMemError ? cause : openError(path, cause);
  }
  db.pragma("busy_timeout = 20");
  return new Connection(db, directory, directory !== null && durability === "full");
}

/**
 * A connection that sees the database as it is now, whatever is written until it is closed: for work that takes long.
 * Null for a store in memory, which has only one connection.
 */
export async function openSnapshot({ directory }: Connection): Promise<Connection | null> {
  if (directory === null) return null;
  const Sqlite = await loadSqlite();
  let db: Database.Database | undefined;
  try {
    db = new Sqlite(join(directory, DATABASE_FILE), { readonly: true, fileMustExist: true });
    db.exec("BEGIN");
    // A deferred transaction takes its snapshot at the first read.
    db.prepare("SELECT 1 FROM meta LIMIT 1").get();
    return new Connection(db, directory);
  } catch (cause) {
    db?.close();
    throw openError(directory, cause);
  }
}

/** Identifies a file, as opposed to another one at the same path; null when there is none. */
function fileId(path: string): string | null {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat ? `${stat.dev}/${stat.ino}` : null;
}

function makeDirectory(directory: string): void {
  try {
    if (existsSync(directory) && !statSync(directory).isDirectory()) throw new Error("it is a file");
    ensureDirectory(directory);
  } catch (cause) {
    throw pathError(directory, cause);
  }
}

function pathError(path: string, cause: unknown): StoreError {
  return new StoreError(
    "AGEMEM_STORE_PATH",
    `The store directory ${path} cannot be used: ${messageOf(cause)}`,
    {
      cause,
      remedy: "Give a directory that can be created, read and written.",
      details: { path },
    },
  );
}

function openError(path: string, cause: unknown): StoreError {
  const code = sqliteCode(cause);
  if (
    code.startsWith("SQLITE_READONLY") ||
    code.startsWith("SQLITE_CANTOPEN") ||
    code.startsWith("SQLITE_PERM")
  ) {
    return pathError(path, cause);
  }
  return toStoreError(cause) as StoreError;
}

function sqliteCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && code.startsWith("SQLITE_") ? code : "";
}

/** Whether SQLite refused because another connection holds the lock. */
export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error) || sqliteCode((error as { cause?: unknown } | null)?.cause);
  return code.startsWith("SQLITE_BUSY");
}

/** Runs `work` and turns a failure of SQLite into a {@link StoreError}. */
function typed<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toStoreError(error);
  }
}

/** File system codes of an unusable path, and of a failing disk. */
const WRONG_PLACE = ["ENOENT", "ENOTDIR", "EISDIR", "EACCES", "EPERM", "EROFS"];
const DISK = ["ENOSPC", "EDQUOT", "EFBIG", "EIO", "EMFILE", "ENFILE"];

/** Turns a failure of SQLite or the file system into a {@link StoreError}; returns any other error as it is. */
export function toStoreError(cause: unknown): unknown {
  const code = sqliteCode(cause);
  if (!code) return fileError(cause);
  const details = { sqlite: code };
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED")) {
    return new StoreError("AGEMEM_STORE_LOCKED", "Another connection holds the store's write lock", {
      cause,
      remedy: "Try again, or raise busyTimeoutMs.",
      details,
    });
  }
  if (code.startsWith("SQLITE_CORRUPT") || code.startsWith("SQLITE_NOTADB")) {
    return new StoreError("AGEMEM_STORE_CORRUPT", `The store's database is damaged: ${messageOf(cause)}`, {
      cause,
      remedy: "Run `agemem memory verify`, and restore a backup if repair cannot help.",
      details,
    });
  }
  return new StoreError("AGEMEM_STORE_IO", `The store's database failed: ${messageOf(cause)}`, {
    cause,
    remedy: "Check free space and the health of the disk; nothing of this call was written.",
    details,
  });
}

function fileError(cause: unknown): unknown {
  const code = (cause as { code?: unknown } | null)?.code;
  if (AgeMemError.isInstance(cause) || typeof code !== "string") return cause;
  const details = { file: code };
  if (WRONG_PLACE.includes(code)) {
    return new StoreError("AGEMEM_STORE_PATH", `A file of the store cannot be used: ${messageOf(cause)}`, {
      cause,
      remedy: "Check that the directory exists, and its permissions.",
      details,
    });
  }
  if (!DISK.includes(code)) return cause;
  return new StoreError("AGEMEM_STORE_IO", `The disk failed: ${messageOf(cause)}`, {
    cause,
    remedy: "Check free space and the health of the disk.",
    details,
  });
}
