/**
 * What the six operations share: the store, the models they may call, limits, and the context of a call.
 *
 * Owns configuration defaults and the {@link OperationContext} / {@link OperationEffect} contract.
 * Leaves out LangChain's tools (`memory-tools.ts`) and the operations themselves.
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
import { type RetrievalRanking, retrievalMode, retrievalRanking } from "./search/search-mode.js";
import { embeddingsOf } from "./search/store-embeddings.js";

/** Settings of the memory operations. Only `store` is required. */
export interface MemoryToolkitOptions {
  /** Long-term memory: any LangGraph store. Pass the store itself, not the wrapper a node sees as `config.store`. */
  store: BaseStore;
  /** Where a run's memories live; default `["memories", "{user_id}"]`. A run that lacks a value fails. */
  namespace?: NamespaceTemplate;
  /** Embeds messages and criteria for FILTER; default the store's own, else {@link LexicalEmbeddings}. */
  embeddings?: EmbeddingsInterface;
  /** Writes summaries; default the agent's own model. `createMemoryTools` has no default and needs one for SUMMARY. */
  summarizer?: BaseChatModel;
  /**
   * Tokens the summarizer can read in one call; longer input is summarized in parts. Default: the window in
   * LangChain's profile of the model, else 8,192.
   */
  summarizerWindow?: number;
  /** Counts tokens; default {@link tokenCounter}. */
  counter?: TokenCounter;
  /** Tokens of the whole context, and how many of them are reserved for the response. Default: see {@link budgetFor}. */
  budget?: Partial<ContextBudget>;
  /** FILTER removes what has a cosine similarity of at least theta to the criteria (AgeMem, eq. 15); default {@link thresholdsOf}. */
  theta?: number;
  /** Memories returned by RETRIEVE if the model does not say how many; default 3. */
  topK?: number;
  /**
   * How RETRIEVE ranks; default "hybrid" if the store has it, else the store's own mode. ADD looks for near copies by
   * similarity, whatever the mode.
   */
  searchMode?: SearchMode;
  /** Search options of a `FaissStore` that RETRIEVE uses; default none. */
  ranking?: RetrievalRanking;
  /** ADD is refused if a stored memory has at least this cosine similarity; default {@link thresholdsOf}. */
  duplicateThreshold?: number;
  /** FILTER judges messages of at least this many tokens segment by segment; default 80. */
  segmentMinTokens?: number;
  /** Size of a memory, memories per namespace, operations and deletions per user message. */
  limits?: Partial<MemoryLimits>;
}

/** Options of `createMemoryTools`. */
export interface MemoryToolsOptions extends MemoryToolkitOptions {
  /** Tool names by operation; default the paper's (`Add_memory` …). */
  names?: Partial<Record<MemoryOp, string>>;
  /** Which operations to offer; default all six. None: no memory, and nothing that a model reads speaks of one. */
  operations?: readonly MemoryOp[];
}

/** Chooses the model that summarizes a conversation; undefined if it is not known, or no longer. */
export type SummarizerOf = (messages: readonly BaseMessage[]) => BaseChatModel | undefined;

/** Where memories live by default. */
export const DEFAULT_NAMESPACE: NamespaceTemplate = ["memories", "{user_id}"];

/** {@link MemoryToolkitOptions} with every default filled in. */
export type MemoryToolkit = Required<
  Omit<
    MemoryToolkitOptions,
    "budget" | "limits" | "ranking" | "searchMode" | "summarizer" | "summarizerWindow"
  >
> & {
  budget: ContextBudget;
  limits: MemoryLimits;
  summarizerOf: SummarizerOf;
  summarizerWindow: number | undefined;
  /** Undefined for a store that declares no modes. */
  searchMode: SearchMode | undefined;
  ranking: RetrievalRanking | undefined;
};

/**
 * Fills in defaults. The options have been validated before, at the public functions (`option-schemas.ts`).
 *
 * @param summarizerOf chooses the summarizer of a conversation when `options.summarizer` is not set
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` if the store lacks `searchMode` or ranks in its own way only, or the budget leaves none for the prompt
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
    ranking: retrievalRanking(options.store, options.ranking),
    // Duplicates are found by the store's search, so the store's own model decides.
    duplicateThreshold: options.duplicateThreshold ?? thresholdsOf(stored ?? embeddings).duplicate,
    segmentMinTokens: options.segmentMinTokens ?? 80,
    limits: resolveLimits(options.limits),
  };
}

/** The context of one tool call: the working copy of the messages, the namespace, and the key that makes writes idempotent. */
export interface OperationContext {
  toolCallId: string;
  /** The namespace of the run's memories, with its values filled in. */
  namespace: string[];
  /** Whose thread this becomes; absent if the state already knows it. */
  owner?: string;
  /** Identifies the archive of this conversation. */
  thread: string;
  /** Unique per tool call, and the same when the call runs again (retry, resume). */
  key: string;
  /** The context as the calls before this one left it. */
  messages: BaseMessage[];
  facts: MessageFacts;
  /** Tokens of the acting model's system prompt and tool schemas. */
  overheadTokens: number;
  /** Ids of the exchange in progress, which no edit may touch. */
  protectIds: ReadonlySet<string>;
  /** The version of long-term memory the state had seen when the step began; absent if the state does not keep it. */
  seen?: StoreVersion;
  /** A person was asked and approved the call. */
  approved?: boolean;
  /** Other calls of the response may run at the same time, so an edit must touch only the messages it names. */
  parallel: boolean;
  /** Why the operation must not run, whatever its arguments. */
  refusal?: InputError;
  /** Callbacks, tags and abort signal for auxiliary model calls. */
  config: RunnableConfig;
}

/** What an operation did. A refusal is an `InputError` thrown by the operation. */
export interface OperationEffect {
  /** The answer to the model. */
  text: string;
  memoryIds: string[];
  /** How the store ranked the memories (RETRIEVE). */
  searchMode?: SearchMode;
  /** The edited context (SUMMARY, FILTER). */
  edit?: AppliedEdit;
  /** Memories shown in `text`: id to the time of the shown version in epoch milliseconds. */
  shown?: Record<string, number>;
  /** Model calls that the operation made (SUMMARY). */
  auxiliary?: CallUsage;
}
