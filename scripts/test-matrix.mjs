/**
 * Runs the whole suite on the oldest and the newest set of LangGraph's packages that the peer ranges allow.
 *
 *   npm run test:matrix                      both sets
 *   npm run test:matrix -- --set newest      one of them
 *   npm run test:matrix -- --set newest --optional -- tests/store     where the registry may be out of reach; arguments of vitest
 *
 * `oldest`: the lower ends of the ranges in package.json. `newest`: the newest published versions within them, what an
 * application gets today, with what they ask for, and the newest of our own dependencies. Each set is installed into a copy of the working tree in the system's
 * temporary folder, with add-ons taken from this clone. An installation, a type check or a test that fails ends with 1;
 * `--optional` lets only a registry that cannot be reached pass, and says so. Node built-ins only.
 */
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { npm, run, say } from "./native.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const SETS = ["oldest", "newest"];

/** Packages that a set chooses: LangChain's among the peers. The others (models in the process) are optional and pinned. */
const CHOSEN = Object.keys(manifest.peerDependencies).filter((name) =>
  /^(@langchain\/|langchain$)/.test(name),
);

/** `npm view` of one field as JSON. Throws an Error when there is no answer. */
async function view(spec, field) {
  const result = await run("npm", ["view", spec, field, "--json", "--silent"], {
    cwd: tmpdir(),
    seconds: 60,
  });
  if (!result.ok) throw new Error(`npm view ${spec}: ${result.output.trim().slice(-300)}`);
  const json = result.output.slice(result.output.search(/^[[{"]/m));
  return JSON.parse(json);
}

/** The newest published version that satisfies a range; npm lists matches in ascending order. */
async function newestOf(name, range) {
  const found = await view(`${name}@${range}`, "version");
  return [found]
    .flat()
    .filter((version) => !version.includes("-"))
    .sort(byVersion)
    .at(-1);
}

function byVersion(a, b) {
  const [x, y] = [a, b].map((version) => version.split(".").map(Number));
  return x[0] - y[0] || x[1] - y[1] || x[2] - y[2];
}

const lowerEnd = (range) => range.match(/>=\s*(\d+\.\d+\.\d+)/)[1];

/** Exact versions of a set. */
async function versionsOf(set) {
  const versions = {};
  for (const name of CHOSEN) {
    const range = manifest.peerDependencies[name];
    versions[name] = set === "oldest" ? lowerEnd(range) : await newestOf(name, range);
  }
  if (set === "newest") {
    const asked = await view(`@langchain/langgraph@${versions["@langchain/langgraph"]}`, "dependencies");
    for (const name of ["@langchain/langgraph-checkpoint", "@langchain/langgraph-sdk"]) {
      versions[name] = await newestOf(name, asked[name]);
    }
    // The lock file pins the lower ends of our own ranges, which `npm test` runs on.
    for (const [name, range] of Object.entries(manifest.dependencies)) {
      versions[name] = await newestOf(name, range);
    }
  }
  return versions;
}

/** A copy of the working tree without what git ignores, and with the set in its package.json. */
async function copyTree(set, versions) {
  const target = mkdtempSync(join(tmpdir(), `agemem-${set}-`));
  const listed = await run("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], {
    cwd: ROOT,
  });
  if (!listed.ok) throw new Error(`git ls-files failed: ${listed.output.trim()}`);
  for (const path of listed.output.split("\0").filter((name) => name && existsSync(join(ROOT, name)))) {
    mkdirSync(dirname(join(target, path)), { recursive: true });
    cpSync(join(ROOT, path), join(target, path));
  }
  const copy = structuredClone(manifest);
  for (const [name, version] of Object.entries(versions)) {
    if (copy.dependencies[name]) copy.dependencies[name] = version;
    else copy.devDependencies[name] = version;
    // A set chooses; what the clone overrides for its own pinned versions does not.
    if (copy.overrides[name] && !copy.overrides[name].startsWith("$")) copy.overrides[name] = version;
  }
  // The clone's binary is copied, so the version is the clone's too.
  copy.optionalDependencies["better-sqlite3"] = versionOf(ROOT, "better-sqlite3");
  writeFileSync(join(target, "package.json"), `${JSON.stringify(copy, null, 2)}\n`);
  // Tests ask git which files belong to the project.
  for (const args of [
    ["init", "--quiet"],
    ["add", "--all"],
  ]) {
    const done = await run("git", args, { cwd: target });
    if (!done.ok) throw new Error(`git ${args[0]} failed: ${done.output.trim()}`);
  }
  return target;
}

async function install(target) {
  const flags = ["--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
  const result = await npm(["install", ...flags], { cwd: target, seconds: 900 });
  if (!result.ok) throw new Error(`npm install failed:\n${result.output.trim()}`);
  for (const name of ["better-sqlite3", "faiss-node"]) {
    const built = join("node_modules", name, "build", "Release");
    if (existsSync(join(ROOT, built))) cpSync(join(ROOT, built), join(target, built), { recursive: true });
  }
  await follow(process.execPath, ["scripts/setup.mjs"], target);
}

function versionOf(folder, name) {
  return JSON.parse(readFileSync(join(folder, "node_modules", name, "package.json"), "utf8")).version;
}

/** Fails unless what is installed is what the set says: an override or the lock file may have won. */
function confirm(target, versions) {
  for (const [name, version] of Object.entries(versions)) {
    const path = join(target, "node_modules", name, "package.json");
    const installed = JSON.parse(readFileSync(path, "utf8")).version;
    if (installed !== version) throw new Error(`${name} is ${installed}, the set wants ${version}`);
  }
}

/** Runs a program with its output shown; throws when it fails. */
function follow(command, args, cwd) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ["ignore", "inherit", "inherit"] });
    child.on("error", reject);
    child.on("close", (code) =>
      code === 0 ? resolve() : reject(new Error(`${args.slice(0, 3).join(" ")} ended with ${code}`)),
    );
  });
}

async function testSet(set, vitestArguments) {
  const versions = await versionsOf(set);
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  say(`matrix, ${set}: ${named.join(", ")}`);
  const target = await copyTree(set, versions);
  try {
    await install(target);
    confirm(target, versions);
    await follow(process.execPath, ["node_modules/typescript/bin/tsc", "--noEmit"], target);
    await follow(process.execPath, ["node_modules/vitest/vitest.mjs", "run", ...vitestArguments], target);
  } finally {
    if (!process.env.AGEMEM_MATRIX_KEEP) rmSync(target, { recursive: true, force: true });
  }
  say(`matrix, ${set}: passed`);
}

async function registryAnswers() {
  return (await run("npm", ["view", "@langchain/langgraph", "version"], { cwd: tmpdir(), seconds: 60 })).ok;
}

async function main(argv) {
  const cut = argv.indexOf("--", 0) < 0 ? argv.length : argv.indexOf("--");
  const own = argv.slice(0, cut);
  const at = own.indexOf("--set");
  const sets = at < 0 ? SETS : [own[at + 1]];
  if (!sets.every((set) => SETS.includes(set))) throw new Error(`--set is one of ${SETS.join(", ")}`);
  if (own.includes("--optional") && !(await registryAnswers())) {
    say("matrix: NOT RUN, npm's registry cannot be reached");
    return;
  }
  for (const set of sets) await testSet(set, argv.slice(cut + 1));
}

main(process.argv.slice(2)).catch((error) => {
  say(`matrix: failed: ${error.message}`);
  process.exitCode = 1;
});
