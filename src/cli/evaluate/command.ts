/** `agemem evaluate`: what a model does with its memories, and where the thresholds of an embedding lie. Wires the tests of `evaluation/` to the terminal. */
import { Command } from "commander";
import { operationsCommand } from "./operations.js";
import { thresholdsCommand } from "./thresholds.js";

/** The command, for the program of `main.ts`. */
export function evaluateCommand(): Command {
  return new Command("evaluate")
    .description("test what a model does with its memories")
    .addCommand(operationsCommand())
    .addCommand(thresholdsCommand());
}
