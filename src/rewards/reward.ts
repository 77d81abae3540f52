/**
 * R(tau): combines the components of the reward (AgeMem, appendix A.2). Pure.
 *
 * Owns weights, presets and the names under which parts are recorded.
 */
import { InputError } from "../errors.js";
import type { StepRecord, TrajectoryRecord } from "../trajectory/schema.js";
import { compressionReward } from "./compression.js";
import { maintenanceReward } from "./maintenance.js";
import { roundsPenalty, tokensPenalty } from "./penalties.js";
import { preservationReward } from "./preservation.js";
import { preventiveReward } from "./preventive.js";
import { relevanceReward } from "./relevance.js";
import type { RewardPart, ScoringInput } from "./scoring.js";
import { storageReward } from "./storage.js";
import { taskReward } from "./task.js";

/** Weights of the terms, and of the parts of the two composite ones. */
export interface RewardWeights {
  /** w_task */
  task: number;
  /** w_context */
  context: number;
  /** w_memory */
  memory: number;
  /** Factor on P_penalty: 1 as in the paper, 0 for none. */
  penalty: number;
  /** alpha of compression, preventive, preservation */
  alpha: readonly [number, number, number];
  /** beta of storage, maintenance, relevance */
  beta: readonly [number, number, number];
}

const third = 1 / 3;

/**
 * - `all-returns`: all terms; 1/3 for each of them and of their parts, 1 for the penalty (appendix C.4; section 4.1 of
 *   the paper says 1.0 for the three terms).
 * - `answer-only`: R_task alone, the paper's ablation.
 */
export const REWARD_PRESETS = {
  "all-returns": {
    task: third,
    context: third,
    memory: third,
    penalty: 1,
    alpha: [third, third, third],
    beta: [third, third, third],
  },
  "answer-only": { task: 1, context: 0, memory: 0, penalty: 0, alpha: [0, 0, 0], beta: [0, 0, 0] },
} as const satisfies Record<string, RewardWeights>;

export type RewardPreset = keyof typeof REWARD_PRESETS;

/** Which weights: a preset (default "all-returns"), and weights that override some of it. */
export interface RewardOptions {
  preset?: RewardPreset;
  weights?: Partial<RewardWeights>;
}

/** Names of the parts, the keys of a trajectory record's `reward_parts`. */
export const REWARD_PART_NAMES = [
  "task",
  "context",
  "context.compression",
  "context.preventive",
  "context.preservation",
  "memory",
  "memory.storage",
  "memory.maintenance",
  "memory.relevance",
  "penalty",
  "penalty.rounds",
  "penalty.tokens",
] as const;
type RewardPartName = (typeof REWARD_PART_NAMES)[number];

/** A scored rollout. */
export interface Score {
  /** R(tau); null when a part that carries weight could not be scored. */
  reward: number | null;
  /** Unweighted value of every part; null = not scored. */
  parts: Record<RewardPartName, number | null>;
  /** Basis of each part, in words. */
  basis: Record<RewardPartName, string>;
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
  const context = weigh(
    [compressionReward(input), preventiveReward(input), preservationReward(input)],
    weights.alpha,
    "alpha-weighted sum of compression, preventive, preservation",
  );
  const memory = weigh(
    [storageReward(input), maintenanceReward(input), relevanceReward(input)],
    weights.beta,
    "beta-weighted sum of storage, maintenance, relevance",
  );
  const penalty = weigh([roundsPenalty(input), tokensPenalty(input)], [1, 1], "sum of both penalties");
  const task = taskReward(input);
  const all: Record<RewardPartName, RewardPart> = {
    task,
    context: context.total,
    "context.compression": context.parts[0] as RewardPart,
    "context.preventive": context.parts[1] as RewardPart,
    "context.preservation": context.parts[2] as RewardPart,
    memory: memory.total,
    "memory.storage": memory.parts[0] as RewardPart,
    "memory.maintenance": memory.parts[1] as RewardPart,
    "memory.relevance": memory.parts[2] as RewardPart,
    penalty: penalty.total,
    "penalty.rounds": penalty.parts[0] as RewardPart,
    "penalty.tokens": penalty.parts[1] as RewardPart,
  };
  const { total } = weigh(
    [task, context.total, memory.total, penalty.total],
    [weights.task, weights.context, weights.memory, weights.penalty],
    "",
  );
  return {
    reward: total.value,
    parts: pick(all, (part) => part.value),
    basis: pick(all, (part) => part.basis),
    weights,
  };
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
  const weights: RewardWeights = { ...REWARD_PRESETS[options.preset ?? "all-returns"], ...options.weights };
  const { alpha, beta, ...terms } = weights;
  if (![...Object.values(terms), ...alpha, ...beta].every(Number.isFinite)) {
    throw new InputError("AGEMEM_INPUT_ARGUMENT", "A reward weight is not a finite number", {
      remedy: "Give numbers; 0 leaves a part out.",
    });
  }
  return weights;
}

/** Weighted sum. A part whose weight is 0 may be unscored. */
function weigh(
  parts: RewardPart[],
  weights: readonly number[],
  basis: string,
): { parts: RewardPart[]; total: RewardPart } {
  let sum = 0;
  for (const [i, part] of parts.entries()) {
    const weight = weights[i] ?? 0;
    if (weight === 0) continue;
    if (part.value === null) return { parts, total: { value: null, basis: part.basis } };
    sum += weight * part.value;
  }
  return { parts, total: { value: sum, basis } };
}

function pick<T>(
  parts: Record<RewardPartName, RewardPart>,
  of: (part: RewardPart) => T,
): Record<RewardPartName, T> {
  return Object.fromEntries(REWARD_PART_NAMES.map((name) => [name, of(parts[name])])) as Record<
    RewardPartName,
    T
  >;
}
