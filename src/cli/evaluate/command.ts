/** `agemem evaluate`: what a model does with its memories, and where the thresholds of an embedding lie. Wires the tests of `evaluation/` to the terminal. */
import { Command } from "commander";
import { operationsCommand } from "./operations.js";
import { addSuites } from "./suite.js";
import { thresholdsCommand } from "./thresholds.js";

/** The command, for the program of `main.ts`. */
export function evaluateCommand(): Command {
  const command = new Command("evaluate")
    .description("memory systems on a memory benchmark, or a test of what a model does with its memories")
    // The suites' options and the subcommands' share names: what stands after a subcommand is the subcommand's.
    .enablePositionalOptions();
  return addSuites(command).addCommand(operationsCommand()).addCommand(thresholdsCommand());
}
