/**
 * `npm run train:tiny`: a tiny policy learns to manage its memory, from an empty checkout to the report.
 *
 * Sets up what is lacking (packages, Python environment), then runs `agemem-grpo study` on `configs/tiny.toml`: tasks,
 * warm start, servers, training, evaluation, report. The same command goes on after an interruption. Node built-ins only.
 */
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ensurePythonEnv } from "./python-env.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const project = join(root, "examples", "grpo-trainer");

const HELP = `npm run train:tiny -- [options]
  --short              a run of a few minutes that shows every part working; too short to show learning
  --seeds N            seeds 0 to N-1 (default 1)
  --variants A,B       of all-returns, shuffled, answer-only (default all-returns)
  --jobs N             runs at a time (default: 2, or 1 on a single core)
  --device cpu|cuda    where the policy is trained and served (default cpu)
  --out DIR            folder of the runs and the report (default runs/tiny, or runs/tiny-short)
  --set NAME=VALUE     another value for a setting of configs/tiny.toml, may be repeated
The whole study: npm run train:tiny -- --seeds 3 --variants all-returns,shuffled,answer-only`;

/** What makes a short run short. */
const SHORT = ["train.iterations=6", "evaluate.tasks=16", "prepare.warm_start.steps=150"];

function options() {
  const { values } = parseArgs({
    options: {
      short: { type: "boolean", default: false },
      seeds: { type: "string", default: "1" },
      variants: { type: "string", default: "all-returns" },
      jobs: { type: "string", default: String(Math.min(2, availableParallelism())) },
      device: { type: "string", default: "cpu" },
      out: { type: "string" },
      set: { type: "string", multiple: true, default: [] },
      help: { type: "boolean", default: false },
    },
  });
  if (values.device !== "cpu" && !values.device.startsWith("cuda")) {
    throw new Error(`--device is ${values.device}: expected cpu or cuda`);
  }
  return values;
}

/** Threads of a trainer, when that many runs share the machine. */
function threadsFor({ seeds, variants, jobs }) {
  const together = Math.max(1, Math.min(Number(jobs), Number(seeds) * variants.split(",").length));
  return Math.max(1, Math.min(4, Math.floor(availableParallelism() / together)));
}

/** The command line of the study. */
function studyArguments({ short, seeds, variants, jobs, device, out, set }) {
  const folder = resolve(root, out ?? (short ? "runs/tiny-short" : "runs/tiny"));
  const threads = threadsFor({ seeds, variants, jobs });
  const where = [`device=${device}`, `server.device=${device}`, `threads=${threads}`];
  const settings = [...(short ? SHORT : []), ...where, ...set];
  return [
    ...["-m", "agemem_grpo.cli", "study", join(project, "configs", "tiny.toml"), "--out", folder],
    ...["--seeds", seeds, "--variants", variants, "--jobs", jobs],
    ...settings.flatMap((setting) => ["--set", setting]),
  ];
}

const say = (line) => console.log(`train:tiny: ${line}`);

/** Runs a command to its end and returns its exit status; Ctrl-C and a plain kill reach it. */
export function start(command, args, env) {
  return new Promise((done, failed) => {
    const child = spawn(command, args, { cwd: root, env, stdio: "inherit" });
    // What native.mjs does at a signal is for its own children, and would end this process before the study has ended
    // its servers. Ctrl-C reaches the study by itself; a plain kill is handed on.
    for (const signal of ["SIGINT", "SIGTERM"]) process.removeAllListeners(signal);
    process.on("SIGINT", () => say("stopping"));
    process.on("SIGTERM", () => child.kill("SIGTERM"));
    child.once("error", failed);
    child.once("exit", (code, signal) => done(code ?? (signal ? 1 : 0)));
  });
}

async function main() {
  const chosen = options();
  if (chosen.help) {
    console.log(HELP);
    return 0;
  }
  const set = await start(process.execPath, [join(root, "scripts", "setup.mjs")], process.env);
  if (set !== 0) return set;
  const python = await ensurePythonEnv({ project, device: chosen.device, say });
  const args = studyArguments(chosen);
  const out = args[args.indexOf("--out") + 1];
  mkdirSync(out, { recursive: true });
  say(`runs in ${relative(root, out) || "."}; stop it at any time, the same command goes on`);
  const env = { ...process.env, PYTHONUNBUFFERED: "1", TOKENIZERS_PARALLELISM: "false" };
  return start(python, args, env);
}

/** Ends the process with the code of `main`, or after an error with 1, the message, and the script's help. */
export function endWith(main, name, help) {
  main()
    .then((code) => {
      process.exitCode = code;
    })
    .catch((error) => {
      console.error(`${name}: ${error.message}\n${help}`);
      process.exitCode = 1;
    });
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  endWith(main, "train:tiny", HELP);
}
