/**
 * Gets the native add-ons to run in a project that installed the package: the work of `agemem setup`.
 *
 * What runs where the package manager put it is left alone. The rest goes to `.agemem/native` in the project's folder
 * (`AGEMEM_NATIVE` names another), a small npm project of its own: `npm install`, `npm ci` and pnpm neither fill nor
 * empty it, and agemem looks there when its own dependencies do not load (`src/store/addons.ts`). Node built-ins only.
 *
 * Environment: `AGEMEM_INDEX=flat` leaves FAISS out, `faiss` makes it an error when FAISS cannot be had;
 * `AGEMEM_PREBUILT_SECONDS` and `AGEMEM_NO_CACHE` as in `setup.mjs`.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { ensureFaiss, faissWorks } from "./faiss.mjs";
import { findPackage, lastLine, nodeHeadersPrefix, npm, say } from "./native.mjs";
import { ensureSqlite, sqliteWorks } from "./sqlite.mjs";

/** From 13 on better-sqlite3 brings its binaries along, and needs Node.js 22. */
const SQLITE = Number.parseInt(process.versions.node, 10) >= 22 ? "13.2.0" : "12.10.0";

/** Below the project's folder. */
export const ADDON_FOLDER = join(".agemem", "native");

/** The nearest folder at or above `from` with a package.json, else `from`. */
export function projectFolder(from) {
  for (let at = resolve(from); ; at = dirname(at)) {
    if (existsSync(join(at, "package.json"))) return at;
    if (at === dirname(at)) return resolve(from);
  }
}

/**
 * Leaves a better-sqlite3 and, unless told otherwise, a faiss-node that run.
 *
 * @param {string} root folder of agemem's package.json
 * @param {string} project folder of the project that uses it
 * @returns {Promise<{ sqlite: string, faiss: string | null, folder: string }>} folders of what will be loaded
 * @throws Error with the remedy when better-sqlite3 cannot be had, or FAISS although `AGEMEM_INDEX=faiss`
 */
export async function ensureAddons(root, project, env = process.env) {
  const folder = env.AGEMEM_NATIVE ? resolve(env.AGEMEM_NATIVE) : join(project, ADDON_FOLDER);
  const wanted = { ...manifestOf(root).peerDependencies, "better-sqlite3": SQLITE };
  const sqlite = (await runningSqlite(root)) ?? (await put(folder, "better-sqlite3", wanted, ensureSqlite));
  if (env.AGEMEM_INDEX === "flat") return { sqlite, faiss: null, folder };
  let faiss = await runningFaiss(root);
  if (!faiss) {
    const have = await put(folder, "faiss-node", wanted, ensureFaiss).catch((error) => {
      say(`FAISS: ${error.message}`);
      return null;
    });
    faiss = have && (await faissWorks(folder)) ? have : null;
  }
  if (!faiss && env.AGEMEM_INDEX === "faiss") {
    throw new Error("AGEMEM_INDEX=faiss insists on FAISS, which cannot be had here (see above)");
  }
  return { sqlite, faiss, folder };
}

async function runningSqlite(root) {
  const dir = findPackage(root, "better-sqlite3");
  return dir && (await sqliteWorks(dir)) ? dir : undefined;
}

async function runningFaiss(root) {
  const dir = findPackage(root, "faiss-node");
  return dir && (await faissWorks(root)) ? dir : undefined;
}

/** Adds a package to the folder without its install script, then gets its binary. */
async function put(folder, name, wanted, ensure) {
  prepare(folder);
  const dir = join(folder, "node_modules", name);
  if (!existsSync(join(dir, "package.json"))) {
    const specs = [`${name}@${wanted[name]}`];
    // What a build of FAISS needs where Node.js came without its headers.
    if (name === "faiss-node" && !nodeHeadersPrefix()) specs.push("node-api-headers@1.9.0");
    const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", "--loglevel=error"];
    const result = await npm(["install", ...specs, ...flags], { cwd: folder, seconds: 300 });
    if (!result.ok) throw new Error(`${name} cannot be fetched: ${lastLine(result.output)}`);
  }
  await ensure(folder);
  return dir;
}

function prepare(folder) {
  mkdirSync(folder, { recursive: true });
  const manifest = join(folder, "package.json");
  const about = "Native add-ons of agemem, made by `agemem setup`. Safe to delete; run it again then.";
  if (!existsSync(manifest)) {
    writeFileSync(manifest, `${JSON.stringify({ private: true, description: about }, null, 2)}\n`);
  }
  writeFileSync(join(folder, ".gitignore"), "*\n");
}

function manifestOf(root) {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
}
