/**
 * Gets better-sqlite3 to run: a binary built earlier on this account, its prebuilt one, or a build with node-gyp.
 *
 * A built binary is kept in the user's cache (`$XDG_CACHE_HOME/agemem` or `~/.cache/agemem`), keyed by package
 * version, Node ABI and platform, so that a second clone need not build again; one that does not load is thrown
 * away. `AGEMEM_NO_CACHE=1` neither reads nor writes it. Part of `setup.mjs` and `addons.mjs`; Node built-ins only.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import {
  fetchPrebuilt,
  findProgram,
  lastLine,
  nodeHeadersPrefix,
  npm,
  say,
  since,
  worksInChild,
} from "./native.mjs";

const CHECK = `
  const Database = require(process.argv[1]);
  new Database(":memory:").exec("create virtual table t using fts5(x)").close();
  process.stdout.write("works");`;

const binaryOf = (dir) => join(dir, "build", "Release", "better_sqlite3.node");

/** True when a binary is there (not whether it loads): a built one, or those that version 13 brings along. */
export function hasSqliteBinary(root) {
  return hasBinary(join(root, "node_modules", "better-sqlite3"));
}

function hasBinary(dir) {
  return existsSync(binaryOf(dir)) || existsSync(join(dir, "prebuilds"));
}

/** True when the package in `dir` opens a database with FTS5 in a child process. */
export async function sqliteWorks(dir) {
  return hasBinary(dir) && (await worksInChild(dir, CHECK));
}

/**
 * Leaves a better-sqlite3 that opens a database with FTS5, or throws an Error with the remedy.
 *
 * @param {string} root folder of a project whose `node_modules` holds better-sqlite3
 */
export async function ensureSqlite(root) {
  const dir = join(root, "node_modules", "better-sqlite3");
  const binary = binaryOf(dir);
  const works = () => sqliteWorks(dir);
  if (await works()) return;
  const start = Date.now();
  const cached = cachePath(dir);
  if (cached && existsSync(cached)) {
    place(cached, binary);
    if (await works()) return say(`SQLite: took better-sqlite3 from ${cached} (${since(start)})`);
    rmSync(cached, { force: true });
  }
  rmSync(binary, { force: true });
  const missing = await fetchPrebuilt(root, dir);
  if (!missing && (await works())) {
    return say(`SQLite: fetched better-sqlite3's prebuilt binary (${since(start)})`);
  }
  const unfetched = missing ?? "it does not run here";
  const lacking = missingTools();
  if (lacking.length > 0)
    throw cannotBuild(`there is no prebuilt binary (${unfetched}) and no ${lacking.join(", no ")}`);
  say(`SQLite: no prebuilt binary (${unfetched}), building better-sqlite3 (a minute or two)`);
  const built = await build(dir);
  if (!(await works())) throw cannotBuild(reasonOf(built));
  say(`SQLite: built better-sqlite3 (${since(start)})`);
  if (cached) keep(binary, cached);
}

/** Asked before node-gyp is, whose own answer is a page long. */
function missingTools() {
  const tools = { "g++": ["g++", "c++", "clang++"], make: ["make", "gmake"], python3: ["python3", "python"] };
  if (process.platform === "win32") return [];
  return Object.keys(tools).filter((tool) => {
    const given = { "g++": process.env.CXX, python3: process.env.PYTHON ?? process.env.npm_config_python }[
      tool
    ];
    return !given && !findProgram(...tools[tool]);
  });
}

function cannotBuild(reason) {
  return new Error(
    `better-sqlite3 cannot be built: ${reason}. It needs g++, make and python3 (apt-get install g++ make python3); then run the command again`,
  );
}

/** node-gyp would download headers; the running Node's own are used when it came with them. */
function build(dir) {
  const prefix = nodeHeadersPrefix();
  const env = { JOBS: "max", ...(prefix && { npm_config_nodedir: prefix }) };
  return npm(["run", "build-release"], { cwd: dir, env, seconds: 1200 });
}

function reasonOf({ output, timedOut }) {
  if (timedOut) return "the build did not end within 20 minutes";
  const line = output.split("\n").find((text) => /not found|error:|gyp ERR! stack Error/i.test(text));
  return (line ?? lastLine(output)).trim();
}

function cachePath(dir) {
  if (process.env.AGEMEM_NO_CACHE) return undefined;
  const { version } = JSON.parse(readFileSync(join(dir, "package.json"), "utf8"));
  const system = `${process.platform}-${process.arch}`;
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "agemem");
  return join(folder, `better-sqlite3-${version}-abi${process.versions.modules}-${system}.node`);
}

/** Copy and rename, so that a killed set-up never leaves half a binary under the final name. */
function place(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  const partial = `${to}.${process.pid}`;
  copyFileSync(from, partial);
  renameSync(partial, to);
}

/** The cache is a convenience: a read-only or full home must not fail the set-up. */
function keep(binary, cached) {
  try {
    place(binary, cached);
  } catch (error) {
    say(`SQLite: not cached (${error.message})`);
  }
}
