#!/usr/bin/env node
/**
 * The `agemem` command.
 *
 * Owns wiring the subcommands, and how errors end the process. An expected failure is one line `CODE: what happened. What to do.` on standard error. Exit codes: `exit-codes.ts`.
 */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { AgeMemError } from "../errors.js";
import { demoCommand } from "./demo/command.js";
import { evaluateCommand } from "./evaluate/command.js";
import { reportCommand } from "./evaluate/report.js";
import { exitCodeOf } from "./exit-codes.js";
import { memoryCommand } from "./memory/command.js";
import { exportCommand } from "./recordings/export.js";
import { mergeCommand } from "./recordings/merge.js";
import { scoreCommand } from "./recordings/score.js";
import { statsCommand } from "./recordings/stats.js";
import { traceCommand } from "./recordings/trace.js";
import { validateCommand } from "./recordings/validate.js";
import { rolloutCommand } from "./rollout.js";
import { setupCommand } from "./setup.js";
import { tasksCommand } from "./tasks.js";

async function main(argv: string[]): Promise<void> {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  const program = new Command("agemem")
    .description("Memory that a LangGraph.js agent manages itself, and can be trained to manage.")
    .version(version)
    // Options after a command belong to it, even if its parents have options of the same name.
    .enablePositionalOptions()
    .addCommand(demoCommand())
    .addCommand(memoryCommand())
    .addCommand(setupCommand())
    .addCommand(tasksCommand())
    .addCommand(rolloutCommand())
    .addCommand(mergeCommand())
    .addCommand(scoreCommand())
    .addCommand(statsCommand())
    .addCommand(evaluateCommand())
    .addCommand(reportCommand())
    .addCommand(exportCommand())
    .addCommand(traceCommand())
    .addCommand(validateCommand());
  throwUsageErrors(program);
  await program.parseAsync(argv);
}

/** Makes commander throw. By itself it would exit with 1 even for a wrong option, after printing what is wrong. */
function throwUsageErrors(command: Command): void {
  command.exitOverride();
  for (const sub of command.commands) throwUsageErrors(sub);
}

function fail(error: unknown): void {
  if (AgeMemError.isInstance(error)) console.error(error.toLine());
  else if (!(error instanceof CommanderError)) console.error(error);
  process.exitCode = exitCodeOf(error);
}

// A reader that closes early (`agemem … | head`) is not an error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

main(process.argv).catch(fail);
