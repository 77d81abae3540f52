/** `agemem merge SHARE... --out FILE`: the recordings of a run's shares become one. */
import { Command } from "commander";
import { mergeRecordings } from "../../rollout/recording/merge.js";

/** The command, for the program of `main.ts`. */
export function mergeCommand(): Command {
  return new Command("merge")
    .description("put the recordings of all shares of a run (agemem rollout --shard i/n) together")
    .argument("<shares...>", "recordings of the shares, each with its RECORDING.index beside it")
    .requiredOption(
      "--out <file>",
      "merged recording: FILE.jsonl, FILE.jsonl.gz (packed), FOLDER/ (packed parts)",
    )
    .action(async (shares: string[], { out }: { out: string }) => {
      const { parts, groups, rollouts } = await mergeRecordings(shares, out);
      console.log(`${out}: ${rollouts} rollouts in ${groups} groups of ${parts} shares`);
    });
}
