/**
 * Validates the options of every public constructor and factory against a schema, because JavaScript callers have no
 * compiler.
 *
 * Owns the error for wrong options, and the building blocks that schemas share. Leaves out which options there are: each
 * schema is kept beside the type it validates.
 */
import { z } from "zod";
import { ConfigError } from "../errors.js";

/** One schema per option of a type, so that an option without a schema does not compile. */
export type OptionShape<T> = { [K in keyof Required<T>]: z.ZodType };

/**
 * Refuses wrong and unknown options, reporting all problems at once.
 *
 * @param what the function or class that takes the options, as the caller writes it
 * @param renamed hints for renamed options, by their old name
 * @throws ConfigError `AGEMEM_CONFIG_INVALID`, with `details.problems`
 * @example
 * checkOptions(z.strictObject({ limit: whole(1) }), { limt: 3 }, "openThings");
 * // AGEMEM_CONFIG_INVALID: openThings: unknown option "limt" (did you mean "limit"?). …
 */
export function checkOptions(
  schema: z.ZodObject,
  given: unknown,
  what: string,
  renamed: Readonly<Record<string, string>> = {},
): void {
  const parsed = schema.safeParse(given);
  if (parsed.success) return;
  const problems = problemsOf(parsed.error, schema, "the options", renamed);
  throw new ConfigError("AGEMEM_CONFIG_INVALID", `${what}: ${problems.join("; ")}`, {
    remedy: "Correct the options; nothing was built.",
    details: { what, problems },
  });
}

/** One line per problem that a schema found; for an unknown key it suggests the known one that was probably meant. */
export function problemsOf(
  { issues }: z.ZodError,
  schema: z.ZodObject,
  whole = "the options",
  renamed: Readonly<Record<string, string>> = {},
): string[] {
  return issues.flatMap((issue) => problemOf(issue, schema, whole, renamed));
}

function problemOf(
  issue: z.core.$ZodIssue,
  schema: z.ZodObject,
  whole: string,
  renamed: Readonly<Record<string, string>>,
): string[] {
  const path = issue.path.map(String).join(".");
  if (issue.code !== "unrecognized_keys") return [`${path || whole}: ${issue.message}`];
  const known = path === "" ? Object.keys(schema.shape) : keysAt(schema, issue.path);
  return issue.keys.map((key) => {
    const now = path === "" && Object.hasOwn(renamed, key) ? renamed[key] : undefined;
    if (now !== undefined) return `unknown option "${key}" (${now})`;
    const meant = nearest(key, known);
    const hint = meant === undefined ? "" : ` (did you mean "${meant}"?)`;
    return `unknown option "${path === "" ? key : `${path}.${key}`}"${hint}`;
  });
}

/** Keys of the object within a schema that an issue is about; none if it is not a single object. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: unknown = schema;
  for (const key of path) {
    at = bare(at);
    at = at instanceof z.ZodObject ? at.shape[String(key)] : undefined;
  }
  at = bare(at);
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function bare(schema: unknown): unknown {
  const wrapped = schema instanceof z.ZodOptional || schema instanceof z.ZodDefault;
  return wrapped ? bare(schema.unwrap()) : schema;
}

/**
 * The known name that was probably meant: equal except for case and separators, or up to two letters off (one in names
 * of up to four letters).
 *
 * @example
 * nearest("maxTokens", ["max_tokens", "model"]); // "max_tokens"
 */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase().replace(/[_-]/g, "");
  const wanted = plain(name);
  const scored = known.map((each) => ({ each, distance: editDistance(plain(each), wanted) }));
  const best = scored.sort((a, b) => a.distance - b.distance)[0];
  const allowed = wanted.length <= 4 ? 1 : 2;
  return best && best.distance <= allowed ? best.each : undefined;
}

/** Levenshtein distance. Quadratic, so only for short texts such as names. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

// --- Parts of schemas ---

/** A whole number from `min` to `max`. */
export function whole(min: number, max = Number.MAX_SAFE_INTEGER): z.ZodType<number> {
  const range = max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `${min} to ${max}`;
  const fits = (value: unknown) =>
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
  return z.custom<number>(fits, `must be a whole number of ${range}`);
}

/** A number from `min` to `max`. */
export function number(min: number, max: number): z.ZodType<number> {
  const fits = (value: unknown) => typeof value === "number" && value >= min && value <= max;
  const range = max === Number.POSITIVE_INFINITY ? `${min} or more` : `from ${min} to ${max}`;
  return z.custom<number>(fits, `must be a number ${range}`);
}

/** Text that is not blank. */
export const text: z.ZodType<string> = z.custom<string>(
  (value) => typeof value === "string" && value.trim() !== "",
  "must be text that is not empty",
);

export const flag: z.ZodType<boolean> = z.boolean("must be true or false");

export const callable: z.ZodType<unknown> = z.custom(
  (value) => typeof value === "function",
  "must be a function",
);

/** One of a list of words. */
export function oneOf<T extends string>(words: readonly T[]): z.ZodType<T> {
  return z.enum(
    words as readonly [T, ...T[]],
    `must be one of ${words.map((each) => `"${each}"`).join(", ")}`,
  );
}

/** An object recognized by its methods, because `instanceof` fails across two copies of a package. */
export function having(methods: readonly string[], message: string): z.ZodType<object> {
  const fits = (value: unknown) =>
    typeof value === "object" &&
    value !== null &&
    methods.every((name) => typeof (value as Record<string, unknown>)[name] === "function");
  return z.custom<object>(fits, message);
}

export const chatModel = having(
  ["invoke", "_llmType"],
  'must be a chat model object, such as new ChatOpenAI({ model }) or resolveChatModel("openai:NAME")',
);
export const embeddingModel = having(
  ["embedDocuments", "embedQuery"],
  "must be a LangChain embedding model (embedDocuments, embedQuery)",
);
export const baseStore = having(
  ["get", "put", "search", "delete", "batch"],
  "must be a LangGraph store, such as FaissStore.open(…)",
);
export const tokenCounting = having(
  ["countText", "countMessage", "countTools"],
  "must be a TokenCounter, such as tokenCounter(MODEL)",
);
