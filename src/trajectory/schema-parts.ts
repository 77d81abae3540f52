/**
 * The parts of trajectory records: messages, tool calls, memory operations, usage, sampling.
 *
 * Owns the zod schemas from which `schema.ts` composes the records. Names are snake_case, as in the file.
 */
import { z } from "zod";
import { MEMORY_OPS, SEARCH_MODES } from "../types.js";

/** An integer of 0 or more. */
export const count = z.int().min(0);
/** Milliseconds of wall-clock time. */
export const milliseconds = z.number().min(0);
/** A token id of the server's vocabulary. */
export const tokenId = z.int().min(0);

/** A tool call of the model. `arguments` is the server's raw text where known, else the parsed arguments as JSON. */
const toolCallSchema = z.object({ id: z.string(), name: z.string(), arguments: z.string() });

/** One chat message as sent to the model, with OpenAI's roles. */
export const messageSchema = z.object({
  role: z.enum(["system", "developer", "user", "assistant", "tool", "function"]),
  content: z.union([z.string(), z.array(z.record(z.string(), z.unknown()))]).nullable(),
  tool_calls: z.array(toolCallSchema).optional(),
  tool_call_id: z.string().optional(),
  name: z.string().optional(),
  /** Id in the graph's state, by which a message can be followed across context edits. */
  id: z.string().optional(),
});

/** What the model answered. */
export const responseSchema = z.object({
  role: z.literal("assistant"),
  content: z.union([z.string(), z.array(z.record(z.string(), z.unknown()))]).nullable(),
  /** Reasoning that the server returned separately (`reasoning`, `reasoning_content`); null when there is none. */
  reasoning: z.string().nullable(),
  tool_calls: z.array(toolCallSchema),
});

/** Code and message of a failure. */
export const failureSchema = z.object({ code: z.string().nullable(), message: z.string() });

/** Calls and tokens of an operation or a rollout; tokens are null if the server did not report them for every call. */
export const callUsageSchema = z.object({
  calls: count,
  prompt_tokens: count.nullable(),
  completion_tokens: count.nullable(),
  latency_ms: milliseconds,
});

/** One memory operation: `MemoryOpOutcome` of `types.ts`, field by field. */
export const memoryOpSchema = z.object({
  op: z.enum(MEMORY_OPS),
  tool_call_id: z.string(),
  /**
   * Arguments as JSON text, as the tool received them; null where no tool run is known (the guard, older recordings).
   */
  arguments: z.string().nullable().default(null),
  ok: z.boolean(),
  error: failureSchema.nullable(),
  memory_ids: z.array(z.string()),
  /** How RETRIEVE ranked; null for other operations, stores with only one way to rank, and older recordings. */
  search_mode: z.enum(SEARCH_MODES).nullable().default(null),
  namespace: z.array(z.string()),
  revision_before: count.nullable(),
  revision_after: count.nullable(),
  tokens_before: count,
  tokens_after: count,
  edit_id: z.string().nullable(),
  message_ids: z.array(z.string()),
  auxiliary: callUsageSchema.nullable(),
  latency_ms: milliseconds,
});

/** One tool run, including memory tools, that answered a call of this step. */
export const toolRunSchema = z.object({
  tool_call_id: z.string().nullable(),
  name: z.string(),
  ok: z.boolean(),
  error: failureSchema.nullable(),
  latency_ms: milliseconds,
});

/** Sampling parameters as sent; null = not sent. */
export const samplingSchema = z.object({
  temperature: z.number().nullable(),
  top_p: z.number().nullable(),
  top_k: z.number().nullable(),
  min_p: z.number().nullable(),
  max_tokens: z.number().nullable(),
  seed: z.number().nullable(),
  stop: z.union([z.string(), z.array(z.string())]).nullable(),
  presence_penalty: z.number().nullable(),
  frequency_penalty: z.number().nullable(),
  chat_template_kwargs: z.record(z.string(), z.unknown()).nullable(),
  tool_choice: z.unknown().nullable(),
});

/** The inference engine, as far as known. */
export const engineSchema = z.object({
  name: z.string().nullable(),
  version: z.string().nullable(),
  /** vLLM's `--logprobs-mode`; "raw_logprobs" are before temperature. */
  logprobs_mode: z.string().nullable(),
});

/** Tokens of one call as the server reported them. */
export const usageSchema = z.object({
  prompt_tokens: count,
  completion_tokens: count,
  /** Prompt tokens read from the provider's cache; null where the server does not say, and in older recordings. */
  cached_tokens: count.nullable().default(null),
});

/** Where in a LangGraph run the call was made. */
export const langgraphSchema = z.object({
  thread_id: z.string().nullable(),
  node: z.string().nullable(),
  step: count.nullable(),
  checkpoint_ns: z.string().nullable(),
  checkpoint_id: z.string().nullable(),
});

/** A memory item that the rollout stored at some time. */
export const memoryItemSchema = z.object({
  id: z.string(),
  content: z.string(),
  memory_type: z.string().nullable(),
  /** Whether it was still stored at the end of the rollout. */
  present: z.boolean(),
});

export type ToolCallRecord = z.infer<typeof toolCallSchema>;
export type MessageRecord = z.infer<typeof messageSchema>;
export type ResponseRecord = z.infer<typeof responseSchema>;
export type MemoryOpRecord = z.infer<typeof memoryOpSchema>;
export type ToolRunRecord = z.infer<typeof toolRunSchema>;
export type SamplingRecord = z.infer<typeof samplingSchema>;
export type EngineRecord = z.infer<typeof engineSchema>;
export type LangGraphRecord = z.infer<typeof langgraphSchema>;
export type MemoryItemRecord = z.infer<typeof memoryItemSchema>;
