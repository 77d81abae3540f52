/**
 * One call of a memory operation, as whoever runs it hands it over.
 *
 * Owns the whole input of an operation: nothing else is read from LangChain's config than the run itself (who, which
 * thread and task, callbacks, signal). Leaves out what an operation makes of it (`operation-context.ts`).
 */
import type { BaseMessage } from "@langchain/core/messages";
import type { BaseStore, LangGraphRunnableConfig } from "@langchain/langgraph";
import type { MessageFacts, StoreVersion } from "../types.js";
import type { OperationCounts } from "./limits.js";

/** What a graph's state may hold for the tools. Without it RETRIEVE repeats and token counts lack the prompt. */
export interface MemoryToolsState {
  messages?: BaseMessage[];
  contextFacts?: MessageFacts;
  /** Tokens of the acting model's system prompt and tool schemas. */
  contextOverhead?: number;
  /** The version of long-term memory that this state has seen. */
  ltmVersion?: StoreVersion | null;
  /** Whose thread it is; see `ownerOf`. */
  memoryOwner?: string | null;
}

/** A call and what surrounds it. */
export interface OperationCall {
  /** Id of the tool call. */
  id: string;
  /** As the model gave them; the operation checks them. */
  args: unknown;
  state: MemoryToolsState;
  /** The run. */
  config: LangGraphRunnableConfig;
  /** Absent where calls of one response may run at the same time (`ToolNode`, `createAgent`). */
  inOrder?: CallInOrder;
}

/** What a graph knows that runs the calls of a response one after the other, each on the state the last one left. */
export interface CallInOrder {
  /** Long-term memory of this step; default the kit's store. */
  store?: BaseStore;
  /** The version of it that the state had seen before the first call of the step. */
  seen: StoreVersion | null;
  /** Since the newest user message, with the operations whose answers have left the context. */
  counts: OperationCounts;
  /** What a person who was asked said. */
  decision?: PersonDecision | undefined;
}

/** "approved": the call runs as it is. "rejected": it does not, and `reason` is what the person said. */
export type PersonDecision = { kind: "approved" } | { kind: "rejected"; reason: string };
