/** What the ready-made agent can be told, and its defaults. */
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

/** In place of a checkpointer: one comes with the server or the parent graph. */
export const INHERITED = "inherited";

/** Options of `createAgeMemAgent`, on top of those of the memory tools. */
export interface AgeMemAgentOptions<T extends Record<string, unknown> = Record<string, unknown>>
  extends MemoryToolsOptions {
  /** The acting model. */
  model: BaseChatModel;
  /** The application's own tools, offered beside the memory tools. */
  tools?: readonly StructuredToolInterface[];
  /** The application's own system prompt; agemem's guide to the memories follows it. */
  systemPrompt?: string;
  /** "short" for small models: examples, and tools without optional arguments; "minimal" for a policy in training; default "full". */
  promptVariant?: PromptVariant;
  /** "native" tool calling (default) or the paper's tags as "text". */
  protocol?: "native" | "text";
  /**
   * Calls that a model writes into its text because its server does not read them ("native" only): "auto" (default) knows the
   * form by the model's name, tries all for unknown models, and ends with the first call that the provider reports itself; a
   * form's name insists; "off" takes all text for the answer.
   */
  writtenCalls?: WrittenCalls;
  /** Model calls per invocation (N_max); default 10. The run's context may lower or raise it. */
  maxSteps?: number;
  /** At the last step: ask for an "answer" without tools (default), or "stop" without one (training). */
  onMaxSteps?: "answer" | "stop";
  /**
   * When the context exceeds its budget: "summarize" the oldest rounds (default), or only "record" it so that the
   * penalty of training applies (default where `operations` is empty: an agent without memory keeps its context).
   */
  onOverflow?: "summarize" | "record";
  /**
   * Tools that a person is asked about before a call runs, by name, memory tools and your own:
   * `{ Delete_memory: true }`. The run stops with langchain's human-in-the-loop request and is resumed with its
   * decisions; `allowedDecisions` leaves some out. Needs a checkpointer.
   */
  interruptOn?: Readonly<Record<string, InterruptOn>>;
  /**
   * "latest" (default): all threads share the newest long-term memory. "checkpoint": each thread has a branch of
   * long-term memory of its own, begun from the trunk; going back to an earlier checkpoint goes back to the long-term
   * memory it saw. Needs a `FaissStore` and a checkpointer; `store.branch(name)` with the state's `ltmVersion.branch`
   * gives the branch, `promote()` merges it.
   */
  memoryConsistency?: MemoryConsistency;
  /**
   * Schema of a structured answer: after the final answer one more call of the model fills `structuredResponse`, or
   * says in `structuredError` why it could not. Not with protocol "text".
   */
  responseFormat?: z.ZodType<T> | Record<string, unknown>;
  /**
   * Prices per million tokens by the name of the model, as `agemem trace --prices` takes them, for the `cost` in
   * `usage`: `{ "gpt-4o-mini": { input: 0.15, output: 0.6 } }`. Without them it is null.
   */
  prices?: Prices;
  /**
   * Keeps threads; needed for conversations over several invocations. "inherited" where a LangGraph server or a parent
   * graph brings its own: `interruptOn` and `memoryConsistency: "checkpoint"` are refused without either.
   */
  checkpointer?: BaseCheckpointSaver | typeof INHERITED;
  /** Graph name in traces; default "agemem". */
  name?: string;
}

/** What agemem itself reads from a run's context. */
export interface AgentContextValue {
  user_id?: string;
  agent_id?: string;
  max_steps?: number;
  on_max_steps?: "answer" | "stop";
}

/**
 * Values of one run: `graph.invoke(input, { context: { user_id: "ada" } })`. Unknown keys are allowed, so that a
 * namespace template can name any of them. The type is open because LangGraph's types make every key of a schema
 * required; the values are looked at where they are used, by errors with a code instead of zod's.
 */
// biome-ignore lint/complexity/noBannedTypes: an object schema without keys of its own
export const AgentContext: z.ZodObject<{}, z.core.$loose> = z.looseObject({});
