/**
 * A Python environment for `examples/grpo-trainer`, made once and kept in its folder. Node built-ins only.
 *
 * Owns finding Python 3.10 or newer, the virtual environment, which build of torch is installed, and the sources of trainers
 * that cannot be installed on a processor: tests read them without their dependencies. Environment:
 * `AGEMEM_PYTHON` names a Python, or one that has the packages already; `AGEMEM_TORCH_INDEX` another index for torch.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lastLine, run } from "./native.mjs";

const CANDIDATES = ["python3", "python3.13", "python3.12", "python3.11", "python3.10", "python"];
const CPU_INDEX = "https://download.pytorch.org/whl/cpu";
/** One version by name: of equal versions pip prefers the one built for the processor, of different ones the newest. */
const CPU_TORCH = "torch==2.13.0";

/** Trainers whose own classes and configurations the tests use; files only, in a folder of their own. */
const TRAINER_SOURCES = {
  ".": ["agentlightning==1.0.2", "verl==0.8.0"],
  // Its oldest release that the recipes are for, and the newest.
  "trinity-0.3.1": ["trinity-rft==0.3.1"],
  "trinity-0.6.0": ["trinity-rft==0.6.0"],
};

/** The first Python of this machine that is 3.10 or newer, `AGEMEM_PYTHON` before all; undefined when there is none. */
export async function findPython(env = process.env) {
  for (const command of env.AGEMEM_PYTHON ? [env.AGEMEM_PYTHON] : CANDIDATES) {
    const { ok } = await run(command, ["-c", "import sys; sys.exit(sys.version_info < (3, 10))"]);
    if (ok) return command;
  }
  return undefined;
}

/** Whether the Python package index answers. Without Python the installation fails, and says why. */
export async function pythonIndexAnswers() {
  const python = await findPython();
  if (!python) return true;
  const scratch = mkdtempSync(join(tmpdir(), "agemem-index-"));
  const asked = await run(python, ["-m", "pip", "download", "--no-deps", "-d", scratch, "pip"], {
    seconds: 60,
  });
  rmSync(scratch, { recursive: true, force: true });
  return asked.ok;
}

/** What the environment is made of: another one is made when it changes. */
function wantedStamp(project, device) {
  const manifest = readFileSync(join(project, "pyproject.toml"), "utf8");
  const dependencies = manifest.slice(
    manifest.indexOf("dependencies"),
    manifest.indexOf("[project.scripts]"),
  );
  return createHash("sha256")
    .update(`${device}\n${dependencies}\n${JSON.stringify(TRAINER_SOURCES)}`)
    .digest("hex");
}

/** Where pip looks for torch beside its own index; undefined = nowhere else. */
export function torchIndex(device, env = process.env, platform = process.platform) {
  return env.AGEMEM_TORCH_INDEX ?? (device === "cpu" && platform === "linux" ? CPU_INDEX : undefined);
}

/** Steps of the installation as arguments of pip. On the processor torch comes without CUDA, a tenth of the size. */
export function installSteps(project, device, env = process.env, platform = process.platform) {
  const index = torchIndex(device, env, platform);
  const torch =
    index === undefined ? [] : [["--extra-index-url", index, device === "cpu" ? CPU_TORCH : "torch"]];
  // Agent Lightning asks for Python 3.12: its files are read by older ones, it is not run by them.
  const anyPython = ["--no-deps", "--only-binary=:all:", "--ignore-requires-python"];
  const sources = Object.entries(TRAINER_SOURCES).map(([folder, packages]) => [
    ...[...anyPython, "--target", join(project, ".venv", "trainers", folder)],
    ...packages,
  ]);
  return [
    ["setuptools>=77", "wheel"],
    ...torch,
    ...sources,
    ["--no-build-isolation", "-e", `${project}[dev]`],
  ];
}

/**
 * The environment's Python, made and filled when needed; `say` gets a line per step.
 * Throws an Error whose message says what failed. `seconds` limits each step of the installation (default 1,200).
 */
export async function ensurePythonEnv({ project, device = "cpu", say, env = process.env, seconds = 1200 }) {
  if (env.AGEMEM_PYTHON && (await hasPackage(env.AGEMEM_PYTHON, project))) return env.AGEMEM_PYTHON;
  const python = await findPython(env);
  if (!python) throw new Error("Python 3.10 or newer is needed (looked for python3 and python3.10 to 3.13)");
  const home = join(project, ".venv");
  const own = join(home, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  const stampPath = join(home, "agemem-stamp");
  const stamp = wantedStamp(project, device);
  if (existsSync(stampPath) && readFileSync(stampPath, "utf8") === stamp) return own;
  say(`making a Python environment in ${home}`);
  rmSync(home, { recursive: true, force: true });
  await must(python, ["-m", "venv", home], "Debian: apt install python3-venv", 120);
  for (const step of installSteps(project, device, env)) {
    const began = Date.now();
    await must(own, ["-m", "pip", "install", "--quiet", ...step], "is a package index reachable?", seconds, {
      PIP_DISABLE_PIP_VERSION_CHECK: "1",
      PIP_RETRIES: env.PIP_RETRIES ?? "1",
    });
    say(`installed ${step.at(-1)} (${Math.round((Date.now() - began) / 1000)} s)`);
  }
  writeFileSync(stampPath, stamp);
  return own;
}

/** Installs those of `packages` (names that are imported as they are called) that the Python lacks. */
export async function ensurePackages(python, packages, say) {
  for (const name of packages) {
    if ((await run(python, ["-c", `import ${name}`])).ok) continue;
    say(`installing ${name}`);
    await must(python, ["-m", "pip", "install", "--quiet", name], "is a package index reachable?", 300, {
      PIP_DISABLE_PIP_VERSION_CHECK: "1",
    });
  }
}

/**
 * The environment's Python for a test command, or undefined with the exit status set and the reason said: 1, or 0 when the
 * tests are `optional`. `AGEMEM_PYTHON_SECONDS` limits a step of the installation (default 300: torch alone is 200 MB).
 */
export async function pythonForTests({ project, say, optional, env = process.env }) {
  try {
    const seconds = Number(env.AGEMEM_PYTHON_SECONDS ?? 300);
    const python = await ensurePythonEnv({ project, say, env, seconds });
    // Writes and reads the GGUF files of the tests; only dequantizing needs it.
    await ensurePackages(python, ["gguf"], say);
    return python;
  } catch (error) {
    say(`${optional ? "skipped" : "failed"}: ${error.message}`);
    process.exitCode = optional ? 0 : 1;
    return undefined;
  }
}

async function must(command, args, hint, seconds, env = {}) {
  const { ok, output, timedOut } = await run(command, args, { seconds, env });
  if (ok) return;
  const why = timedOut ? `did not end in ${seconds} s` : lastLine(output);
  throw new Error(`${command} ${args.join(" ")}: ${why} (${hint})`);
}

/** True when the Python can import this very package and its trainer library. */
async function hasPackage(python, project) {
  const program = "import agemem_grpo, trl, pathlib; print(pathlib.Path(agemem_grpo.__file__).resolve())";
  const { ok, output } = await run(python, ["-c", program]);
  return ok && output.trim().split("\n").at(-1).startsWith(project);
}
