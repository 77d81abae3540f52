/**
 * Shared vocabulary: the types and constants that every layer uses.
 *
 * Owns operations, outcomes, versions, token counting, tasks, and the metadata keys through which agent and recorder
 * communicate. Leaves out all behavior beyond a few predicates.
 */
import type { BaseMessage } from "@langchain/core/messages";
import type { BaseStore } from "@langchain/langgraph";

// --- The six operations (AgeMem, section 3.2) ---

/** Operations on long-term memory (LTM). */
export const LTM_OPS = ["ADD", "UPDATE", "DELETE"] as const;
/** Operations on short-term memory (STM), the context. */
export const STM_OPS = ["RETRIEVE", "SUMMARY", "FILTER"] as const;
/** All six operations. */
export const MEMORY_OPS = [...LTM_OPS, ...STM_OPS] as const;
/** One of the six operations. */
export type MemoryOp = (typeof MEMORY_OPS)[number];

/** Whether these operations can write to long-term memory; if not, there is nothing to read back. */
export function keepsLongTerm(operations: readonly MemoryOp[]): boolean {
  return LTM_OPS.some((op) => operations.includes(op));
}

/** Whether these operations can shrink the context, so that its size concerns the model. */
export function managesContext(operations: readonly MemoryOp[]): boolean {
  return operations.includes("SUMMARY") || operations.includes("FILTER");
}

/** The paper's tool name of each operation; `createMemoryTools` can rename them. */
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

/** `toolCallId` of a SUMMARY by the overflow guard, which the model did not ask for. */
export const OVERFLOW_CALL_ID = "overflow";

/** Name of the custom event of each memory operation, in stream mode "custom" and for callback handlers. */
export const MEMORY_EVENT = "agemem.op";

/** What a memory operation did: the `artifact` of the tool's ToolMessage, also written to the record. */
export interface MemoryOpOutcome {
  readonly kind: "agemem.op/1";
  readonly op: MemoryOp;
  readonly toolCallId: string;
  /** False if the model's request was refused and nothing changed. */
  readonly ok: boolean;
  readonly error?: { readonly code: string; readonly message: string };
  /** Ids of the memories it stored, changed, deleted or returned (best first). */
  readonly memoryIds: readonly string[];
  /** How the store ranked (RETRIEVE); absent if the store declares no search modes. */
  readonly searchMode?: SearchMode;
  readonly namespace: readonly string[];
  /** Revision of long-term memory before; null for a store without revisions. */
  readonly revisionBefore: number | null;
  /** Revision after. */
  readonly revisionAfter: number | null;
  /** Tokens of the context before, including the system prompt and tool schemas. */
  readonly tokensBefore: number;
  /** Tokens after. */
  readonly tokensAfter: number;
  /** The id under which `ContextArchive` keeps the edit, from which `restoreEdit` undoes it (SUMMARY, FILTER). */
  readonly editId?: string;
  /** Ids of the messages the edit removed or changed. */
  readonly messageIds?: readonly string[];
  /** How many answers of operations since the newest user message the edit removed; absent for none. */
  readonly operationsRemoved?: number;
  /** How many of those were answers of successful deletions; absent for none. */
  readonly deletionsRemoved?: number;
  /** Model calls the operation itself made (the summarizer). */
  readonly auxiliary?: CallUsage;
  /** Wall time in milliseconds. */
  readonly latencyMs: number;
}

/** Number, tokens and time of model calls. Tokens are null unless the server reported them for every call. */
export interface CallUsage {
  calls: number;
  promptTokens: number | null;
  completionTokens: number | null;
  /** Prompt tokens that came from the provider's cache; absent for none. */
  cachedTokens?: number;
  /** Calls whose tokens the server did not report; absent for none. A call that failed had none to report. */
  unreported?: number;
  /** Wall time in milliseconds. */
  latencyMs: number;
}

// --- Long-term memory ---

/** The value of a memory in any LangGraph `BaseStore`. */
export type MemoryValue = {
  /** The remembered text; the only embedded field. */
  content: string;
  /** A label the model chooses, such as "fact" or "preference"; default "fact". */
  memory_type: string;
  /** Metadata the model chooses, which `metadata_filter` can match. */
  metadata: Record<string, unknown>;
  /** Where it came from: `thread`, `tool_call`, and `said_by` ("user", "document", "tool" or "assistant"). */
  source: Record<string, string>;
};

/** All search modes. */
export const SEARCH_MODES = ["vector", "keyword", "hybrid"] as const;

/**
 * How a store ranks what it finds for a query.
 *
 * - `"vector"`: cosine similarity, -1..1. The default of a search when the store embeds.
 * - `"keyword"`: BM25 over the indexed text, 0 or more, without upper bound. The default otherwise.
 * - `"hybrid"`: weighted mean of both, each scaled to 0..1.
 */
export type SearchMode = (typeof SEARCH_MODES)[number];

/** A point in the history of a versioned store. */
export interface StoreVersion {
  /** Name of the branch; "main" for the trunk. */
  readonly branch: string;
  /** Number of the last write seen. It grows with every write to any branch; 0 for an empty store. */
  readonly revision: number;
}

/** Options of {@link VersionedStore.put}, besides LangGraph's `index`. */
export interface PutOptions {
  /** A second put with the same key returns without writing, so that retries and resumes write once. */
  idempotencyKey?: string;
  /** Minutes until the item expires. */
  ttl?: number;
  /** Requires the item's newest revision to be this one; otherwise `AGEMEM_STORE_CONFLICT`, and none of the batch is written. */
  ifRevision?: number;
}

