/**
 * Schemas of the memory tools' options.
 *
 * Owns what each option accepts. An option of the type without a schema here does not compile.
 */
import { z } from "zod";
import { messageOf } from "../errors.js";
import {
  baseStore,
  chatModel,
  checkOptions,
  embeddingModel,
  number,
  type OptionShape,
  oneOf,
  tokenCounting,
  whole,
} from "../lib/check-options.js";
import { namespaceProblem } from "../lib/namespace.js";
import { checkSearchOptions } from "../store/search/search-options.js";
import { MEMORY_OPS, type MemoryOp, SEARCH_MODES } from "../types.js";
import type { MemoryLimits } from "./limits.js";
import type { RetrievalRanking } from "./search/search-mode.js";
import type { MemoryToolsOptions } from "./toolkit.js";

/** A list of operations, each at most once. */
export const operationList: z.ZodType<MemoryOp[]> = z
  .array(oneOf(MEMORY_OPS), "must be a list of operations")
  .refine((list) => new Set(list).size === list.length, "names an operation twice");

/** A list of namespace labels, which may contain placeholders. */
export const namespaceTemplate: z.ZodType<string[]> = z
  .array(z.string("must be text"), 'must be a list of labels, such as ["memories", "{user_id}"]')
  .superRefine((labels, context) => {
    const message = namespaceProblem(labels);
    if (message) context.addIssue({ code: "custom", message });
  });

/** A tool name that every provider accepts. */
const toolName = z
  .string("must be text")
  .regex(/^[a-zA-Z0-9_-]{1,64}$/, "must be 1 to 64 letters, digits, _ or -");

const names = z.strictObject(
  Object.fromEntries(MEMORY_OPS.map((op) => [op, toolName.optional()])),
  "must be an object of names by operation",
);

/** A budget may be given in part. */
export const budgetOption: z.ZodType = z
  .strictObject(
    { maxTokens: whole(1).optional(), responseTokens: whole(0).optional() },
    "must be { maxTokens, responseTokens }",
  )
  .refine(
    ({ maxTokens, responseTokens }) =>
      maxTokens === undefined || responseTokens === undefined || responseTokens < maxTokens,
    "leaves no tokens for the prompt: responseTokens must be below maxTokens",
  );

/** Limits may be given in part. */
export const limitsOption = z.strictObject(
  {
    characters: whole(1).optional(),
    memories: whole(1).optional(),
    operations: whole(1).optional(),
    deletions: whole(0).optional(),
  } satisfies OptionShape<MemoryLimits>,
  "must be an object of limits",
);

/** Checked as the store checks them. */
const ranking = z
  .strictObject(
    { neighbors: z.unknown().optional(), recency: z.unknown().optional(), rerank: z.unknown().optional() },
    "must be { neighbors, recency, rerank }",
  )
  .superRefine((options, context) => {
    try {
      checkSearchOptions(options as RetrievalRanking);
    } catch (error) {
      context.addIssue({ code: "custom", message: messageOf(error) });
    }
  }) as z.ZodType<RetrievalRanking>;

/** One schema for each option of `createMemoryTools`. */
export const toolsShape = {
  store: baseStore,
  namespace: namespaceTemplate.optional(),
  embeddings: embeddingModel.optional(),
  summarizer: chatModel.optional(),
  summarizerWindow: whole(256).optional(),
  counter: tokenCounting.optional(),
  budget: budgetOption.optional(),
  theta: number(0, 1).optional(),
  topK: whole(1, 50).optional(),
  searchMode: oneOf(SEARCH_MODES).optional(),
  ranking: ranking.optional(),
  duplicateThreshold: number(0, 1).optional(),
  segmentMinTokens: whole(1).optional(),
  limits: limitsOption.optional(),
  names: names.optional(),
  operations: operationList.optional(),
} satisfies OptionShape<MemoryToolsOptions>;

const memoryToolsOptions = z.strictObject(toolsShape, "must be an object of options");

/** Throws `AGEMEM_CONFIG_INVALID` for an option out of range, of the wrong kind, or unknown. */
export function checkToolsOptions(options: unknown): void {
  checkOptions(memoryToolsOptions, options, "createMemoryTools");
}
