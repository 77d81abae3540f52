/** Options of the ready-made agent, and their defaults. */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import type { StructuredToolInterface } from "@langchain/core/tools";
import type { BaseCheckpointSaver } from "@langchain/langgraph";
import { z } from "zod";
import type { Prices } from "../lib/usage.js";
import type { PromptVariant } from "../prompts.js";
import type { MemoryToolsOptions } from "../tools/toolkit.js";
import type { MemoryConsistency } from "./branches/memory-branch.js";
import type { InterruptOn } from "./nodes/approval.js";
import type { WrittenCalls } from "./protocol.js";

/** The value of `checkpointer` that says that the server or the parent graph supplies one. */
export const INHERITED = "inherited";

/** Options of `createAgeMemAgent`, on top of those of the memory tools. */
export interface AgeMemAgentOptions<T extends Record<string, unknown> = Record<string, unknown>>
  extends MemoryToolsOptions {
  /** The acting model. */
  model: BaseChatModel;
  /** The application's own tools, offered beside the memory tools. */
  tools?: readonly StructuredToolInterface[];
  /** The application's own system prompt; agemem appends its guide to the memory tools. */
  systemPrompt?: string;
  /**
   * "short" for small models: with examples, and tools without optional arguments; "minimal" for a policy in training;
   * default "full".
   */
  promptVariant?: PromptVariant;
  /** "native" tool calling (default) or the paper's tags as "text". */
  protocol?: "native" | "text";
  /**
   * "native" only: asks for the reasoning before each action, in `<think>` tags, as the paper's policy writes it. For models that do
   * not reason by themselves. Default false.
   */
  think?: boolean;
  /**
   * How to recognize calls that a model writes into its text because its server does not parse them ("native" only).
   * "auto" (default) infers the form from the model's name, tries all forms for unknown models, and stops looking once
   * the provider reports a call itself. The name of a form always applies that form; "off" treats all text as the answer.
   */
  writtenCalls?: WrittenCalls;
  /** Model calls per invocation (N_max); default 10. A run's context may override it. */
  maxSteps?: number;
  /** At the last step: ask for an "answer" without tools (default), or "stop" without an answer (training). */
  onMaxSteps?: "answer" | "stop";
  /**
   * When the context exceeds its budget: "summarize" the oldest rounds (default), or only "record" it, so that the
   * training penalty applies (default if `operations` is empty, because an agent without memory keeps its context).
   */
  onOverflow?: "summarize" | "record";
  /**
   * Tools, memory tools or your own, whose calls a person must approve: `{ Delete_memory: true }`. The run interrupts with
   * langchain's human-in-the-loop request and is resumed with its decisions; `allowedDecisions` restricts them. Needs a
   * checkpointer.
   */
  interruptOn?: Readonly<Record<string, InterruptOn>>;
  /**
   * "latest" (default): all threads share the newest long-term memory. "checkpoint": each thread has its own branch of
   * long-term memory, forked from the store; going back to an earlier checkpoint goes back to the long-term memory it
   * saw. Needs a `FaissStore` and a checkpointer. `store.branch(name)` with the state's `ltmVersion.branch` opens the
   * branch, and its `promote()` merges it.
   */
  memoryConsistency?: MemoryConsistency;
  /**
   * Schema of a structured answer. After the final answer, one more model call fills `structuredResponse`;
   * `structuredError` says why if it fails. Not available with protocol "text".
   */
  responseFormat?: z.ZodType<T> | Record<string, unknown>;
  /**
   * Prices per million tokens by model name, as for `agemem trace --prices`, from which `usage.cost` is computed:
   * `{ "gpt-4o-mini": { input: 0.15, output: 0.6 } }`. Without prices the cost is null.
   */
  prices?: Prices;
  /**
   * Keeps threads; needed for conversations over several invocations. "inherited" if a LangGraph server or a parent
   * graph supplies one. `interruptOn` and `memoryConsistency: "checkpoint"` require either.
   */
  checkpointer?: BaseCheckpointSaver | typeof INHERITED;
  /** Graph name in traces; default "agemem". */
  name?: string;
}

/** The values agemem itself reads from a run's context. */
export interface AgentContextValue {
  user_id?: string;
  agent_id?: string;
  max_steps?: number;
  on_max_steps?: "answer" | "stop";
}

/**
 * Values of one run: `graph.invoke(input, { context: { user_id: "ada" } })`. Unknown keys are allowed, because a
 * namespace template can name any key. The schema names none, because LangGraph's types would make each key required;
 * values are checked where they are used, with this package's errors instead of zod's.
 */
// biome-ignore lint/complexity/noBannedTypes: an object schema without keys of its own
export const AgentContext: z.ZodObject<{}, z.core.$loose> = z.looseObject({});
