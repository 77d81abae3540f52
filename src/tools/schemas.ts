/**
 * Arguments of the six tools, with the paper's names (AgeMem, appendix, tool schemas).
 *
 * Owns what the model may send, including the variants in the paper's own case study (`confirmed`, span "full").
 * Leaves out what the operations do (`operations/`).
 */
import { z } from "zod";
import type { MemoryOp } from "../types.js";

const metadata = z
  .record(z.string(), z.unknown())
  .describe("Free key-value facts about the memory, usable in metadata_filter.");

export const addSchema = z.object({
  content: z.string().trim().min(1).describe("The statement to remember, understandable on its own."),
  metadata: metadata.optional(),
  memory_type: z
    .string()
    .trim()
    .min(1)
    .optional()
    .describe('Kind of memory, such as "fact", "preference", "plan".'),
  force: z.boolean().optional().describe("Store even when a nearly equal memory exists."),
});

export const updateSchema = z.object({
  memory_id: z.string().trim().min(1).describe("Id from an earlier retrieval."),
  content: z.string().trim().min(1).describe("The new statement; replaces the old one."),
  metadata: metadata.optional(),
});

export const deleteSchema = z.object({
  memory_id: z.string().trim().min(1).describe("Id from an earlier retrieval."),
  confirmation: z.boolean().optional().describe("Must be true."),
  confirmed: z.boolean().optional().describe("Same as confirmation."),
});

export const retrieveSchema = z.object({
  query: z.string().trim().min(1).describe("What to look for, in the words the memory would use."),
  top_k: z.number().int().min(1).max(50).optional().describe("How many memories; default 3."),
  metadata_filter: metadata.optional().describe("Only memories whose metadata has these values."),
});

export const summarySchema = z.object({
  span: z
    .union([z.string(), z.number()])
    .describe('"all", or the number of last rounds to summarize, such as "3".'),
});

export const filterSchema = z.object({
  criteria: z.string().trim().min(1).describe("What to REMOVE from the context."),
});

/** Argument schema of each operation. */
export const OPERATION_SCHEMAS = {
  ADD: addSchema,
  UPDATE: updateSchema,
  DELETE: deleteSchema,
  RETRIEVE: retrieveSchema,
  SUMMARY: summarySchema,
  FILTER: filterSchema,
} as const satisfies Record<MemoryOp, z.ZodType>;

/** What the model is shown: one way to say each thing. The variants above are accepted but not announced. */
export const ANNOUNCED_SCHEMAS: Readonly<Record<MemoryOp, z.ZodType>> = {
  ...OPERATION_SCHEMAS,
  DELETE: z.object({
    memory_id: deleteSchema.shape.memory_id,
    confirmation: z.boolean().describe("Must be true."),
  }),
  SUMMARY: z.object({
    span: z.string().describe('"all", or the number of last rounds to summarize, such as "3".'),
  }),
};

export type AddArguments = z.infer<typeof addSchema>;
export type UpdateArguments = z.infer<typeof updateSchema>;
export type DeleteArguments = z.infer<typeof deleteSchema>;
export type RetrieveArguments = z.infer<typeof retrieveSchema>;
export type SummaryArguments = z.infer<typeof summarySchema>;
export type FilterArguments = z.infer<typeof filterSchema>;
