/** `agemem evaluate ENVIRONMENT`: agents on the tasks of an environment, whose servers are started and stopped here. */
import { basename, dirname, join, relative } from "node:path";
import type { Command } from "commander";
import { InputError } from "../../errors.js";
import { expertActor, nullActor } from "../../evaluation/environments/actors/scripted.js";
import { installedPython, LocalEnvironment } from "../../evaluation/environments/local-server.js";
import { PddlEnvironment } from "../../evaluation/environments/pddl-environment.js";
import {
  actorPlayer,
  agePlayer,
  MEMORY_SCOPES,
  type MemoryScope,
  memorylessPlayer,
  type Player,
  type PlayerAgent,
} from "../../evaluation/environments/players.js";
import { EnvironmentPool } from "../../evaluation/environments/pool.js";
import { systemPlayer } from "../../evaluation/environments/system-player.js";
import {
  ENVIRONMENT_NAMES,
  type EnvironmentName,
  type EnvironmentTask,
  type TaskEnvironment,
} from "../../evaluation/environments/task-environment.js";
import { loadEnvironmentTasks } from "../../evaluation/environments/task-lists.js";
import { environmentBatches } from "../../evaluation/runs/environment-episodes.js";
import { runEvaluation } from "../../evaluation/runs/run.js";
import { type SystemName, usesBaseModel } from "../../evaluation/systems/by-name.js";
import { sha256 } from "../../lib/hash.js";
import { PROMPT_VARIANTS } from "../../prompts.js";
import { LTM_OPS, MEMORY_OPS, type MemoryOp, STM_OPS } from "../../types.js";
import { choice, positive } from "../arguments.js";
import { createProgress } from "../progress.js";
import { openParts, type PartsOptions } from "./parts.js";
import { MEMORY_NAMES } from "./systems.js";

/** Players without a model: what an expert reaches, and what doing nothing is worth. */
const REFERENCES = ["expert", "look"] as const;
export const ALL_SYSTEMS: readonly string[] = [...MEMORY_NAMES, ...REFERENCES];

/** For help texts. */
export const ENVIRONMENT_SOURCES = `${ENVIRONMENT_NAMES.join("[:FOLDER], ")}[:FOLDER]`;

/** Options that suites of both kinds share, and those of environments. */
export interface SuiteOptions extends PartsOptions {
  systems?: string[];
  limit?: number;
  seeds: number[];
  k?: number;
  concurrency: number;
  out: string;
  memory: MemoryScope;
  steps: number;
  stepTimeout: number;
}

/** Which environment, and where its tasks are. */
interface EnvironmentSuite {
  name: EnvironmentName;
  folder: string;
}

/** Adds the options that only environments have. */
export function addEnvironments(command: Command): Command {
  return command
    .addOption(
      choice("--memory <scope>", "environments: whose memory an episode sees", MEMORY_SCOPES, "per-episode"),
    )
    .option("--steps <n>", "environments: actions per episode", positive, 30)
    .addOption(
      choice("--prompt <variant>", "guide to the memories for agemem's agent", PROMPT_VARIANTS, "full"),
    )
    .option(
      "--step-timeout <s>",
      "environments: seconds that a server may take for an action, or (at least 60) to start",
      positive,
      120,
    );
}

/**
 * The environment that a suite's name names; undefined for another suite.
 *
 * @throws InputError `AGEMEM_INPUT_ARGUMENT` if neither the name nor AGEMEM_DATA says where its tasks are
 */
export function environmentSuite(text: string): EnvironmentSuite | undefined {
  const [word = "", ...rest] = text.split(":");
  const name = ENVIRONMENT_NAMES.find((each) => each === word);
  if (!name) return undefined;
  const given = rest.join(":");
  const data = process.env.AGEMEM_DATA;
  if (given) return { name, folder: given.endsWith(".jsonl") ? dirname(given) : given };
  if (data) return { name, folder: join(data, name === "alfworld" ? "alfworld" : "agentboard") };
  throw new InputError("AGEMEM_INPUT_ARGUMENT", `Where the tasks of ${name} are is not said`, {
    remedy: `Give ${name}:FOLDER, or set AGEMEM_DATA to a folder with alfworld/ (games) and agentboard/ (lists).`,
    details: { suite: text },
  });
}

