/** Online backup: copies the database as it is at one moment, while the store is in use. */
import { existsSync, renameSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { messageOf, StoreError } from "../../errors.js";
import { ensureDirectory } from "../../lib/directory.js";
import { type Connection, DATABASE_FILE, openSnapshot } from "../rows/database.js";
import type { OnProgress } from "./progress.js";

/** Pages per step of the copy. */
const PAGES = 2000;

/** Copies a store to another directory. The database file appears there only once it is complete. */
export async function backupStore(db: Connection, path: string, onProgress?: OnProgress): Promise<void> {
  const directory = resolve(path);
  const target = join(directory, DATABASE_FILE);
  if (existsSync(target)) {
    throw new StoreError("AGEMEM_STORE_PATH", `${directory} holds a store already`, {
      remedy: "Back up to a new directory.",
    });
  }
  const partial = `${target}.partial`;
  let snapshot: Connection | null = null;
  try {
    ensureDirectory(dirname(target));
    // SQLite restarts a copy whenever another connection writes, but not the copy of a snapshot.
    snapshot = await openSnapshot(db);
    await (snapshot ?? db).db.backup(partial, {
      progress: ({ totalPages, remainingPages }) => {
        onProgress?.(totalPages - remainingPages);
        return PAGES;
      },
    });
    renameSync(partial, target);
  } catch (cause) {
    rmSync(partial, { force: true });
    throw new StoreError("AGEMEM_STORE_PATH", `The backup to ${directory} failed: ${messageOf(cause)}`, {
      cause,
      remedy: "Give a new directory with enough space.",
    });
  } finally {
    snapshot?.close();
  }
}
