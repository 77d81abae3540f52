/** `agemem validate FILE`: checks a recording against the schema. */
import { Command } from "commander";
import { InputError } from "../../errors.js";
import { validateFile } from "../../trajectory/file.js";

/** The command, for the program of `main.ts`. */
export function validateCommand(): Command {
  return new Command("validate")
    .description("check a recording against the trajectory schema")
    .argument("<file>", "a .jsonl recording")
    .option("--json", "print the report as JSON")
    .action(async (file: string, options: { json?: boolean }) => {
      const report = await validateFile(file);
      if (options.json) console.log(JSON.stringify(report));
      else console.log(`${file}: ${report.steps} steps, ${report.trajectories} trajectories`);
      const [first] = report.problems;
      if (!first) return;
      const finding = new InputError(
        "AGEMEM_TRAJECTORY_INVALID",
        `${report.problems.length} problem(s), first ${first.line === null ? "in the file" : `in line ${first.line}`}: ${first.message}`,
        { remedy: "Repair the lines, or record again." },
      );
      // What the command was asked to find: not a mistake in how it was called.
      console.error(finding.toLine());
      process.exitCode = 1;
    });
}
