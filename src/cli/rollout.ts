/** `agemem rollout TASKS --out FILE`: three-stage rollouts of many tasks, recorded, scored, resumable. */
import { Command } from "commander";
import { ConfigError, InputError } from "../errors.js";
import { loadTasks, TASK_SOURCES } from "../evaluation/tasks/source.js";
import { ADVANTAGE_PRESETS } from "../grpo.js";
import { PROMPT_VARIANTS } from "../prompts.js";
import { REWARD_PRESETS } from "../rewards/reward.js";
import { ROLLOUT_PRESETS } from "../rollout/presets/presets.js";
import { streamRollouts } from "../rollout/runner.js";
import { WorkerPool } from "../rollout/workers/pool.js";
import { MEMORY_OPS, SEARCH_MODES } from "../types.js";
import { choice, finiteNumber, names, positive, wholeNumber } from "./arguments.js";
import { createProgress } from "./progress.js";
import { addWeight, WEIGHT_HELP } from "./reward-weights.js";
import { openRollouts, type RolloutArguments } from "./rollout-setup.js";
import { waitFor, watchEndpoint } from "./waiting.js";

/** The command, for the program of `main.ts`. */
export function rolloutCommand(): Command {
  const command = new Command("rollout")
    .description("roll out tasks in three stages, K times each, and record them with rewards and advantages")
    .argument("<tasks>", `what to roll out: ${TASK_SOURCES}`)
    .requiredOption(
      "--out <file>",
      "recording: FILE.jsonl, FILE.jsonl.gz (packed), FOLDER/ (packed parts); an interrupted run continues",
    )
    .option("--shard <i/n>", "every n-th task from the i-th on, so that n machines share a run", shardOf)
    .option("--limit <n>", "at most this many tasks", positive)
    .option("--k <n>", "rollouts per task", positive, 8)
    .option("--seed <seed>", "seed of all randomness", "0")
    .option(
      "--concurrency <n>",
      "concurrent requests to the policy, or sequences of a local model",
      positive,
      4,
    )
    .option("--processes <n>", "processes that run the rollouts", positive, 1);
  addStageOptions(command);
  addPolicyOptions(command);
  addScoringOptions(command);
  return command
    .option("--run-name <name>", "part of every id; another name starts another run", "run")
    .action(runRollout);
}

/** What a rollout goes through. */
function addStageOptions(command: Command): void {
  command
    .addOption(
      choice(
        "--preset <name>",
        "whole recipe: stages, reward, advantages; options given beside it win",
        Object.keys(ROLLOUT_PRESETS),
        "paper",
      ),
    )
    .option("--max-turns <n>", "turns per stage (N_max; default: the preset's)", positive)
    .option(
      "--message-rounds <n>",
      "model calls per message of stages 1 and 2 (default: the preset's)",
      positive,
    )
    .addOption(
      choice("--early-answer <ends>", "what a plain reply ends in stages 1 and 2 (default: the preset's)", [
        "stage",
        "message",
      ]),
    )
    .addOption(
      choice("--told <how>", "passages one by one, or all in one message (default: the preset's)", [
        "passages",
        "together",
      ]),
    )
    .option(
      "--introspection",
      "show with each message of stage 1 what memory holds about it (default: the preset's)",
    )
    .option("--no-introspection", "do not")
    .option("--max-distractors <n>", "most messages of stage 2 (default: the preset's)", wholeNumber)
    .option(
      "--branch-at <n>",
      "the K rollouts of a task share their first n model calls and go on from that state",
      positive,
    )
    .option("--timeout <seconds>", "time limit of one rollout", finiteNumber, 600)
    .option("--pad <n>", "distractors per task, filled up with neighbors from other tasks", wholeNumber);
}

/** Who acts, and what it is offered and shown. */
function addPolicyOptions(command: Command): void {
  command
    .option("--model <name>", '"offline", gguf:FILE or a model of OPENAI_BASE_URL (default: AGEMEM_MODEL)')
    .option("--temperature <t>", "sampling temperature of the policy", finiteNumber, 1)
    .option(
      "--max-tokens <n>",
      "most tokens of one response (default: 2,048, or a quarter of T_max where that is less)",
      positive,
    )
    .option("--send-seed", "send each rollout's own sampling seed to the server")
    .addOption(choice("--protocol <name>", "how tools are called", ["native", "text"], "native"))
    .option("--think", "ask for reasoning in <think> tags before native tool calls and answers")
    .addOption(choice("--prompt <variant>", "guidance in the system prompt", PROMPT_VARIANTS, "full"))
    .option("--operations <list>", `memory operations offered, of ${MEMORY_OPS}, or none`, names(MEMORY_OPS))
    .option("--t-max <n>", "token budget of the context (T_max)", positive)
    .option("--top-k <n>", "memories shown by a retrieval", positive)
    .addOption(choice("--search-mode <mode>", "how memories are ranked (default: hybrid)", SEARCH_MODES))
    .addOption(choice("--summarizer <name>", "who writes summaries", ["policy", "offline"], "policy"))
    .option("--policy-version <n>", "number of the policy's weights, for the record", wholeNumber);
}

