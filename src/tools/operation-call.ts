/**
 * The input of one memory operation, as its caller passes it.
 *
 * Owns that whole input: from LangChain's config an operation reads only the run (user, thread, task, callbacks,
 * signal). Leaves out how an operation interprets it (`operation-context.ts`).
 */
import type { BaseMessage } from "@langchain/core/messages";
import type { BaseStore, LangGraphRunnableConfig } from "@langchain/langgraph";
import type { MessageFacts, StoreVersion } from "../types.js";
import type { OperationCounts } from "./limits.js";

/**
 * What a graph's state may hold for the tools. Without `contextFacts` RETRIEVE repeats memories that the context shows;
 * without `contextOverhead` token counts lack the system prompt.
 */
export interface MemoryToolsState {
  messages?: BaseMessage[];
  contextFacts?: MessageFacts;
  /** Tokens of the acting model's system prompt and tool schemas. */
  contextOverhead?: number;
  /** The version of long-term memory this state has seen. */
  ltmVersion?: StoreVersion | null;
  /** Whose thread it is; see `ownerOf`. */
  memoryOwner?: string | null;
}

/** A call and what surrounds it. */
export interface OperationCall {
  /** Id of the tool call. */
  id: string;
  /** As the model wrote them; the operation validates them. */
  args: unknown;
  state: MemoryToolsState;
  /** The run. */
  config: LangGraphRunnableConfig;
  /** Absent where calls of one response may run at the same time (`ToolNode`, `createAgent`). */
  inOrder?: CallInOrder;
}

/** What a graph knows if it runs the calls of a response in order, each on the state the previous one left. */
export interface CallInOrder {
  /** Long-term memory of this step; default the kit's store. */
  store?: BaseStore;
  /** The version of it the state had seen before the first call of the step. */
  seen: StoreVersion | null;
  /** Operations since the newest user message, including those whose answers have left the context. */
  counts: OperationCounts;
  /** The decision of a person, if one was asked. */
  decision?: PersonDecision | undefined;
}

/** "approved" runs the call as it is; "rejected" does not, and `reason` is what the person said. */
export type PersonDecision = { kind: "approved" } | { kind: "rejected"; reason: string };
