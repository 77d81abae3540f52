/**
 * The exit codes of the command, and which error ends with which.
 *
 * Owns the table; a test compares it with the one in `docs/command-line.md`.
 */
import { CommanderError } from "commander";
import { AgeMemError, type AgeMemErrorCode, ConfigError, InputError } from "../errors.js";

/** Every exit code with its meaning. */
export const EXIT_CODES = {
  0: "Done, and nothing was found wrong.",
  1: "A finding (`verify`, `repair` and `validate` report problems, `get` and `history` find no item), or something that the command needs failed: a store, a disk, a model's endpoint, an add-on.",
  2: "Usage: an unknown command or option, an invalid argument or setting, an input file that is missing or has the wrong format. Nothing was done.",
  130: "Interrupted (Ctrl-C); when `agemem rollout` is run again, it continues where it stopped.",
} as const;

/** Input and settings errors that are not mistakes in calling the command. */
const FINDINGS: readonly AgeMemErrorCode[] = ["AGEMEM_MEMORY_NOT_FOUND", "AGEMEM_PACKAGE_MISSING"];

/** The exit code for an error that a command threw. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (!AgeMemError.isInstance(error) || FINDINGS.includes(error.code)) return 1;
  return error instanceof InputError || error instanceof ConfigError ? 2 : 1;
}
