/**
 * Search filters: compiles a filter object to a predicate over values. Pure.
 *
 * Keys are fields of the value, with dots for nested fields (a field whose own name has dots takes precedence). All
 * conditions must hold. A condition is a plain value, which must be equal, or operators: `$eq $ne $gt $gte $lt $lte $in
 * $nin $exists`. Equality is deep. `$ne` and `$nin` match items without the field. The order operators compare numbers
 * with numbers, texts with texts (such as ISO dates), and a Date with an ISO text; other pairs never match.
 */
import { isDeepStrictEqual } from "node:util";
import { InputError } from "../../errors.js";

export interface Filter {
  (value: Record<string, unknown>): boolean;
  /** The JSON of a value that passes contains one text of each of these lists. */
  readonly words: readonly (readonly string[])[];
}
type Test = (actual: unknown) => boolean;

const MISSING = Symbol("missing");
/** Longer lists of alternatives are not looked for as texts. */
const MOST_WORDS = 32;
/** Further conditions neither: SQLite refuses expressions that are too deep, and a few say enough. */
const MOST_LISTS = 8;

const OPERATORS: Record<string, (operand: unknown) => Test> = {
  $eq: equals,
  $ne: (operand) => not(equals(operand)),
  $gt: (operand) => ordered("$gt", operand, (c) => c > 0),
  $gte: (operand) => ordered("$gte", operand, (c) => c >= 0),
  $lt: (operand) => ordered("$lt", operand, (c) => c < 0),
  $lte: (operand) => ordered("$lte", operand, (c) => c <= 0),
  $in: (operand) => oneOf("$in", operand),
  $nin: (operand) => not(oneOf("$nin", operand)),
  $exists: (operand) => {
    if (typeof operand !== "boolean") throw invalid("`$exists` needs true or false");
    return (actual) => (actual !== MISSING) === operand;
  },
};

/**
 * Compiles a filter.
 *
 * @throws InputError `AGEMEM_FILTER_INVALID` for an unknown operator, or an operand that it cannot compare
 * @example
 * compileFilter({ "metadata.year": { $gte: 2024 }, memory_type: "fact" });
 */
export function compileFilter(filter: Record<string, unknown>): Filter {
  if (typeof filter !== "object" || Array.isArray(filter)) throw invalid("A filter must be an object");
  const conditions = Object.entries(filter).map(([key, condition]) => {
    if (key.startsWith("$")) throw invalid(`Unknown operator "${key}" in place of a field`);
    return { key, parts: key.split("."), test: compileCondition(condition) };
  });
  const words = Object.entries(filter).flatMap(([key, condition]) => wordsOf(key, condition));
  words.length = Math.min(words.length, MOST_LISTS);
  const passes = (value: Record<string, unknown>) =>
    conditions.every(({ key, parts, test }) => test(lookUp(value, key, parts)));
  return Object.assign(passes, { words });
}

/** The texts that the JSON of a value contains if it meets a condition, as far as that can be said. */
function wordsOf(key: string, condition: unknown): string[][] {
  const asked = isPlainObject(condition) ? condition : { $eq: condition };
  const operands = [
    ...("$eq" in asked ? [[asked.$eq]] : []),
    ...("$in" in asked && Array.isArray(asked.$in) ? [asked.$in as unknown[]] : []),
  ];
  // An element of a list has no name in JSON, nor has the list's length.
  const name = key.split(".").at(-1) as string;
  const named = /^\d+$/.test(name) ? "" : `${JSON.stringify(name).slice(1)}:`;
  const isSaid = (operand: unknown): boolean =>
    operand instanceof Date || operand === null || ["string", "number", "boolean"].includes(typeof operand);
  return operands
    .filter((list) => list.length > 0 && list.length <= MOST_WORDS && list.every(isSaid) && name !== "length")
    .map((list) => list.map((operand) => named + JSON.stringify(operand)));
}

function compileCondition(condition: unknown): Test {
  if (!isPlainObject(condition)) return equals(condition);
  const names = Object.keys(condition);
  const operators = names.filter((name) => name.startsWith("$"));
  if (operators.length === 0) return equals(condition);
  if (operators.length < names.length) throw invalid("A condition mixes operators and fields");
  const tests = operators.map((name) => {
    const operator = Object.hasOwn(OPERATORS, name) ? OPERATORS[name] : undefined;
    if (!operator) throw invalid(`Unknown operator "${name}"`);
    return operator(condition[name]);
  });
  return (actual) => tests.every((test) => test(actual));
}

function lookUp(value: Record<string, unknown>, key: string, parts: string[]): unknown {
  if (Object.hasOwn(value, key)) return value[key];
  let current: unknown = value;
  for (const part of parts) {
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, part)) return MISSING;
    current = (current as Record<string, unknown>)[part];
  }
  return current;
}

function equals(operand: unknown): Test {
  if (operand === undefined) return (actual) => actual === MISSING;
  const wanted = operand instanceof Date ? operand.toJSON() : operand;
  return (actual) => actual === wanted || (typeof wanted === "object" && isDeepStrictEqual(actual, wanted));
}

function ordered(name: string, operand: unknown, accept: (comparison: number) => boolean): Test {
  const wanted = operand instanceof Date ? operand.toJSON() : operand;
  if (typeof wanted !== "number" && typeof wanted !== "string") {
    throw invalid(`\`${name}\` compares numbers, texts and dates only`);
  }
  return (actual) => {
    if (typeof actual !== typeof wanted) return false;
    const value = actual as typeof wanted;
    return accept(value < wanted ? -1 : value > wanted ? 1 : value === wanted ? 0 : Number.NaN);
  };
}

function oneOf(name: string, operand: unknown): Test {
  if (!Array.isArray(operand)) throw invalid(`\`${name}\` needs a list`);
  const tests = operand.map(equals);
  return (actual) => tests.some((test) => test(actual));
}

function not(test: Test): Test {
  return (actual) => !test(actual);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function invalid(message: string): InputError {
  return new InputError("AGEMEM_FILTER_INVALID", message, {
    remedy: `Use plain values or ${Object.keys(OPERATORS).join(", ")}.`,
  });
}
