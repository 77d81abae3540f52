/**
 * Installs other projects' memories that agemem is compared with, each into an environment of its own: `npm run baselines`,
 * `npm run baselines -- mem0`, or `npm run baselines -- --all` with A-Mem, which takes minutes.
 *
 * `AGEMEM_BASELINES` names another folder than `.agemem/baselines`. An installation that fails ends with 1. Nothing of them is a
 * dependency of the package. Node built-ins only. Leaves out the servers (`examples/baselines/`).
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { installEnvironment } from "./environments.mjs";
import { ensureSqlite } from "./sqlite.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Steps of pip by environment. Mem0 is the version of the paper's time: graphs left it in 2.0. */
export const BASELINES = {
  mem0: [["mem0ai==1.0.11", "kuzu==0.11.3", "rank-bm25==0.2.2", "langchain-community==0.4.2"]],
  langmem: [["langmem==0.0.30", "langchain-openai==1.7.4"]],
  // The fork's own requirements name torch (2 GB installed), which its server does without.
  "a-mem": [
    ["--no-deps", "a-mem==0.2.6"],
    [
      "chromadb==1.5.9",
      "litellm==1.110.2",
      "openai==3.57.0",
      "rank-bm25==0.2.2",
      "nltk==3.10.4",
      "scikit-learn==1.9.1",
      "requests==2.34.2",
    ],
  ],
};

/** Packages of npm by environment. */
const NODE_BASELINES = {
  "mem0-node": { dependencies: { mem0ai: "3.3.1", "better-sqlite3": "12.10.0" } },
};

const NAMES = [...Object.keys(BASELINES), ...Object.keys(NODE_BASELINES)];

/** Installed only by name or with `--all`: minutes of installation. */
const SLOW = ["a-mem"];

/** Those that `npm run baselines` and its tests take, every one with `--all`. */
export function chosenBaselines(args) {
  return args.includes("--all") ? NAMES : NAMES.filter((name) => !SLOW.includes(name));
}

export const baselinesFolder = resolve(root, process.env.AGEMEM_BASELINES ?? join(".agemem", "baselines"));

/** Installs those that are named. Throws an Error that says what failed. */
export async function installBaselines(names) {
  for (const name of names) {
    const seconds = Object.hasOwn(BASELINES, name)
      ? await installEnvironment(name, baselinesFolder, BASELINES[name])
      : await installPackages(name, NODE_BASELINES[name]);
    console.log(`${name}: ${seconds === 0 ? "there" : `installed in ${seconds.toFixed(0)} s`}`);
  }
}

/** Seconds that npm took, 0 when the packages were there. Peers of Mem0 are clients of other people's stores: none is used. */
async function installPackages(name, wanted) {
  const home = join(baselinesFolder, name);
  const stampPath = join(home, "agemem-stamp");
  const stamp = JSON.stringify(wanted);
  if (existsSync(stampPath) && readFileSync(stampPath, "utf8") === stamp) return 0;
  const began = Date.now();
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, "package.json"), JSON.stringify({ private: true, ...wanted }));
  const args = ["install", "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund"];
  const { status, stderr } = spawnSync("npm", args, { cwd: home, encoding: "utf8" });
  if (status !== 0) throw new Error(`npm ${args.join(" ")}: ${String(stderr).trim().split("\n").at(-1)}`);
  // Mem0's vectors "in memory" lie in SQLite.
  await ensureSqlite(home);
  writeFileSync(stampPath, stamp);
  return (Date.now() - began) / 1000;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const args = process.argv.slice(2);
  const names = args.filter((arg) => arg !== "--all");
  const unknown = names.find((name) => !NAMES.includes(name));
  if (unknown !== undefined) {
    console.error(`no baseline "${unknown}"; there are ${NAMES.join(", ")}`);
    process.exit(2);
  }
  await installBaselines(names.length > 0 ? names : chosenBaselines(args)).catch((error) => {
    console.error(error.message);
    process.exit(1);
  });
}
