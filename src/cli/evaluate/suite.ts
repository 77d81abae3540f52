/** `agemem evaluate SUITE`: runs memory systems on a memory benchmark, writing results as it goes. */
import { type Command, InvalidArgumentError } from "commander";
import { InputError } from "../../errors.js";
import { memoryBatches } from "../../evaluation/runs/memory-episodes.js";
import { type EpisodeBatch, runEvaluation } from "../../evaluation/runs/run.js";
import { loadSuite, SUITE_SOURCES } from "../../evaluation/suites/source.js";
import { sha256 } from "../../lib/hash.js";
import { choice, finiteNumber, names, positive } from "../arguments.js";
import { createProgress } from "../progress.js";
import {
  ALL_SYSTEMS,
  addEnvironments,
  ENVIRONMENT_SOURCES,
  environmentSuite,
  evaluateEnvironment,
  type SuiteOptions,
} from "./environments.js";
import { addJudging, type JudgingOptions } from "./judging.js";
import { openParts } from "./parts.js";
import { MEMORY_NAMES } from "./systems.js";

interface Options extends JudgingOptions, SuiteOptions {
  answers: boolean;
  exclude?: string[];
}

const DEFAULT_SYSTEMS: readonly string[] = ["no-memory", "keyword", "agemem"];

/** Adds argument, options and action to `evaluate`. */
export function addSuites(command: Command): Command {
  return addEnvironments(addJudging(command))
    .argument("[suite]", `${SUITE_SOURCES}, or ${ENVIRONMENT_SOURCES}`)
    .option("--systems <list>", `of ${ALL_SYSTEMS.join(", ")}`, names(ALL_SYSTEMS))
    .option("--model <name>", '"offline" or a model as in AGEMEM_MODEL (default: AGEMEM_MODEL)')
    .option("--base-model <name>", "the model before training, for agemem-no-rl and agemem-no-rl-rag")
    .option("--limit <n>", "at most this many questions", positive)
    .option("--seeds <list>", "whole numbers; every system runs once per seed", wholeNumbers, [0])
    .option("--k <n>", "memories shown to the model (default: the suite's)", positive)
    .addOption(choice("--protocol <name>", "how agemem's tools are called", ["native", "text"], "native"))
    .option("--temperature <t>", "sampling temperature", finiteNumber, 0)
    .option("--max-tokens <n>", "most tokens of one response", positive, 256)
    .option("--concurrency <n>", "conversations at once", positive, 1)
    .option("--no-answers", "measure retrieval only, without a call per question")
    .option("--exclude <ids>", "LoCoMo: questions to leave out, comma-separated", (text) => text.split(","))
    .option("--out <file>", "results; an interrupted run continues", "results.jsonl")
    .action(evaluateSuite);
}

async function evaluateSuite(name: string | undefined, options: Options, command: Command): Promise<void> {
  if (name === undefined) return command.help({ error: true });
  const environment = environmentSuite(name);
  if (environment) return evaluateEnvironment(environment, options);
  const systems = memorySystems(options.systems ?? DEFAULT_SYSTEMS);
  const { seeds, limit, k, exclude, answers } = options;
  const suites = await Promise.all(
    seeds.map(async (seed) => {
      const read = { seed, ...(limit === undefined ? {} : { limit }), ...(exclude ? { exclude } : {}) };
      return { seed, suite: await loadSuite(name, read) };
    }),
  );
  const { model, index, counter, modelName, judging, memories } = await openParts(systems, options);
  const batches = suites.flatMap(({ seed, suite }) =>
    systems.flatMap((system): EpisodeBatch[] =>
      memoryBatches({
        suite,
        system,
        open: () => memories.open(system),
        reader: answers ? model : undefined,
        counter,
        seed,
        ...(k === undefined ? {} : { k }),
        ...(judging.fresh ? { judge: judging.fresh } : {}),
      }),
    ),
  );
  const total = batches.reduce((sum, batch) => sum + batch.episodes.length, 0);
  const progress = createProgress("episodes", total);
  let done = 0;
  try {
    const { played, found, failed } = await runEvaluation(batches, {
      out: options.out,
      settings: {
        ...settingsOf(options),
        suite: name.slice(0, name.indexOf(":")),
        data: suites.map(({ suite }) => sha256(JSON.stringify(suite.cases)).slice(0, 16)),
        systems,
        model: modelName,
        embeddings: index.embeddingName,
        ...judging.settings,
      },
      prices: judging.prices,
      concurrency: options.concurrency,
      onEpisode: () => progress.update(++done),
    });
    progress.stop();
    console.log(`${played} episodes played, ${found} already recorded, ${failed} failed: ${options.out}`);
  } finally {
    progress.stop();
    await memories.close();
    await judging.close();
  }
}

/** Options that change results. */
function settingsOf(options: Options): Record<string, unknown> {
  const { seeds, protocol, temperature, maxTokens, answers, baseModel, limit, k, exclude } = options;
  // Results of before there was a choice have none, and are those of the full guide.
  const prompt = options.prompt === "full" ? undefined : options.prompt;
  const optional = { baseModel, limit, k, exclude, prompt };
  const given = Object.entries(optional).filter(([, value]) => value !== undefined);
  return { seeds, protocol, temperature, maxTokens, answers, ...Object.fromEntries(given) };
}

/** Errors: `AGEMEM_INPUT_ARGUMENT` for a player of environments. */
function memorySystems(given: readonly string[]): readonly string[] {
  const strange = given.find((name) => !MEMORY_NAMES.includes(name));
  if (strange === undefined) return given;
  throw new InputError("AGEMEM_INPUT_ARGUMENT", `"${strange}" plays environments and remembers nothing`, {
    remedy: `Give systems of ${MEMORY_NAMES.join(", ")}.`,
  });
}

function wholeNumbers(text: string): number[] {
  const values = text.split(",").map(Number);
  if (values.every((value) => Number.isInteger(value) && value >= 0)) return values;
  throw new InvalidArgumentError("Give whole numbers separated by commas.");
}
