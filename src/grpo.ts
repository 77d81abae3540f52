/**
 * Group-relative advantages of step-wise GRPO: one number per rollout, the same on each of its steps.
 *
 * Owns the formula and the variants of other trainers. Leaves out where rewards come from (`rewards/`) and the policy
 * gradient, which is the trainer's. Pure.
 */
import { InputError } from "./errors.js";
import type { StepRecord, TrajectoryRecord } from "./trajectory/schema.js";

/** Divisor of the group: K-1 ("sample"), K ("population"), or no division at all ("none"). */
type StdKind = "sample" | "population" | "none";

/** How a group is normalized. */
export interface AdvantageOptions {
  /** Default "sample": AgeMem, eq. 5. */
  std?: StdKind;
  /** Added to the standard deviation. Default 1e-6. Not used with `std: "none"`. */
  eps?: number;
  /**
   * What mean and deviation are taken over: "rollouts" (default, AgeMem, eq. 5), or "samples", so that a rollout votes once for each
   * of its policy calls, as Trinity's `grpo` does.
   */
  over?: "rollouts" | "samples";
}

/** The advantages of one group, and the statistics they were computed from. */
export interface GroupAdvantages {
  /** In the order of the rewards; null for a null reward. */
  advantages: (number | null)[];
  /** Mean of the rewards that are not null; null if there are none. */
  mean: number | null;
  /** Standard deviation; null if there are no rewards. With "none" it is the sample one, only reported. */
  std: number | null;
  /** True if all rewards are exactly equal: the group teaches nothing, and all its advantages are 0. */
  zeroVariance: boolean;
  /** How many rewards count, or how many samples if the group is normalized over samples. */
  n: number;
  stdKind: StdKind;
  eps: number;
}

/**
 * The normalization of several trainers, for comparing numbers with their logs. Our default equals `trinity` and `verl`.
 * Apart from `prime-rl`, they differ only in the divisor and eps.
 */
export const ADVANTAGE_PRESETS = {
  /** AgeMem, eq. 5: (r - mean) / (sample std + eps). */
  agemem: { std: "sample", eps: 1e-6 },
  /** The authors' released code: Trinity-RFT `grpo` over the samples of all rollouts. */
  official: { std: "sample", eps: 1e-6, over: "samples" },
  /** Trinity-RFT `step_wise_grpo`. */
  trinity: { std: "sample", eps: 1e-6 },
  /** verl `compute_grpo_outcome_advantage`. */
  verl: { std: "sample", eps: 1e-6 },
  /** OpenRLHF `group_norm`. */
  openrlhf: { std: "sample", eps: 1e-9 },
  /** TRL `GRPOTrainer`. */
  trl: { std: "sample", eps: 1e-4 },
  /** TRL `trl.experimental.async_grpo`. */
  "trl-async": { std: "population", eps: 1e-8 },
  /** OpenPipe ART. */
  art: { std: "population", eps: 1e-6 },
  /** prime-rl: reward minus mean. */
  "prime-rl": { std: "none", eps: 0 },
} as const satisfies Record<string, AdvantageOptions>;

/** A name of {@link ADVANTAGE_PRESETS}. */
export type AdvantagePreset = keyof typeof ADVANTAGE_PRESETS;

/**
 * Advantages of the K rollouts of one task: `A = (r - mean(G)) / (std(G) + eps)` (AgeMem, eq. 5).
 *
 * - An unscored or failed rollout (null) does not count in mean and std, and its advantage is null, not 0.
 * - If all counted rewards are exactly equal, the group is marked (`zeroVariance`) and its advantages are 0. The test
 *   compares the rewards themselves, because their computed deviation can be off 0 by a rounding error. This includes a
 *   single counted reward, which Trinity and verl pass through unchanged although nothing about it is relative.
 *
 * @param rewards terminal reward R(tau) of each rollout, in any order
 * @param samples policy calls of each rollout, for `over: "samples"`; default one each
 * @throws InputError `AGEMEM_INPUT_ARGUMENT` for a reward that is NaN or infinite, or a negative eps
 * @example
 * groupAdvantages([0, 1, 2, null]).advantages; // [-1, 0, 1, null] up to eps
 */
export function groupAdvantages(
  rewards: readonly (number | null)[],
  options: AdvantageOptions | AdvantagePreset = {},
  samples: readonly number[] = [],
): GroupAdvantages {
  const { std: stdKind = "sample", eps = 1e-6, over = "rollouts" } = optionsOf(options);
  if (!(eps >= 0 && Number.isFinite(eps))) throw argument(`eps must be a finite number >= 0, not ${eps}`);
  const votes = rewards.map((reward, i) =>
    reward === null ? 0 : over === "samples" ? (samples[i] ?? 1) : 1,
  );
  const counted = rewards.filter((reward, i) => reward !== null && (votes[i] as number) > 0) as number[];
  for (const reward of counted) {
    if (!Number.isFinite(reward)) throw argument(`A reward is not a finite number: ${reward}`);
  }
  const n = votes.reduce((sum, count) => sum + count, 0);
  if (n === 0) {
    return {
      advantages: rewards.map(() => null),
      mean: null,
      std: null,
      zeroVariance: false,
      n,
      stdKind,
      eps,
    };
  }
  const first = counted[0] as number;
  if (counted.every((reward) => reward === first)) {
    const advantages = rewards.map((reward) => (reward === null ? null : 0));
    return { advantages, mean: first, std: 0, zeroVariance: true, n, stdKind, eps };
  }
  const weighed = (of: (reward: number) => number): number =>
    rewards.reduce<number>(
      (sum, reward, i) => sum + (votes[i] as number) * (reward === null ? 0 : of(reward)),
      0,
    );
  const mean = weighed((reward) => reward) / n;
  const squares = weighed((reward) => (reward - mean) ** 2);
  const std = Math.sqrt(squares / (stdKind === "population" ? n : n - 1));
  const scale = stdKind === "none" ? 1 : std + eps;
  const advantages = rewards.map((reward) => (reward === null ? null : (reward - mean) / scale));
  return { advantages, mean, std, zeroVariance: false, n, stdKind, eps };
}

