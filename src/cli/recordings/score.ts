/** `agemem score FILE --out NEW`: the same rollouts with other weights, another judge or other advantages. */
import { Command } from "commander";
import { InputError } from "../../errors.js";
import { ADVANTAGE_PRESETS, type AdvantagePreset } from "../../grpo.js";
import { REWARD_PRESETS, type RewardPreset, type RewardWeights } from "../../rewards/reward.js";
import { rescoreFile } from "../../rollout/rescore.js";
import { choice } from "../arguments.js";
import { openJudge } from "../judge.js";

interface ScoreArguments {
  out: string;
  reward: RewardPreset;
  weight: Partial<RewardWeights>;
  advantage: AdvantagePreset;
  judge?: string;
  judgeCache?: string;
}

const TERMS = ["task", "context", "memory", "penalty"] as const;

/** The command, for the program of `main.ts`. */
export function scoreCommand(): Command {
  return new Command("score")
    .description("score a recording again, into a new file")
    .argument("<file>", "a recording")
    .requiredOption("--out <file>", "file to make")
    .addOption(
      choice("--reward <preset>", "weights of the reward", Object.keys(REWARD_PRESETS), "all-returns"),
    )
    .option(
      "--weight <term=number>",
      `one weight over the preset, repeatable: ${TERMS.join(", ")}`,
      weight,
      {},
    )
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

function weight(text: string, earlier: Partial<RewardWeights>): Partial<RewardWeights> {
  const [name, value, ...rest] = text.split("=");
  const term = TERMS.find((each) => each === name);
  if (term && value?.trim() && rest.length === 0 && Number.isFinite(Number(value))) {
    return { ...earlier, [term]: Number(value) };
  }
  throw new InputError("AGEMEM_INPUT_ARGUMENT", `--weight ${text} is not TERM=NUMBER`, {
    remedy: `Give one of ${TERMS.join(", ")}, such as task=1.`,
  });
}

function figure(value: number | null): string {
  return value === null ? "-" : value.toFixed(3);
}
