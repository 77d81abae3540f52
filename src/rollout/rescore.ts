/**
 * Scores recordings again: with other weights, another judge, or another normalization of advantages.
 *
 * Owns the two passes over a recording; the second is needed because an advantage depends on its whole group. Steps and
 * samples are copied unchanged. Memory holds the scores of all rollouts, but the steps of only one.
 */
import { existsSync } from "node:fs";
import { InputError } from "../errors.js";
import { type AdvantageOptions, type AdvantagePreset, withAdvantages, withStepAdvantages } from "../grpo.js";
import { type Judge, judgeEpisode } from "../rewards/judge.js";
import { type RewardOptions, rewardWeights, scoreTrajectory } from "../rewards/reward.js";
import { type Rollout, readRollouts, TrajectoryWriter } from "../trajectory/file.js";
import type { TrajectoryRecord } from "../trajectory/schema.js";

/** How to score. */
export interface RescoreOptions {
  reward?: RewardOptions;
  advantage?: AdvantageOptions | AdvantagePreset;
  /** Asked about each rollout that did not fail. Default: the recorded verdicts are used. */
  judge?: Judge;
  onRollout?: (trajectory: TrajectoryRecord) => void;
}

/** Result of {@link rescoreFile}. */
export interface RescoreReport {
  rollouts: number;
  /** Rollouts that have a reward now. */
  scored: number;
  /** Mean reward before and after; null when nothing is scored. */
  meanBefore: number | null;
  meanAfter: number | null;
}

/**
 * Reads `input` and writes the same rollouts with new scores to `output`.
 *
 * @throws InputError `AGEMEM_INPUT_ARGUMENT` when the output exists or a weight is not a finite number;
 * `AGEMEM_INPUT_FILE`, `AGEMEM_TRAJECTORY_*` for the input
 * @example
 * await rescoreFile("run.jsonl", "answer-only.jsonl", { reward: { preset: "answer-only" } });
 */
export async function rescoreFile(
  input: string,
  output: string,
  options: RescoreOptions = {},
): Promise<RescoreReport> {
  rewardWeights(options.reward);
  if (existsSync(output)) {
    throw new InputError("AGEMEM_INPUT_ARGUMENT", `${output} exists already`, {
      remedy: "Give the name of a file that does not exist yet.",
    });
  }
  const scored: TrajectoryRecord[] = [];
  const before: (number | null)[] = [];
  for await (const rollout of readRollouts(input)) {
    before.push(rollout.trajectory.reward);
    const trajectory = await rescore(rollout, options);
    options.onRollout?.(trajectory);
    // Episodes are large; the second pass reads them again.
    scored.push({ ...trajectory, episode: null });
  }
  const advantages = withAdvantages(scored, options.advantage);
  const writer = await TrajectoryWriter.open(output);
  try {
    let i = 0;
    for await (const { trajectory, steps } of readRollouts(input)) {
      const scored = { ...(advantages[i++] ?? trajectory), episode: trajectory.episode };
      await writer.appendRollout({ steps: withStepAdvantages(scored, steps), trajectory: scored });
    }
  } finally {
    await writer.close();
  }
  const after = advantages.map(({ reward }) => reward);
  return {
    rollouts: after.length,
    scored: after.filter((reward) => reward !== null).length,
    meanBefore: mean(before),
    meanAfter: mean(after),
  };
}

async function rescore({ trajectory, steps }: Rollout, options: RescoreOptions): Promise<TrajectoryRecord> {
  const { judge } = options;
  const { episode, status } = trajectory;
  const judged = judge && episode && (status === "ok" || status === "truncated");
  if (!judged) return scoreTrajectory(trajectory, steps, options.reward);
  const { verdicts, problems } = await judgeEpisode(judge, { steps, episode }, options.reward);
  const { judge_problems: _, ...metadata } = trajectory.metadata;
  const asked = {
    ...trajectory,
    verdicts,
    metadata: { ...metadata, judge: judge.name, ...(problems.length ? { judge_problems: problems } : {}) },
  };
  return scoreTrajectory(asked, steps, options.reward);
}

function mean(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}
