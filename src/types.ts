/**
 * Shared vocabulary: the names every layer uses, and nothing that runs beyond small constants.
 *
 * Owns operations, outcomes, versions, token counting, tasks and the metadata keys by which the agent
 * and the recorder find each other. Leaves out: how any of it is done.
 */
import type { BaseMessage } from "@langchain/core/messages";
import type { BaseStore } from "@langchain/langgraph";

// --- The six operations (AgeMem, section 3.2) ---

/** Operations on long-term memory (LTM, M). */
export const LTM_OPS = ["ADD", "UPDATE", "DELETE"] as const;
/** Operations on short-term memory (STM, C). */
export const STM_OPS = ["RETRIEVE", "SUMMARY", "FILTER"] as const;
export const MEMORY_OPS = [...LTM_OPS, ...STM_OPS] as const;
export type MemoryOp = (typeof MEMORY_OPS)[number];

/** Whether these operations can put anything into long-term memory; without them there is none to read back. */
export function keepsLongTerm(operations: readonly MemoryOp[]): boolean {
  return LTM_OPS.some((op) => operations.includes(op));
}

/** Whether these operations can make the context smaller, so that its size is a model's business. */
export function managesContext(operations: readonly MemoryOp[]): boolean {
  return operations.includes("SUMMARY") || operations.includes("FILTER");
}

/** The paper's tool name of each operation; every one can be renamed (see `createMemoryTools`). */
export const PAPER_TOOL_NAMES: Readonly<Record<MemoryOp, string>> = {
  ADD: "Add_memory",
  UPDATE: "Update_memory",
  DELETE: "Delete_memory",
  RETRIEVE: "Retrieve_memory",
  SUMMARY: "Summary_context",
  FILTER: "Filter_context",
};

/** Names by which operations are accepted beside their own: the authors' released code calls FILTER so. */
export const TOOL_ALIASES: Readonly<Record<string, MemoryOp>> = { Clear_context: "FILTER" };

/** `toolCallId` of a SUMMARY that the overflow guard made; the model did not ask for it. */
export const OVERFLOW_CALL_ID = "overflow";

/** Name of the custom event per memory operation, in stream mode "custom" and for callback handlers. */
export const MEMORY_EVENT = "agemem.op";

/** What one memory operation did. It is the `artifact` of the tool's ToolMessage and goes into the record. */
export interface MemoryOpOutcome {
  readonly kind: "agemem.op/1";
  readonly op: MemoryOp;
  readonly toolCallId: string;
  /** False when the model's request was refused; then nothing changed. */
  readonly ok: boolean;
  readonly error?: { readonly code: string; readonly message: string };
  /** LTM ids the operation stored, changed, removed or returned, best first. */
  readonly memoryIds: readonly string[];
  /** Set for RETRIEVE: how the store ranked; absent where it has one way only. */
  readonly searchMode?: SearchMode;
  readonly namespace: readonly string[];
  /** LTM revision before and after; null when the store keeps no revisions. */
  readonly revisionBefore: number | null;
  readonly revisionAfter: number | null;
  /** Tokens of the context before and after, system prompt and tool schemas included. */
  readonly tokensBefore: number;
  readonly tokensAfter: number;
  /** Set for SUMMARY and FILTER: the handle for `restore(editId)`. */
  readonly editId?: string;
  /** Ids of the messages an STM operation took out or rewrote. */
  readonly messageIds?: readonly string[];
  /** Set when the edit took out answers of operations that the newest user message had set off: how many. */
  readonly operationsRemoved?: number;
  /** Set when those answers were of deletions that were done: how many. */
  readonly deletionsRemoved?: number;
  /** Model calls the operation itself made (the summarizer). */
  readonly auxiliary?: CallUsage;
  /** Wall time in milliseconds. */
  readonly latencyMs: number;
}

/** Tokens and calls of one or more model calls. Tokens are null when the server did not report those of every call. */
export interface CallUsage {
  calls: number;
  promptTokens: number | null;
  completionTokens: number | null;
  /** Of the prompt's, those that came from the provider's cache; absent for none. */
  cachedTokens?: number;
  /** Calls whose tokens the server did not report; absent for none. A call that failed had none to report. */
  unreported?: number;
  latencyMs: number;
}

