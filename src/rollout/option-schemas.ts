/**
 * Checks of rollout options at run time. Each schema is tied to its type, so that an option without one does not
 * compile.
 */
import { z } from "zod";
import { ADVANTAGE_PRESETS, type AdvantageOptions } from "../grpo.js";
import {
  callable,
  chatModel,
  checkOptions,
  embeddingModel,
  flag,
  having,
  number,
  type OptionShape,
  oneOf,
  text,
  tokenCounting,
  whole,
} from "../lib/check-options.js";
import { PROMPT_VARIANTS } from "../prompts.js";
import { REWARD_PRESETS, type RewardOptions, type RewardWeights } from "../rewards/reward.js";
import { budgetOption, operationList } from "../tools/option-schemas.js";
import type { EngineRecord } from "../trajectory/schema-parts.js";
import { SEARCH_MODES } from "../types.js";
import type { RolloutOptions } from "./options.js";
import { ROLLOUT_PRESETS } from "./presets/presets.js";

/** Longest delay of a Node timer, in milliseconds; a longer one would fire at once. */
export const LONGEST_WAIT_MS = 2 ** 31 - 1;

const finite = z.number("must be a finite number");
const weights = z.tuple([finite, finite, finite], "must be three numbers");

const reward = z.strictObject(
  {
    preset: oneOf(namesOf(REWARD_PRESETS)).optional(),
    weights: z
      .strictObject(
        {
          task: finite.optional(),
          context: finite.optional(),
          memory: finite.optional(),
          tool: finite.optional(),
          penalty: finite.optional(),
          alpha: weights.optional(),
          beta: weights.optional(),
        } satisfies OptionShape<RewardWeights>,
        "must be an object of weights",
      )
      .optional(),
  } satisfies OptionShape<RewardOptions>,
  "must be { preset?, weights? }",
);

const presets = namesOf(ADVANTAGE_PRESETS);
const normalization = z.strictObject({
  std: oneOf(["sample", "population", "none"]).optional(),
  over: oneOf(["rollouts", "samples"]).optional(),
  eps: number(0, Number.MAX_VALUE).optional(),
} satisfies OptionShape<AdvantageOptions>);
const advantage = z.union(
  [oneOf(presets), normalization],
  `must be one of ${presets.map((each) => `"${each}"`).join(", ")}, or { std?, eps?, over? } in range`,
);

const known = z.string("must be text or null").nullable();
const engine = z.strictObject(
  { name: known, version: known, logprobs_mode: known } satisfies OptionShape<EngineRecord>,
  "must be { name, version, logprobs_mode }",
);

const rolloutOptions = z.strictObject(
  {
    policy: callable,
    store: having(
      ["get", "put", "search", "delete", "batch", "fork", "version", "at"],
      "must be a store with versions, such as FaissStore.open(…)",
    ),
    judge: having(
      ["answer", "storage", "relevance", "memoryQuality"],
      "must be a Judge, such as createLlmJudge(…)",
    ),
    k: whole(1).optional(),
    preset: oneOf(namesOf(ROLLOUT_PRESETS)).optional(),
    maxTurns: whole(1).optional(),
    messageRounds: whole(1).optional(),
    earlyAnswer: oneOf(["stage", "message"]).optional(),
    told: oneOf(["passages", "together"]).optional(),
    introspection: flag.optional(),
    maxDistractors: whole(0).optional(),
    branchAt: whole(1).optional(),
    budget: budgetOption.optional(),
    topK: whole(1, 50).optional(),
    searchMode: oneOf(SEARCH_MODES).optional(),
    protocol: oneOf(["native", "text"]).optional(),
    think: flag.optional(),
    promptVariant: oneOf(PROMPT_VARIANTS).optional(),
    operations: operationList.optional(),
    engine: engine.optional(),
    summarizer: chatModel.optional(),
    embeddings: embeddingModel.optional(),
    embeddingName: text.optional(),
    counter: tokenCounting.optional(),
    reward: reward.optional(),
    advantage: advantage.optional(),
    seed: z.union([z.string(), finite], "must be text or a finite number").optional(),
    concurrency: whole(1).optional(),
    timeoutMs: number(1, LONGEST_WAIT_MS).optional(),
    policyVersion: whole(0).optional(),
    driver: oneOf(["loop", "graph"]).optional(),
    runName: text.optional(),
    signal: having(["addEventListener", "throwIfAborted"], "must be an AbortSignal").optional(),
  } satisfies OptionShape<RolloutOptions>,
  "must be an object of options",
);

/** Errors: `AGEMEM_CONFIG_INVALID`. */
export function checkRolloutOptions(options: unknown, what: string): void {
  checkOptions(rolloutOptions, options, what);
}

function namesOf<T extends object>(presetsByName: T): Extract<keyof T, string>[] {
  return Object.keys(presetsByName) as Extract<keyof T, string>[];
}
