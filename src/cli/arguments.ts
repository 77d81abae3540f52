/** Reading command-line arguments: numbers in range, names of a fixed set. */
import { InvalidArgumentError, Option } from "commander";

/** A whole number of 1 or more. */
export function positive(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError("Give a whole number of 1 or more.");
}

/** A whole number of 0 or more. */
export function count(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError("Give a whole number of 0 or more.");
}

/** Any finite number. */
export function number(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value)) return value;
  throw new InvalidArgumentError("Give a number.");
}

/** An option that takes one of a few names. */
export function choice(
  flags: string,
  description: string,
  names: readonly string[],
  standard?: string,
): Option {
  const option = new Option(flags, description).choices(names);
  return standard === undefined ? option : option.default(standard);
}