/** One entry of an item's history. */
export interface ItemRevision {
  /** The revision that wrote it. */
  readonly revision: number;
  /** The branch it was written on. */
  readonly branch: string;
  /** Null if that revision deleted the item. */
  readonly value: Record<string, unknown> | null;
  readonly at: Date;
}

/** A `BaseStore` that keeps revisions, and can be read as of an earlier one and forked. */
export interface VersionedStore extends BaseStore {
  /** The version this handle sees now. */
  version(): StoreVersion;
  /** A read-only view as of a version. Throws `AGEMEM_STORE_BRANCH` if it does not exist. */
  at(version: StoreVersion): BaseStore;
  /** A writable branch that shares everything up to `from` (default: now). Its cost does not depend on the item count. */
  fork(name?: string, options?: { from?: StoreVersion }): Promise<VersionedStore>;
  /** Opens a branch by name. Throws `AGEMEM_STORE_BRANCH` if it does not exist or is closed. */
  branch(name: string): Promise<VersionedStore>;
  /** Discards this branch, made by `fork`. */
  discard(): Promise<void>;
  /** Every state of an item that this branch sees, newest first, including deletions. */
  history(namespace: string[], key: string): Promise<ItemRevision[]>;
  put(
    namespace: string[],
    key: string,
    value: Record<string, unknown>,
    index?: false | string[],
    options?: PutOptions,
  ): Promise<void>;
}

/** Whether a store has versions. Pass the store itself: LangGraph's `AsyncBatchedStore` wrapper hides them. */
export function isVersionedStore(store: BaseStore): store is VersionedStore {
  return "fork" in store && "version" in store && "at" in store;
}

// --- Short-term memory ---

/** Where a message of the context came from. */
export type MessageOrigin = "system" | "user" | "assistant" | "tool" | "memory" | "summary";

/** What is recorded about a message of the context, keyed by message id in the state. */
export interface MessageFact {
  /** Tokens as the model counts them. */
  tokens: number;
  origin: MessageOrigin;
  /** Ids of the messages a summary replaced. Those behind an earlier summary are in that edit's archive. */
  replaces?: string[];
  /** The edit that made or changed it. */
  editId?: string;
  /** Ids of the memories shown in it, each with the time of the shown state in epoch milliseconds. */
  memories?: Record<string, number | null>;
  /** Fingerprint of what was counted, so that a changed message is counted again. */
  check?: number;
  /** Place in the thread, by which a restored message finds its position. */
  position?: number;
  /** The last place this message covers, if messages after it were summarized or removed. */
  positionEnd?: number;
  /** Places of all messages a summary covers, also through earlier summaries, as [from, to] ranges. */
  covers?: [number, number][];
}

/** Facts by message id. */
export type MessageFacts = Record<string, MessageFact>;

/** Counts tokens as a model does. Synchronous, because it is called at every step. */
export interface TokenCounter {
  /** Name of the encoding, such as "o200k_base". */
  readonly name: string;
  /** False if the counts are estimates for this model. */
  readonly exact: boolean;
  /** Tokens of a text. */
  countText(text: string): number;
  /** Tokens of a message, including its role, tool calls and overhead. */
  countMessage(message: BaseMessage): number;
  /** Tokens of tool schemas as sent to the model. */
  countTools(tools: readonly ToolSchema[]): number;
}

/** A tool as it is sent to the model (OpenAI function form, without the wrapper). */
export interface ToolSchema {
  name: string;
  description: string;
  parameters: Record<string, unknown>;
}

// --- Run metadata, through which agent and recorder communicate ---

/**
 * Metadata keys on model calls and tool runs, for the recorder and LangSmith. They alone tell a policy call from an
 * auxiliary one, or stage 1 from stage 3.
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
  /** Number of the attempt at a rollout; absent = 1. */
  attempt: "agemem.attempt",
  /** The trainer's version number of the policy's weights. */
  policyVersion: "agemem.policy_version",
  op: "agemem.op",
  revision: "agemem.revision",
  /** This and the following: set when a memory operation has run; see `tools/tracing.ts`. */
  ok: "agemem.ok",
  error: "agemem.error",
  namespaceHash: "agemem.namespace_hash",
  tokensSaved: "agemem.tokens_saved",
  memories: "agemem.memories",
  editId: "agemem.edit_id",
} as const;
/** Who made a model call: the acting model, or an auxiliary one. */
export type CallRole = "policy" | "aux";

/** Stage of a three-stage trajectory (AgeMem, alg. 3-5); 0 outside a rollout. */
export type Stage = 0 | 1 | 2 | 3;

/** Tag of the model call that asks again after a response broke the protocol. */
export const PROTOCOL_REPAIR_TAG = "agemem:repair";

/** `additional_kwargs` key of an AIMessage that says why the response broke the protocol. */
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
  /** I_q: the passages shown in stage 1, in order. */
  context: Passage[];
  /** Similar but irrelevant passages, shown in stage 2. */
  distractors: Passage[];
  /** Sentences that a perfect memory would hold, for memory quality; may be empty. */
  goldFacts: string[];
  /** Sentences that were stated but no longer hold at the end: changed, withdrawn or contradicted later. Default none. */
  outdatedFacts?: string[];
  /** Anything else the source says about the task. */
  metadata: Record<string, unknown>;
}

/** Whether a value is the artifact of a memory tool's message. */
export function isOutcome(value: unknown): value is MemoryOpOutcome {
  return typeof value === "object" && value !== null && (value as { kind?: unknown }).kind === "agemem.op/1";
}
