/** Creates directories. Besides `jsonl.ts` the only file in `lib/` that touches the disk. */
import { existsSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";

/**
 * Creates a directory and its parents; does nothing if it exists. Throws the file system's error.
 *
 * It creates one level at a time, because Node's recursive `mkdir` never returns within a directory that answers every
 * creation with ENOENT, such as /proc.
 */
export function ensureDirectory(path: string): void {
  const missing: string[] = [];
  for (let at = resolve(path); !existsSync(at); at = dirname(at)) missing.push(at);
  for (const directory of missing.reverse()) {
    try {
      mkdirSync(directory);
    } catch (error) {
      // Another process may have been faster.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}
