/**
 * `npm run train:small`: SmolLM2 135M learns to manage its memory, from an empty checkout to the report, on a processor.
 *
 * Sets up what is lacking (packages, Python environment), then runs `agemem-grpo study` on `configs/smollm2.toml`: the
 * model's weights out of its GGUF file, tasks, warm start, servers, training, evaluation, report. It takes an hour
 * or more; the same command goes on after an interruption, whatever ended it. The model's file comes from `npm run models`.
 */
import { existsSync, mkdirSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ensurePackages, ensurePythonEnv } from "./python-env.mjs";
import { endWith, start } from "./train-tiny.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const project = join(root, "examples", "grpo-trainer");
const model = join(root, ".agemem", "models", "SmolLM2-135M-Instruct.Q4_1.gguf");

const HELP = `npm run train:small -- [options]
  --seeds N            seeds 0 to N-1 (default 1)
  --variants A,B       of all-returns, shuffled, answer-only (default all-returns)
  --iterations N       of GRPO (default: 16, see configs/smollm2.toml); more of them continue a finished run's folder
  --out DIR            folder of the runs and the report (default runs/smollm2)
  --set NAME=VALUE     another value for a setting of configs/smollm2.toml, may be repeated`;

function options() {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "1" },
      variants: { type: "string", default: "all-returns" },
      iterations: { type: "string" },
      out: { type: "string", default: "runs/smollm2" },
      set: { type: "string", multiple: true, default: [] },
      help: { type: "boolean", default: false },
    },
  });
  return values;
}

const say = (line) => console.log(`train:small: ${line}`);

async function main() {
  const { seeds, variants, iterations, out, set, help } = options();
  if (help) {
    console.log(HELP);
    return 0;
  }
  if (!existsSync(model)) throw new Error(`${relative(root, model)} is missing: run npm run models`);
  const prepared = await start(process.execPath, [join(root, "scripts", "setup.mjs")], process.env);
  if (prepared !== 0) return prepared;
  const python = await ensurePythonEnv({ project, device: "cpu", say });
  await ensurePackages(python, ["gguf"], say);
  const folder = resolve(root, out);
  mkdirSync(folder, { recursive: true });
  const settings = [...(iterations ? [`train.iterations=${iterations}`] : []), ...set];
  const args = [
    ...["-m", "agemem_grpo.cli", "study", join(project, "configs", "smollm2.toml"), "--out", folder],
    // One run at a time: a gigabyte and a half of memory for each of its two models.
    ...["--seeds", seeds, "--variants", variants, "--jobs", "1"],
    ...settings.flatMap((setting) => ["--set", setting]),
  ];
  say(`runs in ${relative(root, folder) || "."}; stop it at any time, the same command goes on`);
  return start(python, args, { ...process.env, PYTHONUNBUFFERED: "1", TOKENIZERS_PARALLELISM: "false" });
}

endWith(main, "train:small", HELP);
