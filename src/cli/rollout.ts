/** `agemem rollout TASKS --out FILE`: three-stage rollouts of many tasks, recorded, scored, resumable. */
import { Command } from "commander";
import { openEnvironment } from "../agent/environment.js";
import { loadTasks, TASK_SOURCES } from "../benchmarks/tasks/source.js";
import { ADVANTAGE_PRESETS, type AdvantagePreset } from "../grpo.js";
import { chatModelSpec } from "../models/chat-model.js";
import { OFFLINE_POLICY_NAME, OfflinePolicy } from "../models/offline-policy.js";
import { OfflineSummarizer } from "../models/offline-summarizer.js";
import { PROMPT_VARIANTS, type PromptVariant } from "../prompts.js";
import { REWARD_PRESETS, type RewardPreset } from "../rewards/reward.js";
import { policyEndpoint } from "../rollout/endpoint.js";
import { budgetOf, type RolloutOptions } from "../rollout/options.js";
import { streamRollouts } from "../rollout/runner.js";
import { MEMORY_OPS, type MemoryOp } from "../types.js";
import { choice, count, names, number, positive } from "./arguments.js";
import { openJudge } from "./judge.js";
import { createProgress } from "./progress.js";

interface RolloutArguments {
  out: string;
  limit?: number;
  k: number;
  seed: string;
  concurrency: number;
  maxTurns: number;
  timeout: number;
  pad?: number;
  model?: string;
  temperature: number;
  sendSeed?: boolean;
  maxTokens?: number;
  protocol: "native" | "text";
  prompt: PromptVariant;
  operations?: MemoryOp[];
  tMax?: number;
  topK?: number;
  summarizer: "policy" | "offline";
  policyVersion?: number;
  judge: string;
  judgeCache?: string;
  reward: RewardPreset;
  advantage: AdvantagePreset;
  runName: string;
}

/** The command, for the program of `main.ts`. */
export function rolloutCommand(): Command {
  return new Command("rollout")
    .description("roll out tasks in three stages, K times each, and record them with rewards and advantages")
    .argument("<tasks>", `what to roll out: ${TASK_SOURCES}`)
    .requiredOption("--out <file>", "recording; a run that was cut off goes on where it ends")
    .option("--limit <n>", "at most so many tasks", positive)
    .option("--k <n>", "rollouts per task", positive, 8)
    .option("--seed <seed>", "seed of everything random", "0")
    .option("--concurrency <n>", "rollouts at once", positive, 4)
    .option("--max-turns <n>", "turns per stage (N_max)", positive, 10)
    .option("--timeout <seconds>", "time limit of one rollout", number, 600)
    .option("--pad <n>", "distractors per task, filled up with neighbours from other tasks", count)
    .option("--model <name>", '"offline" or a model of OPENAI_BASE_URL (default: AGEMEM_MODEL)')
    .option("--temperature <t>", "sampling temperature of the policy", number, 1)
    .option("--max-tokens <n>", "most tokens of one response", positive)
    .option("--send-seed", "send each rollout's own sampling seed to the server")
    .addOption(choice("--protocol <name>", "how tools are called", ["native", "text"], "native"))
    .addOption(choice("--prompt <variant>", "guidance in the system prompt", PROMPT_VARIANTS, "full"))
    .option("--operations <list>", `memory operations offered, of ${MEMORY_OPS}, or none`, names(MEMORY_OPS))
    .option("--t-max <n>", "token budget of the context (T_max)", positive)
    .option("--top-k <n>", "memories shown by a retrieval", positive)
    .addOption(choice("--summarizer <name>", "who writes summaries", ["policy", "offline"], "policy"))
    .option("--policy-version <n>", "number of the policy's weights, for the record", count)
    .option("--judge <name>", '"offline" (rules) or a model name', "offline")
    .option("--judge-cache <file>", "where a judging model's verdicts are kept")
    .addOption(
      choice("--reward <preset>", "weights of the reward", Object.keys(REWARD_PRESETS), "all-returns"),
    )
    .addOption(choice("--advantage <preset>", "normalisation", Object.keys(ADVANTAGE_PRESETS), "agemem"))
    .option("--run-name <name>", "part of every id; another name begins another run", "run")
    .action(runRollout);
}

async function runRollout(source: string, options: RolloutArguments): Promise<void> {
  const { out, seed, k, limit, pad } = options;
  const tasks = await loadTasks(source, {
    seed,
    ...(limit === undefined ? {} : { limit }),
    ...(pad === undefined ? {} : { padTo: pad }),
    onNotice: (notice) => console.error(notice),
  });
  const env = { ...process.env, ...(options.model === undefined ? {} : { AGEMEM_MODEL: options.model }) };
  const environment = await openEnvironment({ env, storePath: ":memory:" });
  const { judge, close } = await openJudge(options.judge, options.judgeCache);
  const served = policyOf(options, env);
  console.error(`${tasks.length} tasks x K = ${k}; policy ${served.name}; judge ${judge.name}`);
  const progress = createProgress("rollouts", tasks.length * k);
  const controller = new AbortController();
  const interrupt = (): void => controller.abort();
  process.once("SIGINT", interrupt);
  try {
    const summary = await streamRollouts(
      tasks,
      {
        ...settingsOf(options),
        policy: served.policy,
        store: environment.store,
        counter: environment.counter,
        judge,
        signal: controller.signal,
        ...(environment.agent.embeddings ? { embeddings: environment.agent.embeddings } : {}),
      },
      { out, onProgress: ({ done, meanReward, failed }) => progress.update(done, { meanReward, failed }) },
    );
    progress.stop();
    const { done, failed, meanReward } = summary;
    console.log(`${out}: ${done} rollouts, ${failed} failed, mean reward ${meanReward?.toFixed(3) ?? "-"}`);
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    progress.stop();
    console.error(`Interrupted. The same command goes on from ${out}.`);
    process.exitCode = 130;
  } finally {
    process.off("SIGINT", interrupt);
    progress.stop();
    await close();
    await environment.store.close();
  }
}

function settingsOf(options: RolloutArguments): Partial<RolloutOptions> {
  return {
    k: options.k,
    seed: options.seed,
    concurrency: options.concurrency,
    maxTurns: options.maxTurns,
    timeoutMs: options.timeout * 1000,
    protocol: options.protocol,
    promptVariant: options.prompt,
    ...(options.operations === undefined ? {} : { operations: options.operations }),
    ...(options.tMax === undefined ? {} : { budget: budgetOf(options.tMax) }),
    ...(options.topK === undefined ? {} : { topK: options.topK }),
    ...(options.summarizer === "offline" ? { summarizer: new OfflineSummarizer() } : {}),
    runName: options.runName,
    reward: { preset: options.reward },
    advantage: options.advantage,
    ...(options.policyVersion === undefined ? {} : { policyVersion: options.policyVersion }),
  };
}

/** The rules with a seed per rollout, or the endpoint of the environment. */
function policyOf(
  options: RolloutArguments,
  env: NodeJS.ProcessEnv,
): { policy: RolloutOptions["policy"]; name: string } {
  const { temperature, maxTokens } = options;
  const spec = chatModelSpec(undefined, env);
  if (spec === "offline") {
    return { policy: ({ seed }) => new OfflinePolicy({ seed, temperature }), name: OFFLINE_POLICY_NAME };
  }
  const { policy, modelName } = policyEndpoint({
    model: spec,
    sampling: { temperature, ...(maxTokens === undefined ? {} : { maxTokens }) },
    sendSeed: options.sendSeed ?? false,
    patience: { concurrency: options.concurrency },
  });
  return { policy, name: modelName };
}