/** Plays the tasks. Errors: as `runEvaluation` and `loadEnvironmentTasks`. */
export async function evaluateEnvironment(suite: EnvironmentSuite, options: SuiteOptions): Promise<void> {
  const { seeds, limit, steps, memory, judge } = options;
  if (judge !== undefined) {
    throw new InputError("AGEMEM_INPUT_ARGUMENT", "An environment says itself how well a task was done", {
      remedy: "Leave --judge out.",
    });
  }
  const tasks = (await loadEnvironmentTasks(suite.name, suite.folder)).slice(0, limit);
  const systems = systemsFor(options);
  // Found out here, it costs no episode.
  if (suite.name !== "pddl") installedPython({ name: suite.name, ...homeOf() });
  const parts = await openParts(systems, options);
  const environments = new EnvironmentPool(() => openTaskEnvironment(suite, options));
  const batches = seeds.flatMap((seed) =>
    systems.flatMap((system) =>
      environmentBatches({
        suite: suite.name,
        tasks,
        system,
        seed,
        scope: memory,
        environments,
        maxSteps: steps,
        player: (batch) => playerFor(system, { ...parts, options, seed, batch: batch.case }),
      }),
    ),
  );
  const progress = createProgress("episodes", tasks.length * systems.length * seeds.length);
  let done = 0;
  try {
    const { played, found, failed } = await runEvaluation(batches, {
      out: options.out,
      settings: settingsOf(suite, options, { tasks, systems, parts }),
      prices: parts.judging.prices,
      concurrency: options.concurrency,
      onEpisode: () => progress.update(++done),
    });
    progress.stop();
    console.log(`${played} episodes played, ${found} were there already, ${failed} failed: ${options.out}`);
  } finally {
    progress.stop();
    await environments.close();
    await parts.memories.close();
  }
}

/** Without memory every system with a model is the same one. */
function systemsFor({ systems = ["no-memory", "agemem"], memory }: SuiteOptions): string[] {
  if (memory !== "none") return [...new Set(systems)];
  const isReference = (name: string): boolean => (REFERENCES as readonly string[]).includes(name);
  return [...new Set(systems.map((name) => (isReference(name) ? name : "no-memory")))];
}

type Parts = Awaited<ReturnType<typeof openParts>>;

function openTaskEnvironment({ name, folder }: EnvironmentSuite, options: SuiteOptions): TaskEnvironment {
  if (name === "pddl") return new PddlEnvironment(join(folder, "pddl"));
  return new LocalEnvironment({
    name,
    ...homeOf(),
    timeoutMs: 1000 * options.stepTimeout,
    startMs: 1000 * Math.max(60, options.stepTimeout),
  });
}

function homeOf(): { home?: string } {
  const home = process.env.AGEMEM_ENVIRONMENTS;
  return home === undefined ? {} : { home };
}

const WITHOUT_LTM: readonly MemoryOp[] = STM_OPS.filter((op) => op !== "RETRIEVE");
const OPERATIONS: Readonly<Record<string, readonly MemoryOp[] | undefined>> = {
  agemem: MEMORY_OPS,
  "agemem-no-ltm": WITHOUT_LTM,
  "agemem-no-stm": [...LTM_OPS, "RETRIEVE"],
  "agemem-agent": MEMORY_OPS,
  "agemem-rag": LTM_OPS,
  "agemem-no-rl": MEMORY_OPS,
  "agemem-no-rl-rag": LTM_OPS,
};
/** The "-RAG" variants: what is nearest to the newest observation is shown with each call. */
const RETRIEVED = 5;

function playerFor(
  system: string,
  {
    model,
    memories,
    baseModel,
    index,
    counter,
    options,
    seed,
    batch,
  }: Parts & { options: SuiteOptions; seed: number; batch: string },
): Player {
  if (system === "expert") return actorPlayer(expertActor);
  if (system === "look") return actorPlayer(() => nullActor());
  const { protocol, prompt: promptVariant } = options;
  const player: PlayerAgent = { model, counter, protocol, promptVariant };
  if (system === "no-memory") return memorylessPlayer(player);
  const operations = OPERATIONS[system];
  if (operations) {
    const folder = join(`${options.out}.memory`, `${system}-${seed}`);
    const own = baseModel && usesBaseModel(system as SystemName) ? { ...player, model: baseModel } : player;
    return agePlayer({
      agent: own,
      index,
      operations,
      ...(system.endsWith("-rag") ? { retrieved: options.k ?? RETRIEVED } : {}),
      ...(options.memory === "per-suite" ? { folder } : {}),
    });
  }
  return systemPlayer({
    agent: player,
    open: () => memories.open(system),
    user: `${basename(batch)}-${seed}`.replaceAll(".", "-"),
    k: options.k ?? RETRIEVED,
    afterwards: system === "full-context",
    counter,
  });
}

/** Everything that changes results; folders may differ between machines. */
function settingsOf(
  { name, folder }: EnvironmentSuite,
  { seeds, limit, k, baseModel, protocol, prompt, temperature, maxTokens, memory, steps }: SuiteOptions,
  { tasks, systems, parts }: { tasks: readonly EnvironmentTask[]; systems: readonly string[]; parts: Parts },
): Record<string, unknown> {
  const portable = tasks.map(({ setup, ...task }) => [
    task,
    typeof setup.game === "string" ? relative(folder, setup.game) : setup,
  ]);
  return {
    suite: name,
    data: sha256(JSON.stringify(portable)).slice(0, 16),
    systems,
    seeds,
    memory,
    steps,
    model: parts.modelName,
    embeddings: parts.index.embeddingName,
    protocol,
    prompt,
    temperature,
    maxTokens,
    ...(baseModel === undefined ? {} : { baseModel }),
    ...(limit === undefined ? {} : { limit }),
    ...(k === undefined ? {} : { k }),
  };
}
