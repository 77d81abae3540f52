/**
 * Group-relative advantages of step-wise GRPO: one number per rollout, the same on each of its steps.
 *
 * Owns the formula and its variants by trainer. Leaves out where rewards come from (`rewards/`) and the policy
 * gradient itself, which is the trainer's. Pure.
 */
import { InputError } from "./errors.js";
import type { TrajectoryRecord } from "./trajectory/schema.js";

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

/** The advantages of one group with what they were made from. */
export interface GroupAdvantages {
  /** In the order of the rewards; null where the reward was null. */
  advantages: (number | null)[];
  /** Mean over the rewards that are numbers; null when there is none. */
  mean: number | null;
  /** Standard deviation (for "none": the sample one, reported only); null when there is no reward. */
  std: number | null;
  /** True when all counted rewards are exactly equal: the group teaches nothing and all its advantages are 0. */
  zeroVariance: boolean;
  /** Rewards counted, or samples where the group is normalized over them. */
  n: number;
  stdKind: StdKind;
  eps: number;
}

/**
 * Normalization as each trainer does it, for comparing numbers with its logs. Our default equals `trinity` and
 * `verl`. All of them except `prime-rl` differ from one another only in the divisor and eps.
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

export type AdvantagePreset = keyof typeof ADVANTAGE_PRESETS;

/**
 * Advantages of the K rollouts of one task: `A = (r - mean(G)) / (std(G) + eps)` (AgeMem, eq. 5).
 *
 * - An unscored or failed rollout (null) has no vote in mean and std and gets null, not 0.
 * - When all counted rewards are exactly equal the group is marked and gets 0 everywhere. The test compares the
 *   rewards and not their float standard deviation, which can be a rounding error away from 0. A single counted
 *   reward is such a group (Trinity and verl pass the bare reward through instead; there is nothing relative in it).
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
 * Trajectory records with their advantages set, group by group (`group_id`; a record without one stays alone).
 *
 * A rollout that was tried several times votes once, with its last attempt; earlier attempts get null.
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
 * The records of one group with their advantages set, in the order given; each record votes once.
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
