#!/usr/bin/env node
/**
 * The `agemem` command.
 *
 * Owns wiring the subcommands, and how errors end the process. An expected failure is one line `CODE: what happened. What to do.` on standard error. Exit codes: `exit-codes.ts`.
 */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { AgeMemError } from "../errors.js";
import { exitCodeOf } from "./exit-codes.js";

/** The subcommands in the order of the help. Each is imported when it is asked for: together they take seconds to load. */
const COMMANDS: Record<string, () => Promise<Command>> = {
  demo: async () => (await import("./demo/command.js")).demoCommand(),
  memory: async () => (await import("./memory/command.js")).memoryCommand(),
  setup: async () => (await import("./setup.js")).setupCommand(),
  tasks: async () => (await import("./tasks.js")).tasksCommand(),
  rollout: async () => (await import("./rollout.js")).rolloutCommand(),
  merge: async () => (await import("./recordings/merge.js")).mergeCommand(),
  score: async () => (await import("./recordings/score.js")).scoreCommand(),
  stats: async () => (await import("./recordings/stats.js")).statsCommand(),
  evaluate: async () => (await import("./evaluate/command.js")).evaluateCommand(),
  report: async () => (await import("./evaluate/report.js")).reportCommand(),
  export: async () => (await import("./recordings/export.js")).exportCommand(),
  trace: async () => (await import("./recordings/trace.js")).traceCommand(),
  validate: async () => (await import("./recordings/validate.js")).validateCommand(),
};

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

/** The command of that name; all of them for anything else, such as `--help` or a misspelled name. */
async function commandsFor(name = ""): Promise<Command[]> {
  const names = Object.hasOwn(COMMANDS, name) ? [name] : Object.keys(COMMANDS);
  return Promise.all(names.map((each) => COMMANDS[each]?.()).filter((load) => load !== undefined));
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
