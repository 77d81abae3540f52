/** Fills in the defaults of rollout options. Leaves out what the options mean (`options.ts`). */
import { type ContextBudget, DEFAULT_BUDGET } from "../context/budget.js";
import { tokenCounter } from "../models/tokens.js";
import type { RewardOptions } from "../rewards/reward.js";
import { retrievalMode } from "../tools/search/search-mode.js";
import { MEMORY_OPS } from "../types.js";
import { checkRolloutOptions } from "./option-schemas.js";
import type { RolloutOptions } from "./options.js";
import { ROLLOUT_PRESETS, type RolloutPreset } from "./presets/presets.js";

type Optional =
  | "driver"
  | "searchMode"
  | "engine"
  | "summarizer"
  | "embeddings"
  | "embeddingName"
  | "policyVersion"
  | "signal"
  | "branchAt";

/** Options with their defaults filled in. */
export type RolloutSettings = Required<Omit<RolloutOptions, Optional | "budget">> &
  Pick<RolloutOptions, Optional> & { budget: ContextBudget };

/**
 * Checks the options and fills in defaults.
 *
 * @param what the function that was called, for the error message; default "runRollouts"
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for options that are wrong or unknown
 */
export function rolloutSettings(options: RolloutOptions, what = "runRollouts"): RolloutSettings {
  checkRolloutOptions(options, what);
  const budget = { ...DEFAULT_BUDGET, ...given(options.budget ?? {}) };
  checkRolloutOptions({ ...options, budget }, what);
  retrievalMode(options.store, options.searchMode);
  const preset = options.preset ?? "paper";
  return {
    k: 8,
    preset,
    ...ROLLOUT_PRESETS[preset],
    topK: 3,
    protocol: "native",
    think: false,
    promptVariant: "full",
    operations: MEMORY_OPS,
    seed: 0,
    concurrency: 4,
    timeoutMs: 600_000,
    runName: "run",
    counter: tokenCounter(),
    ...given(options),
    reward: rewardOf(preset, options.reward),
    budget,
  };
}

/** Weights alone go over the preset's own reward. */
function rewardOf(preset: RolloutPreset, reward: RewardOptions = {}): RewardOptions {
  return { ...ROLLOUT_PRESETS[preset].reward, ...given(reward) };
}

/** Drops keys that are undefined, which would override defaults. */
function given<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}
