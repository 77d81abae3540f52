/**
 * Turns the options of `agemem rollout` into options of rollouts, in whichever process they run.
 *
 * Owns the meaning of the command's options. Leaves out tasks, files and processes (`rollout.ts`).
 */
import { DEFAULT_BUDGET } from "../context/budget.js";
import type { AdvantagePreset } from "../grpo.js";
import { chatModelSpec } from "../models/chat-model.js";
import { tokenCounter } from "../models/tokens.js";
import { OFFLINE_POLICY_NAME, OfflinePolicy } from "../offline/policy.js";
import { OfflineSummarizer } from "../offline/summarizer.js";
import type { PromptVariant } from "../prompts.js";
import type { RewardPreset, RewardWeights } from "../rewards/reward.js";
import { policyEndpoint, rolloutsFor } from "../rollout/http/endpoint.js";
import type { PatienceStats } from "../rollout/http/patient-fetch.js";
import { budgetOf, type RolloutOptions } from "../rollout/options.js";
import type { RolloutPreset } from "../rollout/presets/presets.js";
import { openEnvironment } from "../server/environment.js";
import type { MemoryOp, SearchMode, TokenCounter } from "../types.js";
import { openJudge } from "./judge.js";

/** The command's options: plain data, so that they can be sent to other processes. */
export interface RolloutArguments {
  out: string;
  shard?: { index: number; of: number };
  limit?: number;
  k: number;
  seed: string;
  concurrency: number;
  processes: number;
  preset: RolloutPreset;
  maxTurns?: number;
  messageRounds?: number;
  earlyAnswer?: "stage" | "message";
  told?: "passages" | "together";
  introspection?: boolean;
  maxDistractors?: number;
  branchAt?: number;
  timeout: number;
  pad?: number;
  model?: string;
  temperature: number;
  sendSeed?: boolean;
  maxTokens?: number;
  protocol: "native" | "text";
  think?: boolean;
  prompt: PromptVariant;
  operations?: MemoryOp[];
  tMax?: number;
  topK?: number;
  searchMode?: SearchMode;
  summarizer: "policy" | "offline";
  policyVersion?: number;
  judge: string;
  judgeCache?: string;
  reward?: RewardPreset;
  weight: Partial<RewardWeights>;
  advantage?: AdvantagePreset;
  runName: string;
}

/** Options of a run and what to close after it. */
interface OpenRun {
  options: RolloutOptions;
  /** Display name of the policy. */
  name: string;
  /** Name of the embedding model. */
  embeddings: string;
  /** Requests of this process to the policy's endpoint; undefined for rules and local models. */
  stats: Readonly<PatienceStats> | undefined;
  /** The parts that belong to the run's recorded settings. */
  identity: Record<string, unknown>;
  close: () => Promise<void>;
}

/**
 * Opens an empty store, and the judge and policy that the command names; the endpoint comes from the environment.
 *
 * @param data {@link RolloutArguments}
 * @throws ConfigError `AGEMEM_CONFIG_INVALID`; InputError `AGEMEM_INPUT_FILE` for a judge's cache
 */
export async function openRollouts(data: unknown): Promise<OpenRun> {
  const given = data as RolloutArguments;
  const env = {
    ...process.env,
    ...(given.model === undefined ? {} : { AGEMEM_MODEL: given.model }),
    // A key in the environment must not change what a policy is trained on: only this variable names a remote model.
    AGEMEM_EMBEDDINGS: process.env.AGEMEM_EMBEDDINGS?.trim() || "lexical",
  };
  // Only for its store and embeddings: the policy needs settings of its own, and a local model should be loaded once.
  const { store, agent, embeddingName } = await openEnvironment({
    env: { ...env, AGEMEM_MODEL: "offline" },
    storePath: ":memory:",
  });
  const { judge, close } = await openJudge(given.judge, given.judgeCache);
  const { policy, name, counter, stats } = await policyOf(given, env);
  const embeddings = {
    embeddingName,
    ...(agent.embeddings ? { embeddings: agent.embeddings } : {}),
  };
  return {
    options: { ...settingsOf(given), policy, store, counter, judge, ...embeddings },
    name,
    embeddings: embeddingName,
    stats,
    identity: {
      policy: name,
      embeddings: embeddingName,
      temperature: given.temperature,
      max_tokens: responseTokens(given),
    },
    close: async () => {
      await close();
      await store.close();
    },
  };
}

function settingsOf(options: RolloutArguments): Partial<RolloutOptions> {
  return {
    k: options.k,
    seed: options.seed,
    concurrency: rolloutsFor(options.concurrency),
    ...pick(options, [
      "preset",
      "maxTurns",
      "messageRounds",
      "earlyAnswer",
      "told",
      "introspection",
      "maxDistractors",
      "branchAt",
      "advantage",
      "operations",
      "topK",
      "searchMode",
      "policyVersion",
    ]),
    timeoutMs: options.timeout * 1000,
    protocol: options.protocol,
    ...(options.think ? { think: true } : {}),
    promptVariant: options.prompt,
    ...(options.tMax === undefined ? {} : { budget: budgetOf(options.tMax) }),
    ...(options.summarizer === "offline" ? { summarizer: new OfflineSummarizer() } : {}),
    runName: options.runName,
    reward: { ...(options.reward === undefined ? {} : { preset: options.reward }), weights: options.weight },
  };
}

function responseTokens({ maxTokens, tMax }: RolloutArguments): number {
  return maxTokens ?? budgetOf(tMax ?? DEFAULT_BUDGET.maxTokens).responseTokens;
}

/** Some of the arguments, those that were given. */
function pick<K extends keyof RolloutArguments>(
  options: RolloutArguments,
  names: readonly K[],
): { [P in K]?: Exclude<RolloutArguments[P], undefined> } {
  return Object.fromEntries(
    names.map((name) => [name, options[name]] as const).filter(([, value]) => value !== undefined),
  ) as { [P in K]?: Exclude<RolloutArguments[P], undefined> };
}

/** The rules with a seed per rollout, a local file, or the endpoint of the environment. */
async function policyOf(
  options: RolloutArguments,
  env: NodeJS.ProcessEnv,
): Promise<Pick<RolloutOptions, "policy"> & Pick<OpenRun, "name" | "stats"> & { counter: TokenCounter }> {
  const { temperature } = options;
  const spec = chatModelSpec(undefined, env);
  if (spec === "offline") {
    const name = OFFLINE_POLICY_NAME;
    return {
      policy: ({ seed }) => new OfflinePolicy({ seed, temperature }),
      name,
      counter: tokenCounter(name),
      stats: undefined,
    };
  }
  const { policy, modelName, ready, stats } = policyEndpoint({
    model: spec,
    sampling: { temperature, maxTokens: responseTokens(options) },
    sendSeed: options.sendSeed ?? false,
    patience: { concurrency: Math.ceil(options.concurrency / options.processes) },
  });
  const served = spec.startsWith("gguf:") ? undefined : stats;
  return { policy, name: modelName, counter: await ready(), stats: served };
}
