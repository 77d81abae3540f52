/**
 * Which OpenAI model uses which encoding, and the tokens the API adds around texts.
 *
 * The overheads are those OpenAI publishes (cookbook, "How to count tokens with tiktoken"); like the API, they do not
 * count the ids of tool calls. Leaves out the estimates for images and files (`content-tokens.ts`).
 */
import { createRequire } from "node:module";
import { ConfigError } from "../../errors.js";
import type { ToolSchema } from "../../types.js";
import { BytePairEncoding, type RankFile } from "./byte-pair.js";

export type EncodingName = "o200k_base" | "cl100k_base";

/** Tokens around each message: `<|start|>role<|message|>…<|end|>` without the role itself. */
export const MESSAGE_OVERHEAD = 3;
/** Tokens that prime the reply, once per request. */
export const REQUEST_OVERHEAD = 3;
/** Tokens for the `name` field of a message, beside its text. */
export const NAME_OVERHEAD = 1;
/** Tokens around one tool call of an assistant message. */
export const TOOL_CALL_OVERHEAD = 3;

/** What the API adds around tool schemas. */
export interface ToolOverheads {
  readonly perTool: number;
  readonly properties: number;
  readonly perProperty: number;
  readonly enumStart: number;
  readonly perEnumItem: number;
  readonly end: number;
}
const SCHEMA_PARTS = { properties: 3, perProperty: 3, enumStart: -3, perEnumItem: 3, end: 12 } as const;
export const TOOL_OVERHEADS: Readonly<Record<EncodingName, ToolOverheads>> = {
  o200k_base: { perTool: 7, ...SCHEMA_PARTS },
  cl100k_base: { perTool: 10, ...SCHEMA_PARTS },
};

const FAMILIES: readonly (readonly [RegExp, EncodingName])[] = [
  [/^(gpt-4o|chatgpt-4o|gpt-4\.1|gpt-4\.5|gpt-5|gpt-oss|o[134])(?![a-z0-9])/, "o200k_base"],
  [/^(gpt-4|gpt-3\.5|gpt-35|text-embedding-3|text-embedding-ada-002)(?![a-z0-9.])/, "cl100k_base"],
  [/^o200k_base$/, "o200k_base"],
  [/^cl100k_base$/, "cl100k_base"],
];

/** Encoding of a model name ("gpt-4o-mini", "openai:gpt-5", "ft:gpt-4o:acme::id"); undefined for other families. */
export function encodingOf(model: string): EncodingName | undefined {
  const bare = model
    .trim()
    .toLowerCase()
    .replace(/^(ft:|openai[:/])+/, "");
  return FAMILIES.find(([pattern]) => pattern.test(bare))?.[1];
}

/** Megabytes of text each: loaded when a counter is created or used, not when the package is imported. */
const TABLES: Readonly<Record<EncodingName, () => Promise<{ default: RankFile }>>> = {
  o200k_base: () => import("js-tiktoken/ranks/o200k_base"),
  cl100k_base: () => import("js-tiktoken/ranks/cl100k_base"),
};
const loaded = new Map<EncodingName, RankFile>();
const built = new Map<EncodingName, BytePairEncoding>();

/** Starts loading an encoding's table: a bundle cannot `require` it at the first count. */
export function preload(name: EncodingName): void {
  if (loaded.has(name)) return;
  TABLES[name]().then(
    (table) => loaded.set(name, table.default),
    // The first count reports it, with a remedy.
    () => undefined,
  );
}

/** The encoding, decoded at the first call (about 0.2 s) and shared afterwards. Errors: `AGEMEM_PACKAGE_MISSING`. */
export function encoding(name: EncodingName): BytePairEncoding {
  let made = built.get(name);
  if (!made) {
    made = new BytePairEncoding(loaded.get(name) ?? loadNow(name));
    built.set(name, made);
    loaded.delete(name);
  }
  return made;
}

/** Wrapped in an object to hide it from webpack, which would try to bundle every module the template could name. */
const node = { createRequire };

function loadNow(name: EncodingName): RankFile {
  try {
    return node.createRequire(import.meta.url)(`js-tiktoken/ranks/${name}`) as RankFile;
  } catch (cause) {
    throw new ConfigError("AGEMEM_PACKAGE_MISSING", `The token table ${name} of js-tiktoken is not loaded`, {
      cause,
      remedy: "Run: npm install js-tiktoken. In a bundle, count after the first asynchronous step.",
    });
  }
}

/**
 * Tokens of tool schemas: the published rule for flat parameters, applied recursively to nested objects, array items and
 * unions, for which no rule is published.
 */
export function countToolSchemas(
  tools: readonly ToolSchema[],
  countText: (text: string) => number,
  overheads: ToolOverheads,
): number {
  if (tools.length === 0) return 0;
  let total = overheads.end;
  for (const tool of tools) {
    total += overheads.perTool + countText(`${tool.name}:${withoutStop(tool.description)}`);
    total += countProperties(tool.parameters, countText, overheads);
  }
  return total;
}

function countProperties(
  schema: Record<string, unknown>,
  countText: (text: string) => number,
  overheads: ToolOverheads,
): number {
  const entries = Object.entries(asRecord(schema.properties));
  let total = entries.length > 0 ? overheads.properties : 0;
  for (const [key, value] of entries) {
    const field = asRecord(value);
    const type = typeof field.type === "string" ? field.type : "";
    total += overheads.perProperty + countText(`${key}:${type}:${withoutStop(field.description)}`);
    total += countNested(field, countText, overheads);
  }
  return total;
}

function countNested(
  field: Record<string, unknown>,
  countText: (text: string) => number,
  overheads: ToolOverheads,
): number {
  let total = 0;
  if (Array.isArray(field.enum)) {
    total += overheads.enumStart;
    for (const item of field.enum) total += overheads.perEnumItem + countText(String(item));
  }
  total += countProperties(field, countText, overheads);
  const parts: unknown[] = [field.items, field.anyOf, field.oneOf, field.allOf].flat();
  for (const part of parts) {
    if (typeof part !== "object" || part === null) continue;
    const nested = asRecord(part);
    total += countText(`${nested.type ?? ""}:${withoutStop(nested.description)}`);
    total += countNested(nested, countText, overheads);
  }
  return total;
}

function withoutStop(text: unknown): string {
  return typeof text === "string" ? text.replace(/\.$/, "") : "";
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
