#!/usr/bin/env node
/**
 * The `agemem` command: wiring of the subcommands and of the way errors end the process.
 *
 * An expected failure is one line `CODE: what happened. What to do.` on standard error. Exit codes: 0 done,
 * 1 failed, 2 the input or the settings are wrong.
 */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { AgeMemError, ConfigError, InputError } from "../errors.js";
import { demoCommand } from "./demo/command.js";
import { evaluateCommand } from "./evaluate/command.js";
import { exportCommand } from "./export.js";
import { memoryCommand } from "./memory/command.js";
import { rolloutCommand } from "./rollout.js";
import { scoreCommand } from "./score.js";
import { setupCommand } from "./setup.js";
import { statsCommand } from "./stats.js";
import { tasksCommand } from "./tasks.js";
import { traceCommand } from "./trace.js";
import { validateCommand } from "./validate.js";

async function main(argv: string[]): Promise<void> {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  const program = new Command("agemem")
    .description("Memory that a LangGraph.js agent manages itself, and can be trained to manage.")
    .version(version)
    .addCommand(demoCommand())
    .addCommand(memoryCommand())
    .addCommand(setupCommand())
    .addCommand(tasksCommand())
    .addCommand(rolloutCommand())
    .addCommand(scoreCommand())
    .addCommand(statsCommand())
    .addCommand(evaluateCommand())
    .addCommand(exportCommand())
    .addCommand(traceCommand())
    .addCommand(validateCommand());
  await program.parseAsync(argv);
}

function fail(error: unknown): void {
  if (!AgeMemError.isInstance(error)) {
    console.error(error);
    process.exitCode = 1;
    return;
  }
  console.error(error.toLine());
  process.exitCode = error instanceof InputError || error instanceof ConfigError ? 2 : 1;
}

// A reader that closes early (`agemem … | head`) is not an error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

main(process.argv).catch(fail);
