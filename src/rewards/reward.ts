/**
 * R(tau): combines the components of the reward (AgeMem, appendix A.2). Pure.
 *
 * Owns weights and presets. Leaves out how a preset reads its parts (`readings/`).
 */
import { InputError } from "../errors.js";
import type { StepRecord, TrajectoryRecord } from "../trajectory/schema.js";
import { agememReading } from "./readings/agemem.js";
import { officialReading } from "./readings/official.js";
import { paperReading } from "./readings/paper.js";
import {
  type PartsByName,
  REWARD_PART_NAMES,
  type RewardPart,
  type RewardReading,
  type ScoringInput,
  weigh,
} from "./scoring.js";

/** Weights of the terms, and of the parts of the two composite ones. */
export interface RewardWeights {
  /** w_task */
  task: number;
  /** w_context */
  context: number;
  /** w_memory */
  memory: number;
  /** Of the tool term, which only the authors' released code has. */
  tool: number;
  /** Factor on P_penalty: 1 as in the paper, 0 for none. */
  penalty: number;
  /** alpha of compression, preventive, preservation */
  alpha: readonly [number, number, number];
  /** beta of storage, maintenance, relevance */
  beta: readonly [number, number, number];
}

const third = 1 / 3;
const thirds = [third, third, third] as const;

/**
 * - `paper`: all terms; 1/3 for each of them and of their parts, 1 for the penalty (appendix C.4; section 4.1 of the
 *   paper says 1.0 for the three terms).
 * - `official`: the recipe of the authors' released code, with its tool term, clipped to [-1, 1].
 * - `agemem`: the paper's weights, its parts read so that the known shortcuts earn nothing.
 * - `all-returns`: another name of `paper`. `answer-only`: R_task alone, the paper's ablation.
 */
export const REWARD_PRESETS = {
  paper: { task: third, context: third, memory: third, tool: 0, penalty: 1, alpha: thirds, beta: thirds },
  official: { task: 0.5, context: 0.15, memory: 0.15, tool: 0.2, penalty: 1, alpha: thirds, beta: thirds },
  agemem: { task: third, context: third, memory: third, tool: 0, penalty: 1, alpha: thirds, beta: thirds },
  "all-returns": {
    task: third,
    context: third,
    memory: third,
    tool: 0,
    penalty: 1,
    alpha: thirds,
    beta: thirds,
  },
  "answer-only": { task: 1, context: 0, memory: 0, tool: 0, penalty: 0, alpha: [0, 0, 0], beta: [0, 0, 0] },
} as const satisfies Record<string, RewardWeights>;

export type RewardPreset = keyof typeof REWARD_PRESETS;

const READINGS: Record<RewardPreset, RewardReading> = {
  paper: paperReading,
  official: officialReading,
  agemem: agememReading,
  "all-returns": paperReading,
  "answer-only": paperReading,
};

/** Whether a preset reads the judge's labels of all items, which `judgeEpisode` asks for only then. */
export function readsUsefulness({ preset }: RewardOptions = {}): boolean {
  return preset === "official" || preset === "agemem";
}

/** Which reward: a preset (default "paper"), and single weights over it. */
export interface RewardOptions {
  preset?: RewardPreset;
  weights?: Partial<RewardWeights>;
}

/** A scored rollout. */
export interface Score {
  /** R(tau); null when a part that carries weight could not be scored. */
  reward: number | null;
  /** Every part unweighted, by name; null = not scored, or not called for by the episode (`basis` says which). */
  parts: PartsByName<number | null>;
  /** What each part rests on, in words. */
  basis: PartsByName<string>;
  weights: RewardWeights;
}

/**
 * `R(tau) = w_task R_task + w_context R_context + w_memory R_memory + P_penalty`.
 *
 * A missing part with a weight makes the whole reward null, because a guess would distort the group's mean.
 *
 * @throws InputError `AGEMEM_INPUT_ARGUMENT` for a weight that is not a finite number
 * @example
 * const { reward, parts } = scoreEpisode({ steps, episode, verdicts }, { preset: "answer-only" });
 */
export function scoreEpisode(input: ScoringInput, options: RewardOptions = {}): Score {
  const weights = rewardWeights(options);
  const reading = READINGS[options.preset ?? "paper"];
  const all = reading.parts(input, weights);
  return {
    reward: combine(reading, all, weights),
    parts: pick(all, (part) => part.value),
    basis: pick(all, (part) => part.basis),
    weights,
  };
}

function combine(
  reading: RewardReading,
  parts: PartsByName<RewardPart>,
  weights: RewardWeights,
): number | null {
  const { task, context, memory, penalty, tool = { value: 0, basis: "" } } = parts;
  const missing = task.value === -1 ? reading.missingAnswer : undefined;
  const terms = [task, context, memory, tool, penalty];
  const factors = [weights.task, weights.context, weights.memory, weights.tool, weights.penalty];
  if (missing !== undefined) factors[0] = -missing;
  const { value } = weigh(terms, factors, "");
  if (value === null || !reading.clip) return value;
  const [least, most] = reading.clip;
  return Math.min(most, Math.max(least, value));
}

/**
 * Scores a recorded rollout again from its own verdicts. Clears the advantage, which belongs to the old reward.
 *
 * A rollout without episode or verdicts, or one that failed (error, timeout, cancelled), stays unscored.
 */
export function scoreTrajectory(
  trajectory: TrajectoryRecord,
  steps: readonly StepRecord[],
  options: RewardOptions = {},
): TrajectoryRecord {
  const { episode, verdicts, status } = trajectory;
  const cleared = { ...trajectory, advantage: null, advantage_meta: null };
  if (!episode || !verdicts || (status !== "ok" && status !== "truncated")) {
    return { ...cleared, reward: null, reward_parts: {} };
  }
  const { reward, parts } = scoreEpisode({ steps, episode, verdicts }, options);
  return { ...cleared, reward, reward_parts: parts };
}

/** The checked weights of some options. */
export function rewardWeights(options: RewardOptions = {}): RewardWeights {
  const weights: RewardWeights = { ...REWARD_PRESETS[options.preset ?? "paper"], ...options.weights };
  const { alpha, beta, ...terms } = weights;
  if (![...Object.values(terms), ...alpha, ...beta].every(Number.isFinite)) {
    throw new InputError("AGEMEM_INPUT_ARGUMENT", "A reward weight is not a finite number", {
      remedy: "Give numbers; 0 leaves a part out.",
    });
  }
  return weights;
}

function pick<T>(parts: PartsByName<RewardPart>, of: (part: RewardPart) => T): PartsByName<T> {
  const named = REWARD_PART_NAMES.map((name) => [name, of(parts[name])] as const);
  const tool = parts.tool ? [["tool", of(parts.tool)] as const] : [];
  return Object.fromEntries([...named, ...tool]) as PartsByName<T>;
}
