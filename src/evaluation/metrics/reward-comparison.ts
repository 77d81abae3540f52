/**
 * One recording under several rewards, part by part: what a preset changes on the same rollouts.
 *
 * One pass; memory is that of the figures. Leaves out how they are shown (`cli/recordings/score.ts`).
 */
import { type Judge, judgeEpisode } from "../../rewards/judge.js";
import { type RewardPreset, scoreEpisode } from "../../rewards/reward.js";
import type { Rollout } from "../../trajectory/file.js";
import { type Figures, FiguresByName } from "./figures.js";

/** Figures of `reward` and of each part, by preset; a part that a preset lacks or that never applied is not in it. */
export type RewardComparison = Partial<Record<RewardPreset, Record<string, Figures>>>;

/**
 * Scores each rollout that did not fail under each preset.
 *
 * @param judge asked once about each rollout; default: the recorded verdicts, which lack what only some presets read
 * @example
 * const { paper, agemem } = await compareRewards(readRollouts("run.jsonl"), ["paper", "agemem"], createOfflineJudge());
 */
export async function compareRewards(
  rollouts: AsyncIterable<Rollout> | Iterable<Rollout>,
  presets: readonly RewardPreset[],
  judge?: Judge,
): Promise<RewardComparison> {
  const figures = new Map(presets.map((preset) => [preset, new FiguresByName()]));
  for await (const { trajectory, steps } of rollouts) {
    const { episode, status } = trajectory;
    if (!episode || (status !== "ok" && status !== "truncated")) continue;
    const verdicts = judge
      ? (await judgeEpisode(judge, { steps, episode }, { preset: "agemem" })).verdicts
      : trajectory.verdicts;
    if (!verdicts) continue;
    for (const [preset, named] of figures) {
      const { reward, parts } = scoreEpisode({ steps, episode, verdicts }, { preset });
      named.at("reward").add(reward);
      for (const [part, value] of Object.entries(parts)) named.at(part).add(value);
    }
  }
  return Object.fromEntries([...figures].map(([preset, named]) => [preset, named.figures]));
}
