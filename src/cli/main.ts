#!/usr/bin/env node
/**
 * The `agemem` command.
 *
 * Owns how errors end the process: an expected failure is one line `CODE: what happened. What to do.` on standard error.
 * Leaves out the subcommands (`commands.ts`) and the exit codes (`exit-codes.ts`).
 */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { AgeMemError } from "../errors.js";
import { commandsFor } from "./commands.js";
import { exitCodeOf } from "./exit-codes.js";

async function main(argv: string[]): Promise<void> {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  const program = new Command("agemem")
    .description("Memory that a LangGraph.js agent manages itself, and can be trained to manage.")
    .version(version)
    // Options after a command belong to it, even if its parents have options of the same name.
    .enablePositionalOptions();
  for (const command of await commandsFor(argv[2])) program.addCommand(command);
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