/** What a rollout earns. */
function addScoringOptions(command: Command): void {
  command
    .option("--judge <name>", '"offline" (rules) or a model name', "offline")
    .option("--judge-cache <file>", "where a judging model's verdicts are kept")
    .addOption(choice("--reward <preset>", "reward (default: the preset's)", Object.keys(REWARD_PRESETS)))
    .option("--weight <name=number>", WEIGHT_HELP, addWeight, {})
    .addOption(
      choice("--advantage <preset>", "normalization (default: the preset's)", Object.keys(ADVANTAGE_PRESETS)),
    );
}

async function runRollout(source: string, options: RolloutArguments): Promise<void> {
  const { out, seed, k, limit, pad } = options;
  refuseSharedCache(options);
  const all = await loadTasks(source, {
    seed,
    ...(limit === undefined ? {} : { limit }),
    ...(pad === undefined ? {} : { padTo: pad }),
    onNotice: (notice) => console.error(notice),
  });
  const { shard } = options;
  const tasks = shard ? all.filter((_, at) => at % shard.of === shard.index - 1) : all;
  const say = (line: string): void => console.error(line);
  const parts = `policy, judge and embeddings (${process.env.AGEMEM_EMBEDDINGS?.trim() || "lexical"})`;
  const opened = await waitFor(parts, openRollouts(options), say);
  const { name, options: settings } = opened;
  console.error(
    `${tasks.length} tasks x K = ${k}; policy ${name}; judge ${settings.judge.name}; embeddings ${opened.embeddings}`,
  );
  const progress = createProgress("rollouts", tasks.length * k);
  let finished = 0;
  // With several processes the requests are those of the others.
  const { stats } = opened;
  const unwatch =
    stats && options.processes === 1
      ? watchEndpoint(name, () => ({ done: finished, stats }), say)
      : undefined;
  const controller = new AbortController();
  const { signal } = controller;
  const interrupt = (): void => controller.abort();
  process.once("SIGINT", interrupt);
  let workers: WorkerPool | undefined;
  try {
    workers = await startWorkers(options, signal);
    const summary = await streamRollouts(
      tasks,
      { ...settings, signal },
      {
        out,
        identity: opened.identity,
        ...(shard ? { share: { number: shard.index, of: shard.of } } : {}),
        ...(workers ? { workers } : {}),
        onProgress: ({ done, meanReward, failed }) => {
          finished = done;
          progress.update(done, { meanReward, failed });
        },
      },
    );
    progress.stop();
    const { done, failed, meanReward } = summary;
    console.log(`${out}: ${done} rollouts, ${failed} failed, mean reward ${meanReward?.toFixed(3) ?? "-"}`);
  } catch (error) {
    if (!signal.aborted) throw error;
    progress.stop();
    console.error(`Interrupted. Run the same command again to continue ${out}.`);
    process.exitCode = 130;
  } finally {
    process.off("SIGINT", interrupt);
    unwatch?.();
    progress.stop();
    await workers?.close();
    await opened.close();
  }
}

async function startWorkers(options: RolloutArguments, signal: AbortSignal): Promise<WorkerPool | undefined> {
  const { processes } = options;
  if (processes === 1) return undefined;
  const setup = import.meta.resolve(`./rollout-setup${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`);
  return WorkerPool.open({ processes, setup, data: options, signal });
}

/** `2/4` as the second of four shares. */
function shardOf(text: string): { index: number; of: number } {
  const [, index, of] = /^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? [];
  const shard = { index: Number(index), of: Number(of) };
  if (shard.index >= 1 && shard.index <= shard.of) return shard;
  throw new InputError("AGEMEM_INPUT_ARGUMENT", `--shard ${text} is not I/N`, {
    remedy: "Give a share of the tasks, from 1/N to N/N, such as 2/4.",
  });
}

/** Several processes would corrupt each other's lines in the cache. */
function refuseSharedCache({ processes, judgeCache }: RolloutArguments): void {
  if (processes === 1 || judgeCache === undefined) return;
  throw new ConfigError("AGEMEM_CONFIG_INVALID", "--judge-cache works only with one process", {
    remedy:
      "Leave --processes out, or judge the recording later: agemem score FILE --judge MODEL --judge-cache FILE.",
  });
}
