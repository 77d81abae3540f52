/**
 * Gets faiss-node to run: its prebuilt binary if it can be fetched, else a build against a system FAISS.
 *
 * Run alone (`node scripts/faiss.mjs`) or as a step of `setup.mjs` (a clone) and `addons.mjs` (`agemem setup` in a project
 * that installed the package). Without FAISS agemem uses its exact TypeScript index, so
 * every outcome here is a working one; `--check` only tells, by exit code, whether FAISS is there.
 *
 * The binary is always tried in a child process first: faiss-node ends the whole process when something in it
 * fails, and a binary that cannot run is removed again. Node built-ins only.
 */
import { existsSync, mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  fetchPrebuilt,
  findPackage,
  findProgram,
  lastLine,
  nodeHeadersPrefix,
  npm,
  run,
  say,
  since,
  worksInChild,
} from "./native.mjs";

const FAISS_NODE = "faiss-node@0.5.1";
const NODE_API_HEADERS = "node-api-headers@1.9.0";

/** A batch of 32 queries and a trained index reach the BLAS and LAPACK calls that one query does not. */
const CHECK = `
  const { Index } = require(process.argv[1]);
  const d = 8, n = 200, x = Array.from({ length: n * d }, (_, i) => Math.sin(i * i));
  for (const kind of ["Flat", "IVF2,Flat"]) {
    const index = Index.fromFactory(d, kind);
    if (!index.isTrained()) index.train(x);
    index.add(x);
    const { labels } = index.search(x.slice(0, 32 * d), 1);
    labels.forEach((label, i) => { if (label !== i) throw new Error(kind + " finds " + label); });
  }
  process.stdout.write("works");`;

/** faiss 1.7.4 moved the id type; faiss-node 0.5.1 is written for the new place. */
const SHIM = `#include <faiss/Index.h>
#if FAISS_VERSION_MAJOR == 1 && (FAISS_VERSION_MINOR < 7 || (FAISS_VERSION_MINOR == 7 && FAISS_VERSION_PATCH < 4))
namespace faiss { using idx_t = Index::idx_t; }
#endif
`;

const binaryOf = (dir) => join(dir, "build", "Release", "faiss-node.node");

/** Cheap look at what decides whether a build can succeed; set-up runs again when it changes. */
export function systemFaiss() {
  const folders = [process.env.CPATH, process.env.CPLUS_INCLUDE_PATH].flatMap(
    (v) => v?.split(delimiter) ?? [],
  );
  folders.push("/usr/local/include", "/usr/include");
  return {
    headers: folders.find((folder) => folder && existsSync(join(folder, "faiss", "Index.h"))),
    compiler: process.env.CXX || findProgram("g++", "c++", "clang++"),
  };
}

/** True when faiss-node is installed for the package at `root` and has a binary (not whether it runs). */
export function hasFaissBinary(root) {
  const dir = findPackage(root, "faiss-node");
  return dir !== undefined && existsSync(binaryOf(dir));
}

/** True when faiss-node loads, trains and searches in a child process. */
export async function faissWorks(root) {
  const dir = findPackage(root, "faiss-node");
  return dir !== undefined && existsSync(binaryOf(dir)) && (await worksInChild(dir, CHECK));
}

/**
 * Makes FAISS available to the package at `root`, or says in one line how to get it.
 *
 * @param {string} root folder of agemem's package.json
 * @returns {Promise<"ready" | "none">}
 */
export async function ensureFaiss(root) {
  const dir = findPackage(root, "faiss-node") ?? (await fetchSource(root));
  if (!dir) return none(`${FAISS_NODE} is not installed and cannot be fetched`);
  const binary = binaryOf(dir);
  if (existsSync(binary)) {
    if (await worksInChild(dir, CHECK)) return "ready";
    say("FAISS: the binary that is there does not run, removing it");
    rmSync(binary, { force: true });
  }
  const start = Date.now();
  const missing = await fetchPrebuilt(root, dir, ["--runtime", "napi"]);
  if (!missing && (await worksInChild(dir, CHECK))) {
    say(`FAISS: fetched faiss-node's prebuilt binary (${since(start)})`);
    return "ready";
  }
  rmSync(binary, { force: true });
  const problem = await build(root, dir);
  if (problem) return none(`no prebuilt binary (${missing ?? "it does not run here"}); ${problem}`);
  if (await worksInChild(dir, CHECK)) {
    say(`FAISS: built faiss-node against the system's FAISS (${since(start)})`);
    return "ready";
  }
  rmSync(binary, { force: true });
  return none("the binary built against the system's FAISS does not run");
}

