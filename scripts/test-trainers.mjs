/**
 * Reads `agemem export` back by the trainers' own Python packages: `npm run test:trainers`.
 *
 * Owns the order: a recording with token ids, its rows in each format by the command line, the Python tests on them.
 * Never skips a test. A machine where the packages cannot be installed in time fails, or with `--optional` says why and
 * ends with 0. Node built-ins only; the environment is that of `python-env.mjs`.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { pythonForTests } from "./python-env.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const project = join(root, "examples", "grpo-trainer");
/**
 * What Agent Lightning's server and batch import, in a folder of its own: no other test needs it. Named one by one, because
 * with dependencies tensordict would bring another torch.
 */
const LIGHTNING_NEEDS = [
  ...["fastapi>=0.115", "annotated-doc", "opentelemetry-api", "importlib-metadata", "zipp"],
  ...["structlog", "httpx-retries", "tensordict", "pyvers", "orjson", "cloudpickle"],
];
const FORMATS = ["trl", "chat", "trinity", "verl"];
const optional = process.argv.includes("--optional");
const say = (line) => console.log(`test:trainers: ${line}`);

function run(command, args, env = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}`);
}

function installNeeds(python) {
  const target = join(dirname(dirname(python)), "trainers", "agent-lightning-needs");
  if (existsSync(target)) return;
  rmSync(`${target}.new`, { recursive: true, force: true });
  const where = ["--quiet", "--no-deps", "--only-binary=:all:", "--target", `${target}.new`];
  run(python, ["-m", "pip", "install", ...where, ...LIGHTNING_NEEDS], {
    PIP_RETRIES: process.env.PIP_RETRIES ?? "1",
    PIP_DISABLE_PIP_VERSION_CHECK: "1",
  });
  renameSync(`${target}.new`, target);
}

/** False, with the reason said, where the packages cannot be installed. */
function prepared(python) {
  try {
    installNeeds(python);
    return true;
  } catch (error) {
    say(`${optional ? "skipped" : "failed"}: ${error.message}`);
    process.exitCode = optional ? 0 : 1;
    return false;
  }
}

function readBack(python, folder) {
  const tsx = ["--import", "tsx"];
  const recording = join(folder, "run.jsonl");
  run(process.execPath, [...tsx, "tests/trainers/record-run.ts", recording]);
  for (const format of FORMATS) {
    const out = join(folder, `${format}.jsonl`);
    run(process.execPath, [...tsx, "src/cli/main.ts", "export", recording, "--to", format, "--out", out]);
  }
  run(python, ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/trainers"], {
    AGEMEM_TRAINER_ROWS: folder,
    HF_HUB_OFFLINE: "1",
    HF_DATASETS_CACHE: join(folder, "datasets"),
    PYTHONDONTWRITEBYTECODE: "1",
    TRL_EXPERIMENTAL_SILENCE: "1",
  });
}

const python = await pythonForTests({ project, say, optional });
if (python && prepared(python)) {
  const folder = mkdtempSync(join(tmpdir(), "agemem-trainers-"));
  try {
    readBack(python, folder);
  } catch (error) {
    say(`failed: ${error.message}`);
    process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
