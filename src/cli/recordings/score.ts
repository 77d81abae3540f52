/** `agemem score FILE --out NEW`: the same rollouts with other weights, another judge or other advantages. */
import { Command } from "commander";
import { ADVANTAGE_PRESETS, type AdvantagePreset } from "../../grpo.js";
import { REWARD_PRESETS, type RewardPreset, type RewardWeights } from "../../rewards/reward.js";
import { rescoreFile } from "../../rollout/rescore.js";
import { choice } from "../arguments.js";
import { openJudge } from "../judge.js";
import { addWeight, WEIGHT_HELP } from "../reward-weights.js";

interface ScoreArguments {
  out: string;
  reward: RewardPreset;
  weight: Partial<RewardWeights>;
  advantage: AdvantagePreset;
  judge?: string;
  judgeCache?: string;
}

/** The command, for the program of `main.ts`. */
export function scoreCommand(): Command {
  return new Command("score")
    .description("score a recording again, into a new file")
    .argument("<file>", "a recording")
    .requiredOption("--out <file>", "file to make")
    .addOption(choice("--reward <preset>", "which reward", Object.keys(REWARD_PRESETS), "paper"))
    .option("--weight <name=number>", WEIGHT_HELP, addWeight, {})
    .addOption(choice("--advantage <preset>", "normalization", Object.keys(ADVANTAGE_PRESETS), "agemem"))
    .option("--judge <name>", 'ask again: "offline" (rules) or a model name (default: the recorded verdicts)')
    .option("--judge-cache <file>", "where a judging model's verdicts are kept")
    .action(score);
}

async function score(file: string, options: ScoreArguments): Promise<void> {
  const opened = options.judge === undefined ? undefined : await openJudge(options.judge, options.judgeCache);
  try {
    const report = await rescoreFile(file, options.out, {
      reward: { preset: options.reward, weights: options.weight },
      advantage: options.advantage,
      ...(opened ? { judge: opened.judge } : {}),
    });
    const change = `${figure(report.meanBefore)} -> ${figure(report.meanAfter)}`;
    console.log(
      `${options.out}: ${report.scored} of ${report.rollouts} rollouts scored, mean reward ${change}`,
    );
  } finally {
    await opened?.close();
  }
}

function figure(value: number | null): string {
  return value === null ? "-" : value.toFixed(3);
}
