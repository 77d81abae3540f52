/** Parses command-line arguments: numbers in a range, names of a fixed set. */
import { InvalidArgumentError, Option } from "commander";

/** A whole number of 1 or more. */
export function positive(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError("Give a whole number of 1 or more.");
}

/** A whole number of 0 or more. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError("Give a whole number of 0 or more.");
}

/** Any finite number. */
export function finiteNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value)) return value;
  throw new InvalidArgumentError("Give a number.");
}

/** An amount of money, 0 or more. */
export function amount(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError("Give a number of 0 or more.");
}

/** A comma-separated list of names from a fixed set; "none" is the empty list. */
export function names<T extends string>(known: readonly T[]): (text: string) => T[] {
  return (text) => {
    const given = text === "none" ? [] : text.split(",").map((name) => name.trim());
    const strange = given.find((name) => !(known as readonly string[]).includes(name));
    if (strange === undefined) return given as T[];
    throw new InvalidArgumentError(`"${strange}" is none of ${known.join(", ")}.`);
  };
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