function none(reason) {
  const again = fileURLToPath(import.meta.url).includes("node_modules")
    ? "npx agemem setup"
    : "npm run setup";
  say(
    `FAISS: using the exact TypeScript index instead: ${reason}. For FAISS: apt-get install libfaiss-dev g++, then ${again}`,
  );
  return "none";
}

/** Compiles the add-on; returns what is wrong, or undefined. Dynamic symbols are bound at load, not mid-search. */
async function build(root, dir) {
  const { headers, compiler } = systemFaiss();
  if (process.platform !== "linux") return "building it is supported on Linux only";
  if (!headers) return "no system FAISS";
  if (!compiler) return "no C++ compiler";
  const work = mkdtempSync(join(tmpdir(), "agemem-faiss-"));
  try {
    const addonApi = findPackage(dir, "node-addon-api");
    const nodeApi = await nodeApiHeaders(root, work);
    if (!addonApi || !nodeApi) return "the Node-API headers are not there";
    writeFileSync(join(work, "shim.h"), SHIM);
    const object = join(work, "faiss.o");
    const compile = ["-O3", "-fPIC", "-std=c++17", "-DNAPI_VERSION=8", `-I${nodeApi}`, `-I${addonApi}`];
    compile.push(
      "-include",
      join(work, "shim.h"),
      "-fopenmp",
      "-c",
      join(dir, "src", "faiss.cc"),
      "-o",
      object,
    );
    const compiled = await run(compiler, compile, { seconds: 300 });
    if (!compiled.ok) return `${compiler} failed: ${firstError(compiled.output)}`;
    mkdirSync(dirname(binaryOf(dir)), { recursive: true });
    return await link(compiler, object, binaryOf(dir));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Debian's libfaiss is a static library, so BLAS and LAPACK have to be named; other systems bring their own. */
async function link(compiler, object, binary) {
  let output = "";
  for (const libraries of [["-lfaiss", "-llapack", "-lblas"], ["-lfaiss", "-lopenblas"], ["-lfaiss"]]) {
    const partial = `${binary}.partial`;
    const args = ["-shared", object, "-o", partial, "-Wl,-z,now", "-fopenmp", ...libraries];
    const linked = await run(compiler, args, { seconds: 120 });
    if (linked.ok) {
      renameSync(partial, binary);
      return undefined;
    }
    output ||= linked.output;
  }
  return `${compiler} cannot link it: ${firstError(output)}`;
}

function firstError(output) {
  return (output.split("\n").find((line) => /error|cannot find/.test(line)) ?? lastLine(output)).trim();
}

async function nodeApiHeaders(root, work) {
  const prefix = nodeHeadersPrefix();
  if (prefix) return join(prefix, "include", "node");
  const installed = findPackage(root, "node-api-headers");
  if (installed) return join(installed, "include");
  const fetched = join(work, "node-api-headers");
  return (await unpack(NODE_API_HEADERS, fetched, work)) ? join(fetched, "include") : undefined;
}

/**
 * npm removes an optional package whose install script failed. Its source is put back below agemem's own folder,
 * so that the project's dependency tree stays as npm left it.
 */
async function fetchSource(root) {
  const work = mkdtempSync(join(tmpdir(), "agemem-faiss-"));
  const modules = join(root, "node_modules");
  try {
    for (const spec of [FAISS_NODE, "node-addon-api@6.1.0", "bindings@1.5.0", "file-uri-to-path@1.0.0"]) {
      const name = spec.slice(0, spec.lastIndexOf("@"));
      if (name !== "node-addon-api" && findPackage(root, name)) continue;
      const target =
        name === "node-addon-api" ? join(modules, "faiss-node", "node_modules", name) : join(modules, name);
      if (!(await unpack(spec, target, work))) return undefined;
    }
    return findPackage(root, "faiss-node");
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Fetches a package's tarball through npm (which checks its digest) and unpacks it; true when it is there. */
async function unpack(spec, target, work) {
  const packed = await npm(["pack", spec, "--silent", "--pack-destination", work], {
    cwd: work,
    seconds: 60,
  });
  if (!packed.ok) return false;
  mkdirSync(target, { recursive: true });
  const tarball = join(work, lastLine(packed.output));
  return (await run("tar", ["-xzf", tarball, "--strip-components=1", "-C", target], { seconds: 60 })).ok;
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  if (process.argv.includes("--check")) {
    const ready = await faissWorks(root);
    say(ready ? "FAISS: faiss-node loads, trains and searches" : "FAISS: not available");
    process.exitCode = ready ? 0 : 1;
  } else if ((await ensureFaiss(root)) === "ready") {
    say("FAISS: ready");
  }
}
