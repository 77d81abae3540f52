/**
 * Loads the native add-ons (better-sqlite3, faiss-node), which may be missing: a package manager blocks their install
 * scripts, the machine has no compiler, or the application uses another store.
 *
 * Owns where they are looked for: among the package's dependencies, then in the folder that `agemem setup` fills.
 * Nothing is loaded at import. Leaves out what happens without them (`rows/database.ts`, `vectors/index-set.ts`) and
 * building them (`scripts/addons.mjs`).
 */
import { existsSync } from "node:fs";
// Default import, because webpack rewrites a named `createRequire` so that it finds nothing at run time.
import Module from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type Database from "better-sqlite3";
import { ConfigError, messageOf } from "../errors.js";

/** Folder below the project's where `agemem setup` puts add-ons; package managers leave it alone. */
export const ADDON_FOLDER = join(".agemem", "native");

/** The compiled module, or null, and the failed attempts to load it, in order. */
export interface Addon<T> {
  module: T | null;
  failures: unknown[];
}

/** Version 13 includes its binaries, so it needs no install script, but it needs Node.js 22. */
const SQLITE_MAJOR = Number.parseInt(process.versions.node, 10) >= 22 ? 13 : 12;

let sqlite: Promise<typeof Database> | undefined;

/**
 * Loads better-sqlite3 with a binary that runs on this Node. After a failure the next call tries again.
 *
 * @throws ConfigError `AGEMEM_PACKAGE_MISSING` with the commands that help
 */
export function loadSqlite(): Promise<typeof Database> {
  sqlite ??= findSqlite().catch((error) => {
    sqlite = undefined;
    throw error;
  });
  return sqlite;
}

async function findSqlite(): Promise<typeof Database> {
  const failures: unknown[] = [];
  try {
    const own = ownModule();
    if (own !== undefined) refuseTooNew(Module.createRequire(own));
    // A literal import, so that bundlers and deployment tools see the dependency and can mark it as external.
    return runnable((await import("better-sqlite3")).default);
  } catch (error) {
    failures.push(error);
  }
  const found = requireAddon("better-sqlite3", (loaded) => runnable(loaded as typeof Database));
  if (found.module) return found.module;
  throw missingSqlite([...failures, ...found.failures]);
}

/** Refuses better-sqlite3 13 and later on Node.js 20, where loading its binary would end the process. */
function refuseTooNew(require: NodeJS.Require): void {
  if (SQLITE_MAJOR >= 13) return;
  const { version } = require("better-sqlite3/package.json") as { version: string };
  if (Number.parseInt(version, 10) >= 13) throw new TooNew(`version ${version} needs Node.js 22`);
}

class TooNew extends Error {}

/** Opens a database, because the package itself loads even without its binary. */
function runnable(Sqlite: typeof Database): typeof Database {
  new Sqlite(":memory:").close();
  return Sqlite;
}

/** The add-on that Node resolves for this package, else the one that `agemem setup` built. */
export function requireAddon<T>(name: string, check: (loaded: unknown) => T): Addon<T> {
  const failures: unknown[] = [];
  for (const from of [ownModule(), ...addonFolders().map((folder) => join(folder, "package.json"))]) {
    if (from === undefined) continue;
    try {
      const require = Module.createRequire(from);
      if (name === "better-sqlite3") refuseTooNew(require);
      return { module: check(require(name)), failures };
    } catch (error) {
      failures.push(error);
    }
  }
  return { module: null, failures };
}

/** The file to resolve from. A CommonJS bundle has no URL, so its main script is used instead. */
function ownModule(): string | undefined {
  return (import.meta.url as string | undefined) ?? process.argv[1];
}

/**
 * The folders that `agemem setup` may have filled: `AGEMEM_NATIVE`, else those at or above this package and the main
 * script, where Node looks for packages too. Never the working directory, whose files may not be trustworthy.
 */
export function addonFolders(): string[] {
  if (process.env.AGEMEM_NATIVE) return [process.env.AGEMEM_NATIVE];
  const url = import.meta.url as string | undefined;
  const starts = [url?.startsWith("file:") ? fileURLToPath(url) : undefined, process.argv[1]];
  const folders = new Set<string>();
  for (const start of starts) {
    if (start === undefined) continue;
    for (let at = dirname(start); ; at = dirname(at)) {
      const folder = join(at, ADDON_FOLDER);
      if (existsSync(join(folder, "package.json"))) folders.add(folder);
      if (at === dirname(at)) break;
    }
  }
  return [...folders];
}

/** The most informative of several failures, on one line: one about the binary says more than "not found". */
export function reasonOf(failures: readonly unknown[]): string {
  const telling = failures.find((error) => !isNotInstalled(error)) ?? failures[0];
  // Cuts off the places that the package `bindings` searched, and Node's list of requiring modules.
  const [text = ""] = messageOf(telling).split(/Tried:|Require stack:/);
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 300 ? `${line.slice(0, 299)}…` : line;
}

function isNotInstalled(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === "MODULE_NOT_FOUND" || code === "ERR_MODULE_NOT_FOUND";
}

function missingSqlite(failures: unknown[]): ConfigError {
  const installed = failures.some((error) => !isNotInstalled(error));
  const problem = installed
    ? `its compiled part does not load (${reasonOf(failures)})`
    : "it is not installed";
  const remedy =
    installed && !failures.some((error) => error instanceof TooNew)
      ? "Run `npm rebuild better-sqlite3`, from npm 12 on `npm install-scripts approve better-sqlite3` before it, with pnpm `pnpm approve-builds better-sqlite3`; or `npx agemem setup` (`pnpm exec agemem setup`), which says what the machine lacks."
      : `Run \`npm install better-sqlite3@${SQLITE_MAJOR}\`, with pnpm \`pnpm add better-sqlite3@${SQLITE_MAJOR}\`; or \`npx agemem setup\` (\`pnpm exec agemem setup\`), which says what the machine lacks.`;
  return new ConfigError("AGEMEM_PACKAGE_MISSING", `FaissStore needs better-sqlite3, and ${problem}`, {
    cause: failures[0],
    remedy,
    details: { package: "better-sqlite3", installed },
  });
}
