/** `agemem evaluate`: runs memory benchmarks, the operations test and the calibration of thresholds from the terminal. */
import { Command } from "commander";
import { operationsCommand } from "./operations.js";
import { addSuites } from "./suite.js";
import { thresholdsCommand } from "./thresholds.js";

/** The command, for the program of `main.ts`. */
export function evaluateCommand(): Command {
  const command = new Command("evaluate")
    .description("memory systems on a memory benchmark, or a test of what a model does with its memories")
    // Suites and subcommands have options of the same name: those after a subcommand belong to it.
    .enablePositionalOptions();
  return addSuites(command).addCommand(operationsCommand()).addCommand(thresholdsCommand());
}