// --- Long-term memory ---

/** The value agemem stores per memory item, in any LangGraph `BaseStore`. */
export type MemoryValue = {
  /** The remembered text; the only embedded field. */
  content: string;
  /** Free label of the model, such as "fact" or "preference"; default "fact". */
  memory_type: string;
  /** The model's own metadata, filterable through `metadata_filter`. */
  metadata: Record<string, unknown>;
  /** Where it came from: `thread`, `tool_call`, and `said_by` ("user", "document", "tool" or "assistant"). */
  source: Record<string, string>;
};

/** How a store can rank what it finds for a query. */
export const SEARCH_MODES = ["vector", "keyword", "hybrid"] as const;

/**
 * - `"vector"`: cosine similarity, -1..1. The default of a search when the store embeds.
 * - `"keyword"`: BM25 over the indexed text, 0 or more, without upper bound. The default otherwise.
 * - `"hybrid"`: reciprocal rank fusion of both, 0..2/21.
 */
export type SearchMode = (typeof SEARCH_MODES)[number];

/** A point in the history of a versioned store. */
export interface StoreVersion {
  /** Name of the branch; "main" for the trunk. */
  readonly branch: string;
  /** Number of the last write seen; only grows, over all branches. 0 = empty store. */
  readonly revision: number;
}

/** Options of a put through {@link VersionedStore.put}, beside LangGraph's `index`. */
export interface PutOptions {
  /** A second put with the same key in the same store returns without writing (retries, resumes). */
  idempotencyKey?: string;
  /** Minutes until the item expires. */
  ttl?: number;
  /** The item's newest revision must be this one, else `AGEMEM_STORE_CONFLICT` and nothing of the batch is written. */
  ifRevision?: number;
}

/** One entry of an item's history. */
export interface ItemRevision {
  /** Revision that wrote it, on which branch. */
  readonly revision: number;
  readonly branch: string;
  /** Null when that revision deleted the item. */
  readonly value: Record<string, unknown> | null;
  readonly at: Date;
}

/** A `BaseStore` that keeps every revision, can be read as of an earlier one, and forked. */
export interface VersionedStore extends BaseStore {
  version(): StoreVersion;
  /** Read-only view as of a version. Throws `AGEMEM_STORE_BRANCH` when it does not exist. */
  at(version: StoreVersion): BaseStore;
  /** Writable branch that shares everything up to `from` (default: now). Cost independent of item count. */
  fork(name?: string, options?: { from?: StoreVersion }): Promise<VersionedStore>;
  /** Handle of an open branch by name. Throws `AGEMEM_STORE_BRANCH`. */
  branch(name: string): Promise<VersionedStore>;
  /** Drops a branch made by `fork`. */
  discard(): Promise<void>;
  /** Every state of an item that this branch sees, newest first, deletions included. */
  history(namespace: string[], key: string): Promise<ItemRevision[]>;
  put(
    namespace: string[],
    key: string,
    value: Record<string, unknown>,
    index?: false | string[],
    options?: PutOptions,
  ): Promise<void>;
}

/** Whether a store has versions. Works on the real handle, not on LangGraph's `AsyncBatchedStore` wrapper. */
export function isVersionedStore(store: BaseStore): store is VersionedStore {
  return "fork" in store && "version" in store && "at" in store;
}

// --- Short-term memory ---

/** Where a message of the context came from. */
export type MessageOrigin = "system" | "user" | "assistant" | "tool" | "memory" | "summary";

