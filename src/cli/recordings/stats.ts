/** `agemem stats FILE`: the figures of a recording as tables (`stats-report.ts`) or JSON, and two plots. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { InputError, messageOf } from "../../errors.js";
import { rewardPlot, tokenPlot } from "../../evaluation/metrics/plots.js";
import { type RecordingStats, recordingStats } from "../../evaluation/metrics/recording-stats.js";
import { ensureDirectory } from "../../lib/directory.js";
import { readRollouts } from "../../trajectory/file.js";
import { statsReport } from "./stats-report.js";

/** The command, for the program of `main.ts`. */
export function statsCommand(): Command {
  return new Command("stats")
    .description("print what a recording holds: operations, tokens, rewards, groups")
    .argument("<file>", "a recording")
    .option("--json", "print the figures as JSON")
    .option("--plots <directory>", "also draw reward.svg and tokens.svg there")
    .action(async (file: string, options: { json?: boolean; plots?: string }) => {
      const stats = await recordingStats(readRollouts(file));
      if (stats.rollouts === 0) {
        throw new InputError("AGEMEM_INPUT_FORMAT", `${file} holds no finished rollout`, {
          remedy: "Give a recording of agemem rollout or agemem demo.",
        });
      }
      console.log(options.json ? JSON.stringify(stats) : statsReport(stats));
      if (options.plots === undefined) return;
      for (const path of drawPlots(stats, options.plots)) console.error(`drawn: ${path}`);
    });
}

function drawPlots(stats: RecordingStats, directory: string): string[] {
  const plots = { "reward.svg": rewardPlot(stats), "tokens.svg": tokenPlot(stats) };
  try {
    ensureDirectory(directory);
    return Object.entries(plots).map(([name, svg]) => {
      const path = join(directory, name);
      writeFileSync(path, svg);
      return path;
    });
  } catch (cause) {
    throw new InputError("AGEMEM_INPUT_FILE", `${directory} cannot be written: ${messageOf(cause)}`, {
      cause,
      remedy: "Choose another directory with --plots.",
    });
  }
}
