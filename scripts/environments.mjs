/**
 * Environments of the evaluation, each in a Python environment of its own: `npm run environments -- alfworld scienceworld babyai`.
 *
 * Owns which packages each has and what is done already; all without names. `AGEMEM_ENVIRONMENTS` names another folder than
 * `.agemem/environments`, `AGEMEM_PYTHON` a Python. ScienceWorld needs a Java runtime (Debian: openjdk-17-jre-headless). Node
 * built-ins only. Leaves out the servers (`examples/environments/`).
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { lastLine, run } from "./native.mjs";
import { findPython } from "./python-env.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Steps of pip by environment. `--no-deps` where a package asks for what its text games do not need. */
export const STEPS = {
  alfworld: [
    ["textworld==1.7.0", "fast-downward-textworld==20.6.4", "tatsu==5.8.3", "setuptools<81", "pyyaml==6.0.4"],
    ["--no-deps", "alfworld==0.4.2"],
  ],
  scienceworld: [["--no-deps", "scienceworld==1.2.3", "py4j==0.10.9.9"]],
  babyai: [
    ["minigrid==2.3.1", "gymnasium==1.4.0"],
    // The bot that solves the levels came with a later release; only its file is read.
    ["--no-deps", "--target", "BOT", "minigrid==2.5.0"],
  ],
};

export const environmentsFolder = resolve(root, process.env.AGEMEM_ENVIRONMENTS ?? ".agemem/environments");

/** Installs one; seconds it took, 0 when it was there. Throws an Error that says what failed. */
export async function installEnvironment(name, folder = environmentsFolder, steps = STEPS[name]) {
  const home = join(folder, name);
  const stampPath = join(home, "agemem-stamp");
  const stamp = JSON.stringify(steps);
  if (existsSync(stampPath) && readFileSync(stampPath, "utf8") === stamp) return 0;
  const began = Date.now();
  const python = await findPython();
  if (!python) throw new Error("Python 3.10 or newer is needed");
  if (name === "scienceworld")
    await must("java", ["-version"], "Debian: apt install openjdk-17-jre-headless");
  rmSync(home, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await must(python, ["-m", "venv", home], "Debian: apt install python3-venv");
  const own = join(home, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  for (const step of steps) {
    const args = step.map((each) => (each === "BOT" ? join(home, "bot") : each));
    await must(own, ["-m", "pip", "install", "--quiet", ...args], "is a package index reachable?");
  }
  writeFileSync(stampPath, stamp);
  return (Date.now() - began) / 1000;
}

async function must(command, args, hint) {
  const env = { PIP_DISABLE_PIP_VERSION_CHECK: "1", PIP_RETRIES: process.env.PIP_RETRIES ?? "1" };
  const { ok, output, timedOut } = await run(command, args, { seconds: 1200, env });
  if (ok) return;
  throw new Error(
    `${command} ${args.join(" ")}: ${timedOut ? "did not end in time" : lastLine(output)} (${hint})`,
  );
}

async function main(names) {
  const unknown = names.filter((name) => !Object.hasOwn(STEPS, name));
  if (unknown.length > 0)
    throw new Error(`no environment ${unknown.join(", ")}; there are ${Object.keys(STEPS).join(", ")}`);
  for (const name of names.length ? names : Object.keys(STEPS)) {
    const seconds = await installEnvironment(name);
    console.log(
      `environments: ${name} ${seconds ? `installed in ${seconds.toFixed(0)} s` : "is there already"}`,
    );
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  main(process.argv.slice(2)).catch((error) => {
    console.log(`environments: failed: ${error.message}`);
    process.exitCode = 1;
  });
}
