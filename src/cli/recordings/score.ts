/** `agemem score FILE --out NEW`: scores recorded rollouts again, with other weights, another judge or other advantages. */
import Table from "cli-table3";
import { Command } from "commander";
import { InputError } from "../../errors.js";
import { compareRewards, type RewardComparison } from "../../evaluation/metrics/reward-comparison.js";
import { ADVANTAGE_PRESETS, type AdvantagePreset } from "../../grpo.js";
import type { Judge } from "../../rewards/judge.js";
import { REWARD_PRESETS, type RewardPreset, type RewardWeights } from "../../rewards/reward.js";
import { REWARD_PART_NAMES } from "../../rewards/scoring.js";
import { rescoreFile } from "../../rollout/rescore.js";
import { readRollouts } from "../../trajectory/file.js";
import { choice, names } from "../arguments.js";
import { TABLE_STYLE } from "../demo/screen.js";
import { openJudge } from "../judge.js";
import { addWeight, WEIGHT_HELP } from "../reward-weights.js";

interface ScoreArguments {
  out?: string;
  compare?: RewardPreset[];
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
    .option("--out <file>", "file to create")
    .option(
      "--compare <presets>",
      "instead of writing a file, print the means of several rewards, part by part",
      names(Object.keys(REWARD_PRESETS) as RewardPreset[]),
    )
    .addOption(choice("--reward <preset>", "which reward", Object.keys(REWARD_PRESETS), "paper"))
    .option("--weight <name=number>", WEIGHT_HELP, addWeight, {})
    .addOption(choice("--advantage <preset>", "normalization", Object.keys(ADVANTAGE_PRESETS), "agemem"))
    .option(
      "--judge <name>",
      'judge again with "offline" (rules) or a model (default: keep the recorded verdicts)',
    )
    .option("--judge-cache <file>", "where a judging model's verdicts are kept")
    .action(score);
}

async function score(file: string, options: ScoreArguments): Promise<void> {
  const { out, compare } = options;
  if ((out === undefined) === (compare === undefined)) {
    throw new InputError("AGEMEM_INPUT_ARGUMENT", "score needs either --out or --compare", {
      remedy: "Name the file to make with --out, or the rewards to compare, such as --compare paper,agemem.",
    });
  }
  const opened = options.judge === undefined ? undefined : await openJudge(options.judge, options.judgeCache);
  try {
    if (compare) console.log(comparison(await compareRewards(readRollouts(file), compare, opened?.judge)));
    if (out !== undefined) await rescore(file, out, options, opened?.judge);
  } finally {
    await opened?.close();
  }
}

async function rescore(file: string, out: string, options: ScoreArguments, judge?: Judge): Promise<void> {
  const report = await rescoreFile(file, out, {
    reward: { preset: options.reward, weights: options.weight },
    advantage: options.advantage,
    ...(judge ? { judge } : {}),
  });
  const change = `${figure(report.meanBefore)} -> ${figure(report.meanAfter)}`;
  console.log(`${out}: ${report.scored} of ${report.rollouts} rollouts scored, mean reward ${change}`);
}

/** Means by part and preset, with the number of rollouts where a part did not apply to all. */
function comparison(compared: RewardComparison): string {
  const presets = Object.keys(compared) as RewardPreset[];
  const table = new Table({ head: ["mean over the rollouts", ...presets], style: TABLE_STYLE });
  const all = Math.max(0, ...presets.map((preset) => compared[preset]?.task?.n ?? 0));
  for (const part of ["reward", ...REWARD_PART_NAMES, "tool"]) {
    const cells = presets.map((preset) => {
      const figures = compared[preset]?.[part];
      if (!figures || figures.n === 0) return "-";
      return figures.n === all ? figure(figures.mean) : `${figure(figures.mean)} (n = ${figures.n})`;
    });
    table.push([part, ...cells]);
  }
  return table.toString();
}

function figure(value: number | null): string {
  return value === null ? "-" : value.toFixed(3);
}
