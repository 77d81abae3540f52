/**
 * Installs other projects' memories that agemem is compared with, each into a Python environment of its own below
 * `examples/baselines`: `npm run baselines`, or `npm run baselines -- mem0`.
 *
 * An installation that fails ends with 1. Nothing of them is a dependency of the package. Node built-ins only.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { lastLine, run, say, since } from "./native.mjs";
import { findPython } from "./python-env.mjs";

const FOLDER = join(dirname(dirname(fileURLToPath(import.meta.url))), "examples", "baselines");

/** What each environment holds. Mem0 is the version of the paper's time: graphs left it in 2.0. */
const ENVIRONMENTS = {
  mem0: ["mem0ai==1.0.11", "kuzu==0.11.3", "rank-bm25==0.2.2", "langchain-community"],
  langmem: ["langmem==0.0.30", "langchain-openai"],
};

async function install(name, python) {
  const packages = ENVIRONMENTS[name];
  const folder = join(FOLDER, `.venv-${name}`);
  const stamp = join(folder, "installed.txt");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === packages.join("\n")) {
    return say(`${name}: there`);
  }
  const start = Date.now();
  rmSync(folder, { recursive: true, force: true });
  const made = await run(python, ["-m", "venv", folder]);
  if (!made.ok) throw new Error(`${name}: no virtual environment: ${lastLine(made.output)}`);
  const pip = join(folder, "bin", "python");
  const env = { PIP_DISABLE_PIP_VERSION_CHECK: "1" };
  const filled = await run(pip, ["-m", "pip", "install", "--quiet", ...packages], { env, seconds: 1200 });
  if (!filled.ok) throw new Error(`${name}: pip failed:\n${filled.output.trim().slice(-2000)}`);
  writeFileSync(stamp, packages.join("\n"));
  say(`${name}: installed in ${since(start)}`);
}

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !Object.hasOwn(ENVIRONMENTS, name));
if (unknown !== undefined) {
  console.error(`no baseline "${unknown}"; there are ${Object.keys(ENVIRONMENTS).join(", ")}`);
  process.exit(2);
}
const python = await findPython();
if (!python) {
  console.error("The baselines need Python 3.10 or newer (AGEMEM_PYTHON names one).");
  process.exit(1);
}
for (const name of wanted.length > 0 ? wanted : Object.keys(ENVIRONMENTS)) {
  try {
    await install(name, python);
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}
