/** Creating directories. One of the two places in `lib/` that touch the disk; see `jsonl.ts`. */
import { existsSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";

/**
 * Creates a directory with its parents; does nothing when it exists. Throws the file system's error.
 *
 * One level at a time, because Node's recursive `mkdir` never returns below a directory that answers ENOENT to
 * every creation (such as /proc).
 */
export function ensureDirectory(path: string): void {
  const missing: string[] = [];
  for (let at = resolve(path); !existsSync(at); at = dirname(at)) missing.push(at);
  for (const directory of missing.reverse()) {
    try {
      mkdirSync(directory);
    } catch (error) {
      // Another process was faster.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}