function optionsOf(options: AdvantageOptions | AdvantagePreset): AdvantageOptions {
  return typeof options === "string" ? ADVANTAGE_PRESETS[options] : options;
}

/**
 * The advantage of a trajectory on each of its steps: `A_t = A_T` (AgeMem, eq. 6).
 *
 * @param steps number of steps over all three stages
 * @example
 * broadcast(0.5, 3); // [0.5, 0.5, 0.5]
 */
export function broadcast(advantage: number | null, steps: number): (number | null)[] {
  return new Array<number | null>(steps).fill(advantage);
}

/**
 * Sets the advantages of trajectory records, group by group (`group_id`; a record without one is a group by itself).
 *
 * A rollout that was tried several times counts once, with its last attempt; earlier attempts get null.
 *
 * @example
 * const scored = withAdvantages(trajectories, "trinity");
 */
export function withAdvantages(
  trajectories: readonly TrajectoryRecord[],
  options: AdvantageOptions | AdvantagePreset = {},
): TrajectoryRecord[] {
  const groups = new Map<string, TrajectoryRecord[]>();
  for (const record of trajectories) {
    const key = record.group_id === null ? `alone:${record.rollout_id}` : `group:${record.group_id}`;
    const others = (groups.get(key) ?? []).filter((other) => !replaces(record, other));
    groups.set(key, others.some((other) => replaces(other, record)) ? others : [...others, record]);
  }
  const finished = new Map<TrajectoryRecord, TrajectoryRecord>();
  for (const members of groups.values()) {
    const { records } = advantagesOf(members, options);
    for (const [i, member] of members.entries()) finished.set(member, records[i] as TrajectoryRecord);
  }
  return trajectories.map(
    (record) => finished.get(record) ?? { ...record, advantage: null, advantage_meta: null },
  );
}

/**
 * Sets the advantages of the records of one group, in the given order; every record counts.
 *
 * @throws InputError as {@link groupAdvantages}
 * @example
 * const { records, advantages } = advantagesOf(groupOfK);
 */
export function advantagesOf(
  group: readonly TrajectoryRecord[],
  options: AdvantageOptions | AdvantagePreset = {},
): { records: TrajectoryRecord[]; advantages: GroupAdvantages } {
  const advantages = groupAdvantages(
    group.map((record) => record.reward),
    options,
    group.map((record) => record.policy_usage.calls),
  );
  return {
    records: group.map((record, i) => ({ ...record, ...advantageFields(advantages, i) })),
    advantages,
  };
}

/**
 * The steps of a rollout with their own advantages, where it went on from a beginning that its group shares: 0 on the shared steps,
 * which have no alternative in the group and whose advantages would sum to 0 anyway, A_T on those after it. Other rollouts keep
 * their steps as they are: A_T stands for all of them.
 *
 * @example
 * withStepAdvantages(trajectory, steps).map(({ advantage }) => advantage); // [0, 0, 0.7, 0.7] for metadata.branch_at = 2
 */
export function withStepAdvantages(trajectory: TrajectoryRecord, steps: readonly StepRecord[]): StepRecord[] {
  const { advantage, metadata } = trajectory;
  const at = metadata.branch_at;
  if (typeof at !== "number") return [...steps];
  return steps.map((step) => ({
    ...step,
    advantage: advantage === null || step.call_role === "aux" ? null : step.step_index < at ? 0 : advantage,
  }));
}

function replaces(later: TrajectoryRecord, earlier: TrajectoryRecord): boolean {
  return later.rollout_id === earlier.rollout_id && later.attempt >= earlier.attempt;
}

function advantageFields(
  group: GroupAdvantages,
  index: number,
): Pick<TrajectoryRecord, "advantage" | "advantage_meta"> {
  const advantage = group.advantages[index] ?? null;
  const { mean, std, stdKind, eps, n, zeroVariance } = group;
  if (advantage === null || mean === null || std === null) return { advantage: null, advantage_meta: null };
  return {
    advantage,
    advantage_meta: { mean, std, std_kind: stdKind, eps, n, zero_variance: zeroVariance },
  };
}

function argument(message: string): InputError {
  return new InputError("AGEMEM_INPUT_ARGUMENT", message, { remedy: "Use null for an unscored rollout." });
}
