/**
 * `RECORDING.index`, which tells without reading the recording: whether it is locked, its settings, its groups.
 *
 * A SQLite database that the writer keeps locked. The lock is the operating system's, so it is released however the
 * process ends. Owns the lock, the groups with their outcomes, and the settings of each run in the recording. It may be
 * deleted: it is rebuilt from the recording, but without the settings.
 */
import type { Database } from "better-sqlite3";
import { InputError, messageOf } from "../../errors.js";
import { loadSqlite } from "../../store/addons.js";
import { differences, type RunIdentity } from "./identity.js";
import type { RolloutOutcome } from "./outcome.js";

/** Where the last indexed group ends. */
export interface IndexedEnd {
  part: string;
  bytes: number;
}

/** Share `number` of `of` of a run, as `--shard` has it; 1 of 1 is the whole run. */
export interface RunShare {
  number: number;
  of: number;
  /** Ids of its groups, in the order of the tasks. */
  groups: readonly string[];
}

/** The bytes of a group in a part. */
export interface GroupPlace {
  part: string;
  start: number;
  /** The first byte after it. */
  end: number;
}

export class RecordingIndex {
  private constructor(
    private readonly path: string,
    private readonly db: Database,
  ) {}

  /**
   * Locks the recording for this process.
   *
   * @throws InputError `AGEMEM_RECORDING_LOCKED` while another writer has it, `AGEMEM_INPUT_FILE`
   */
  static async open(path: string): Promise<RecordingIndex> {
    const Sqlite = await loadSqlite();
    const file = `${path.replace(/\/$/, "")}.index`;
    let db: Database | undefined;
    try {
      db = new Sqlite(file, { timeout: 0 });
      db.pragma("locking_mode = EXCLUSIVE");
      // What a power failure loses here can be read from the recording again.
      db.pragma("synchronous = OFF");
      db.exec("BEGIN EXCLUSIVE; COMMIT");
      db.exec(`CREATE TABLE IF NOT EXISTS runs (run TEXT PRIMARY KEY, settings TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS groups (id TEXT PRIMARY KEY, part TEXT NOT NULL, bytes INTEGER NOT NULL, outcomes TEXT NOT NULL, start INTEGER)`);
      addStart(db);
      db.exec(`CREATE TABLE IF NOT EXISTS shares (run TEXT, number INTEGER, of INTEGER, groups TEXT NOT NULL,
        PRIMARY KEY (run, number, of))`);
      return new RecordingIndex(path, db);
    } catch (cause) {
      db?.close();
      throw openError(path, file, cause);
    }
  }

  /**
   * Stores the settings of a new run, or compares them with those that it was begun with.
   *
   * @throws InputError `AGEMEM_RECORDING_SETTINGS` with the differences
   */
  claim({ run, settings }: RunIdentity): void {
    const known = this.db.prepare("SELECT settings FROM runs WHERE run = ?").get(run) as
      | { settings: string }
      | undefined;
    if (!known) {
      this.db.prepare("INSERT INTO runs VALUES (?, ?)").run(run, JSON.stringify(settings));
      return;
    }
    const found = differences(JSON.parse(known.settings) as Record<string, unknown>, settings);
    if (found.length === 0) return;
    throw new InputError(
      "AGEMEM_RECORDING_SETTINGS",
      `${this.path} was begun with other settings: ${found.join("; ")}`,
      {
        remedy: "Give the settings it was begun with, or choose another file or run name.",
        details: { path: this.path, differences: found },
      },
    );
  }

  /** Notes which groups a share of a run has when it is whole, in the order of the tasks. */
  plan(run: string, { number, of, groups }: RunShare): void {
    this.db
      .prepare("INSERT OR REPLACE INTO shares VALUES (?, ?, ?, ?)")
      .run(run, number, of, JSON.stringify(groups));
  }

  /** The shares of runs that were begun in the recording. */
  shares(): (RunShare & { run: string })[] {
    const rows = this.db.prepare("SELECT run, number, of, groups FROM shares").all() as {
      run: string;
      number: number;
      of: number;
      groups: string;
    }[];
    return rows.map((row) => ({ ...row, groups: JSON.parse(row.groups) as string[] }));
  }

  /** The settings of all runs, which merging compares and copies. */
  runs(): RunIdentity[] {
    const rows = this.db.prepare("SELECT run, settings FROM runs").all() as {
      run: string;
      settings: string;
    }[];
    return rows.map(({ run, settings }) => ({
      run,
      settings: JSON.parse(settings) as Record<string, unknown>,
    }));
  }

  groups(): Map<string, RolloutOutcome[]> {
    const rows = this.db.prepare("SELECT id, outcomes FROM groups").all() as {
      id: string;
      outcomes: string;
    }[];
    return new Map(rows.map(({ id, outcomes }) => [id, JSON.parse(outcomes) as RolloutOutcome[]]));
  }

  /** End of the last group; undefined when no group is indexed. */
  end(): IndexedEnd | undefined {
    return this.db.prepare("SELECT part, bytes FROM groups ORDER BY part DESC, bytes DESC LIMIT 1").get() as
      | IndexedEnd
      | undefined;
  }

  /** @param start where the group begins; null where that is not known */
  add(id: string, end: IndexedEnd, outcomes: readonly RolloutOutcome[], start: number | null): void {
    this.db
      .prepare("INSERT OR REPLACE INTO groups (id, part, bytes, outcomes, start) VALUES (?, ?, ?, ?, ?)")
      .run(id, end.part, end.bytes, JSON.stringify(outcomes), start);
  }

  /** Undefined for a group that is not there, or whose bytes are not known: the index was made from the recording. */
  place(id: string): GroupPlace | undefined {
    return this.db
      .prepare('SELECT part, start, bytes AS "end" FROM groups WHERE id = ? AND start IS NOT NULL')
      .get(id) as GroupPlace | undefined;
  }

  /** Forgets all groups, because the recording no longer matches. */
  clear(): void {
    this.db.exec("DELETE FROM groups");
  }

  close(): void {
    this.db.close();
  }
}

/** Indexes of before have no column for it. */
function addStart(db: Database): void {
  const columns = db.pragma("table_info(groups)") as { name: string }[];
  if (!columns.some(({ name }) => name === "start")) db.exec("ALTER TABLE groups ADD COLUMN start INTEGER");
}

function openError(path: string, file: string, cause: unknown): InputError {
  if (/^SQLITE_BUSY/.test(String((cause as { code?: unknown }).code))) {
    return new InputError("AGEMEM_RECORDING_LOCKED", `${path} is being written by another process`, {
      cause,
      remedy: "Wait for it to end, or record into another file.",
      details: { path },
    });
  }
  return new InputError("AGEMEM_INPUT_FILE", `${file} cannot be opened: ${messageOf(cause)}`, {
    cause,
    remedy: "Check the path and its permissions. A broken index may be deleted.",
    details: { path },
  });
}
