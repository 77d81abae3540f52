/**
 * The subcommands of `agemem`.
 *
 * Owns which there are, and that only the one asked for is loaded: together they take seconds.
 */
import type { Command } from "commander";

/** In the order of the help. */
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

/** The command of that name; all of them for anything else, such as `--help` or a misspelled name. */
export async function commandsFor(name = ""): Promise<Command[]> {
  const names = Object.hasOwn(COMMANDS, name) ? [name] : Object.keys(COMMANDS);
  return Promise.all(names.map((each) => COMMANDS[each]?.()).filter((load) => load !== undefined));
}
