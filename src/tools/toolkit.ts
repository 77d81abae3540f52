/**
 * What the six operations share: the store, the models they may call, limits, and one call's surroundings.
 *
 * Owns configuration defaults and the {@link OperationContext} / {@link OperationEffect} contract.
 * Leaves out: LangChain (`memory-tools.ts`) and the operations themselves.
 */
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import type { BaseMessage } from "@langchain/core/messages";
import type { RunnableConfig } from "@langchain/core/runnables";
import type { BaseStore } from "@langchain/langgraph";
import type { ContextBudget } from "../context/budget.js";
import type { AppliedEdit } from "../context/edit.js";
import type { InputError } from "../errors.js";
import type { NamespaceTemplate } from "../lib/namespace.js";
import { LexicalEmbeddings } from "../models/lexical-embeddings.js";
import { thresholdsOf } from "../models/thresholds.js";
import { tokenCounter } from "../models/tokens.js";
import type { CallUsage, MemoryOp, MessageFacts, SearchMode, StoreVersion, TokenCounter } from "../types.js";
import { budgetFor } from "./budget.js";
import { type MemoryLimits, resolveLimits } from "./limits.js";
import { retrievalMode } from "./search/search-mode.js";
import { embeddingsOf } from "./search/store-embeddings.js";

/** Settings of the memory operations. Only `store` is required. */
export interface MemoryToolkitOptions {
  /** Long-term memory. Any LangGraph store; give the real handle, not the one a node sees as `config.store`. */
  store: BaseStore;
  /** Where a run's memories live; default `["memories", "{user_id}"]`. A missing value is an error. */
  namespace?: NamespaceTemplate;
  /** Embeds messages and criteria for FILTER; default the store's own, {@link LexicalEmbeddings} where it has none. */
  embeddings?: EmbeddingsInterface;
  /** Writes summaries. An agent has its own model write them; tools in a graph of one's own need one for SUMMARY. */
  summarizer?: BaseChatModel;
  /**
   * Tokens the summarizer can read in one call; longer input is summarized in parts. Default: its window where
   * LangChain's profile of the model knows it, else 8,192.
   */
  summarizerWindow?: number;
  counter?: TokenCounter;
  /** The context in tokens, and what of it is kept for the response. Default: see {@link budgetFor}. */
  budget?: Partial<ContextBudget>;
  /** FILTER removes what has cosine similarity >= theta to the criteria (AgeMem, eq. 15); default {@link thresholdsOf}. */
  theta?: number;
  /** Memories returned by RETRIEVE when the model names no number; default 3. */
  topK?: number;
  /**
   * How RETRIEVE ranks; default "hybrid" where the store has it, else the store's own way. Near copies are always found by
   * similarity.
   */
  searchMode?: SearchMode;
  /** ADD reports an item with cosine similarity >= this instead of storing a near copy; default {@link thresholdsOf}. */
  duplicateThreshold?: number;
  /** Messages of at least this many tokens are filtered by segment; default 80. */
  segmentMinTokens?: number;
  /** Size of one memory, memories of a namespace, operations per run; the model is refused beyond them. */
  limits?: Partial<MemoryLimits>;
}

/** Options of `createMemoryTools`. */
export interface MemoryToolsOptions extends MemoryToolkitOptions {
  /** Other names for the tools; default the paper's (`Add_memory` …). */
  names?: Partial<Record<MemoryOp, string>>;
  /** Which operations to offer; default all six. */
  operations?: readonly MemoryOp[];
}

/** Which model writes the summary of a conversation; undefined where it is not known (any more). */
export type SummarizerOf = (messages: readonly BaseMessage[]) => BaseChatModel | undefined;
/** Where memories live when nothing else is said. */
export const DEFAULT_NAMESPACE: NamespaceTemplate = ["memories", "{user_id}"];

/** {@link MemoryToolkitOptions} with every default filled in. */
export type MemoryToolkit = Required<
  Omit<MemoryToolkitOptions, "budget" | "limits" | "searchMode" | "summarizer" | "summarizerWindow">
> & {
  budget: ContextBudget;
  limits: MemoryLimits;
  summarizerOf: SummarizerOf;
  summarizerWindow: number | undefined;
  /** Undefined for a store that has one way only. */
  searchMode: SearchMode | undefined;
};

/**
 * Fills in defaults. What may be given is checked where the application gives it (`option-schemas.ts`).
 * Errors: `AGEMEM_CONFIG_INVALID` where the store does not have `searchMode`.
 *
 * @param summarizerOf in place of one summarizer for all conversations
 */
export function createToolkit(options: MemoryToolkitOptions, summarizerOf?: SummarizerOf): MemoryToolkit {
  const stored = embeddingsOf(options.store);
  const embeddings = options.embeddings ?? stored ?? new LexicalEmbeddings();
  return {
    store: options.store,
    namespace: options.namespace ?? DEFAULT_NAMESPACE,
    embeddings,
    summarizerOf: (messages) => options.summarizer ?? summarizerOf?.(messages),
    summarizerWindow: options.summarizerWindow,
    counter: options.counter ?? tokenCounter(),
    budget: budgetFor(options.budget),
    theta: options.theta ?? thresholdsOf(embeddings).theta,
    topK: options.topK ?? 3,
    searchMode: retrievalMode(options.store, options.searchMode),
    // Duplicates are found by the store's search.
    duplicateThreshold: options.duplicateThreshold ?? thresholdsOf(stored ?? embeddings).duplicate,
    segmentMinTokens: options.segmentMinTokens ?? 80,
    limits: resolveLimits(options.limits),
  };
}

/**
 * The surroundings of one tool call: the working copy of the context, where long-term memory is, and how to write once.
 */
export interface OperationContext {
  toolCallId: string;
  /** Resolved namespace of the run's memories. */
  namespace: string[];
  /** Whose thread this becomes; absent where the state knows it. */
  owner?: string;
  /** Names the archive of this conversation. */
  thread: string;
  /** Unique per tool call and equal when the same call is run again (retry, resume). */
  key: string;
  /** The context as the calls before this one left it. */
  messages: BaseMessage[];
  facts: MessageFacts;
  /** Tokens of the acting model's system prompt and tool schemas. */
  overheadTokens: number;
  /** Ids of the running exchange, which no edit may touch. */
  protectIds: ReadonlySet<string>;
  /** The long-term memory that the state had seen when the step began; absent where the state does not keep it. */
  seen?: StoreVersion;
  /** A person was asked, and approved the call as it is. */
  approved?: boolean;
  /** Other calls of the response may run at the same time: an edit may then name only messages it knows. */
  parallel: boolean;
  /** Why the operation must not run, whatever its arguments. */
  refusal?: InputError;
  /** Callbacks, tags and abort signal for auxiliary model calls. */
  config: RunnableConfig;
}

/** What an operation did. A refusal is an `InputError` thrown by the operation. */
export interface OperationEffect {
  /** What the model reads. */
  text: string;
  memoryIds: string[];
  /** How the store ranked them (RETRIEVE). */
  searchMode?: SearchMode;
  /** New context (SUMMARY, FILTER). */
  edit?: AppliedEdit;
  /** Memories shown in `text`: id to the time of the shown version in epoch milliseconds. */
  shown?: Record<string, number>;
  auxiliary?: CallUsage;
}