/** What is known about one message of the context beside its text; keyed by message id in the state. */
export interface MessageFact {
  /** Tokens as the model counts them. */
  tokens: number;
  origin: MessageOrigin;
  /** Ids of the archived messages a summary stands for (direct ones; older lineage is in their archives). */
  replaces?: string[];
  /** The edit that made or changed it. */
  editId?: string;
  /** LTM ids shown in it, each with the revision shown. */
  memories?: Record<string, number | null>;
  /** Fingerprint of what was counted: a message whose content changed is counted again. */
  check?: number;
  /** Place in the thread's order; only grows. A restored message finds its place by it. */
  position?: number;
  /** Last place this message stands for, when messages after it were summarized or removed. */
  positionEnd?: number;
  /** Places of all messages a summary stands for, through summaries of summaries: [from, to] ranges of integers. */
  covers?: [number, number][];
}
export type MessageFacts = Record<string, MessageFact>;

/** Counts tokens as one model does. Synchronous: counting sits on the hot path and is cached per message. */
export interface TokenCounter {
  /** Name of the encoding, such as "o200k_base". */
  readonly name: string;
  /** False when the figure is an estimate for this model. */
  readonly exact: boolean;
  countText(text: string): number;
  /** One message with its role, tool calls and per-message overhead. */
  countMessage(message: BaseMessage): number;
  /** Tool schemas as sent to the model. */
  countTools(tools: readonly ToolSchema[]): number;
}

/** A tool as it is sent to the model (OpenAI function form, without the wrapper). */
export interface ToolSchema {
  name: string;
  description: string;
  parameters: Record<string, unknown>;
}

// --- How the agent and the recorder find each other: run metadata ---

/**
 * Metadata keys set on model calls and tool runs. Recorder and LangSmith read them; nothing else is needed
 * to tell a policy call from an auxiliary one, or stage 1 from stage 3.
 */
export const METADATA = {
  /** "policy" (the acting model) or "aux" (summarizer, judge). Absent = policy. */
  callRole: "agemem.call_role",
  /** "native" or "text". */
  protocol: "agemem.protocol",
  stage: "agemem.stage",
  taskId: "agemem.task_id",
  groupId: "agemem.group_id",
  rolloutId: "agemem.rollout_id",
  rolloutIndex: "agemem.rollout_index",
  /** Number of the try of a rollout; absent = 1. */
  attempt: "agemem.attempt",
  /** The trainer's number of the weights behind the policy. */
  policyVersion: "agemem.policy_version",
  op: "agemem.op",
  revision: "agemem.revision",
  /** Set when a memory operation has run; see `tools/tracing.ts`. */
  ok: "agemem.ok",
  error: "agemem.error",
  namespaceHash: "agemem.namespace_hash",
  tokensSaved: "agemem.tokens_saved",
  memories: "agemem.memories",
  editId: "agemem.edit_id",
} as const;
export type CallRole = "policy" | "aux";

/** Stage of a three-stage trajectory (AgeMem, alg. 3-5); 0 outside of a rollout. */
export type Stage = 0 | 1 | 2 | 3;

/** Tag of the model call that repeats a response which broke the protocol. */
export const PROTOCOL_REPAIR_TAG = "agemem:repair";

/** Key in an AIMessage's `additional_kwargs`: why the response broke the protocol. */
export const FORMAT_ERROR_KEY = "agemem_format_error";

// --- Tasks ---

/** One text of a task's context or distractors. */
export interface Passage {
  title: string;
  text: string;
}

/** A training or evaluation task T = (q, I_q, A_q) with its distractors (AgeMem, section 3.1). */
export interface MemoryTask {
  id: string;
  /** q, shown in stage 3 only. */
  question: string;
  /** A_q, never shown to the policy. */
  answer: string;
  /** I_q: the passages told in stage 1, in order. */
  context: Passage[];
  /** Near but irrelevant passages injected in stage 2. */
  distractors: Passage[];
  /** Sentences that a perfect memory would hold, for memory quality; may be empty. */
  goldFacts: string[];
  /** Sentences that were told and no longer hold at the end: changed, withdrawn or contradicted later. Default none. */
  outdatedFacts?: string[];
  metadata: Record<string, unknown>;
}

/** True for the artifact of a memory tool's message. */
export function isOutcome(value: unknown): value is MemoryOpOutcome {
  return typeof value === "object" && value !== null && (value as { kind?: unknown }).kind === "agemem.op/1";
}
