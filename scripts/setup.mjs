/**
 * Makes a clone ready to run: packages, better-sqlite3, FAISS. `npm run demo` and `npm test` start with it.
 *
 * Does nothing (well under a second, no output) while `node_modules/.agemem-setup.json` says that nothing
 * changed: the lock file, Node's ABI, the installed tree, the add-ons, and, where FAISS is missing, what the
 * system offers to build it. Otherwise it does what is lacking, one line per step, and recovers a half-finished
 * install. Node built-ins only.
 *
 * Environment: `AGEMEM_INDEX=flat` leaves FAISS out, `AGEMEM_PREBUILT_SECONDS` limits the download of prebuilt
 * binaries (default 20, 0 skips it), `AGEMEM_NO_CACHE=1` leaves the per-user cache of built binaries alone.
 * `--again` (`npm run setup`) tries for FAISS again also when nothing changed.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureFaiss, hasFaissBinary, systemFaiss } from "./faiss.mjs";
import { lastLine, npm, say, since } from "./native.mjs";
import { ensureSqlite, hasSqliteBinary } from "./sqlite.mjs";

const stampPath = (root) => join(root, "node_modules", ".agemem-setup.json");
const treePath = (root) => join(root, "node_modules", ".package-lock.json");
const sha256 = (data) => createHash("sha256").update(data).digest("hex");

/** What the stamp is compared with: everything that can make an earlier set-up wrong. */
export function currentFacts(root) {
  return {
    lock: sha256(readFileSync(join(root, "package-lock.json"))),
    node: `${process.versions.modules}-${process.platform}-${process.arch}`,
    tree: existsSync(treePath(root)) ? statSync(treePath(root)).mtimeMs : 0,
    system: JSON.stringify(systemFaiss()),
  };
}

function readStamp(root) {
  try {
    return JSON.parse(readFileSync(stampPath(root), "utf8"));
  } catch {
    return {}; // no set-up yet, or a torn one: both mean doing it
  }
}

/** True when an earlier set-up still holds. Reads only. */
export function isReady(root, env = process.env) {
  const stamp = readStamp(root);
  const facts = currentFacts(root);
  if (stamp.lock !== facts.lock || stamp.node !== facts.node || stamp.tree !== facts.tree) return false;
  if (!hasSqliteBinary(root)) return false;
  if (env.AGEMEM_INDEX === "flat") return true;
  return stamp.faiss === "ready"
    ? hasFaissBinary(root)
    : stamp.faiss === "none" && stamp.system === facts.system;
}

/**
 * True when npm finished installing exactly what the lock file asks for. Optional packages may be missing
 * (other platforms; npm removes faiss-node when its install script fails), but not be of another version.
 * better-sqlite3 is optional for applications only: a clone without it cannot run its tests.
 */
export function treeMatchesLock(root) {
  let installed;
  try {
    installed = JSON.parse(readFileSync(treePath(root), "utf8")).packages;
  } catch {
    return false; // npm writes this file last: without it the install did not finish
  }
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  return Object.entries(packages).every(([path, wanted]) => {
    const needed = !wanted.optional || path === "node_modules/better-sqlite3";
    if (path === "" || (!needed && !installed[path])) return true;
    return installed[path]?.version === wanted.version && existsSync(join(root, path, "package.json"));
  });
}

/** `npm ci` without install scripts, bounded; a second try starts from nothing. */
async function installPackages(root) {
  const start = Date.now();
  const args = ["ci", "--ignore-scripts", "--include=dev", "--include=optional", "--no-audit", "--no-fund"];
  args.push("--prefer-offline", "--fetch-retries=4", "--fetch-timeout=60000", "--loglevel=error");
  say("packages: npm ci");
  let result = await npm(args, { cwd: root, seconds: 600 });
  if (!result.ok) {
    say(
      `packages: npm ci failed (${result.timedOut ? "time limit" : lastLine(result.output)}), once more from nothing`,
    );
    rmSync(join(root, "node_modules"), { recursive: true, force: true });
    result = await npm(args, { cwd: root, seconds: 900 });
  }
  if (!result.ok) {
    throw new Error(
      `npm ci failed:\n${result.output.trim()}\nCheck the network and npm's registry setting, then run the command again`,
    );
  }
  say(`packages: installed (${since(start)})`);
}

/**
 * Does what is lacking and notes it. Throws an Error with the remedy when packages or SQLite cannot be had;
 * a missing FAISS is no error.
 */
export async function setUp(root, { env = process.env } = {}) {
  const earlier = readStamp(root).node;
  const otherNode = earlier !== undefined && earlier !== currentFacts(root).node;
  if (otherNode) say("packages: another Node than last time, add-ons are checked again");
  if (!treeMatchesLock(root)) await installPackages(root);
  rmSync(stampPath(root), { force: true });
  const wantsFaiss = env.AGEMEM_INDEX !== "flat";
  if (!wantsFaiss) say("FAISS: left out (AGEMEM_INDEX=flat)");
  const [sqlite, faiss] = await Promise.allSettled([
    ensureSqlite(root),
    wantsFaiss ? ensureFaiss(root) : "skipped",
  ]);
  for (const step of [sqlite, faiss]) if (step.status === "rejected") throw step.reason;
  writeFileSync(stampPath(root), `${JSON.stringify({ ...currentFacts(root), faiss: faiss.value })}\n`);
  return faiss.value;
}

/** One set-up at a time per clone: two commands started together on a fresh clone must not share an `npm ci`. */
async function withLock(root, action) {
  const path = join(tmpdir(), `agemem-setup-${userInfo().uid}-${sha256(root).slice(0, 12)}.lock`);
  let told = false;
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
      if (!ownerLives(path)) {
        rmSync(path, { force: true });
        continue;
      }
      if (!told) say("another set-up of this clone is running, waiting for it");
      told = true;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }
  process.once("exit", () => rmSync(path, { force: true }));
  await action();
}

function ownerLives(path) {
  try {
    const pid = Number(readFileSync(path, "utf8"));
    // The owner writes its id right after it creates the file.
    if (!pid) return Date.now() - statSync(path).mtimeMs < 5000;
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

async function main() {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const again = process.argv.includes("--again");
  if (!again && isReady(root)) return;
  await withLock(root, async () => {
    if (!again && isReady(root)) return;
    const faiss = await setUp(root);
    say(`ready (vector index: ${faiss === "ready" ? "FAISS" : "exact TypeScript"})`);
  });
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main().catch((error) => {
    say(`failed: ${error.message}.`);
    process.exitCode = 1;
  });
}
