/**
 * From LangGraph's runtime to the surroundings of one operation: namespace, thread, working copy, idempotency key.
 *
 * Owns how a run is identified. Leaves out what the operation does with it.
 */
import { randomUUID } from "node:crypto";
import { AIMessage, type BaseMessage } from "@langchain/core/messages";
import type { BaseStore, LangGraphRunnableConfig } from "@langchain/langgraph";
import { InputError } from "../errors.js";
import { ownerOf, runKeyOf } from "../lib/run-owner.js";
import { callProblem } from "../models/response-problem.js";
import type { MessageFacts, StoreVersion } from "../types.js";
import { countsIn, operationsIn, tooMany, tooManyDeletions } from "./limits.js";
import { siblingsOf } from "./parallel-edit.js";
import type { MemoryToolkit, OperationContext } from "./toolkit.js";

/** What a graph's state may hold for the tools. Without it RETRIEVE repeats and token counts lack the prompt. */
export interface MemoryToolsState {
  messages?: BaseMessage[];
  contextFacts?: MessageFacts;
  /** Tokens of the acting model's system prompt and tool schemas. */
  contextOverhead?: number;
  /** The M this state has seen. */
  ltmVersion?: StoreVersion | null;
  /** Whose thread it is; see `ownerOf`. */
  memoryOwner?: string | null;
}

/** What LangGraph puts on a tool's config beside LangChain's own fields. */
export type ToolRunConfig = LangGraphRunnableConfig & {
  state?: MemoryToolsState;
  toolCallId?: string;
  toolCall?: { id?: string };
  /** Set by a graph that runs the calls of a response one after the other, each on the state the last one left. */
  sequential?: boolean;
  /** Set by a graph that counts: memory operations since the newest user message, those that left the context too. */
  operations?: number;
  /** Set by a graph that counts: memories deleted since then. */
  deletions?: number;
  /** Set by a graph where a person approved the call as it is. */
  approved?: boolean;
  /** Set by a graph that runs several calls in one step: the M that the state had seen before the first. */
  seen?: StoreVersion | null;
  /** Set by a graph where a person refused the call: what they said. */
  rejected?: string;
  /** Set by a graph that gives each thread its own branch of M. */
  memory?: BaseStore;
};

/** Which tools are meant, by name. */
type ToolTest = (toolName: string) => boolean;

/**
 * The surroundings of one call.
 *
 * @param own `callId` stands in for the tool call's id where the guard, not the model, acts; `isEdit` tells which
 * tools edit the context, for an operation that does so itself; `isMemory` which are memory tools at all; `isDeletion`
 * which delete, for an operation that does
 * @throws ConfigError `AGEMEM_NAMESPACE_VALUE_MISSING`, AccessError `AGEMEM_THREAD_OWNER`, `AGEMEM_AUTH_REQUIRED`
 */
export function contextOf(
  kit: MemoryToolkit,
  given: ToolRunConfig,
  own: { callId?: string; isEdit?: ToolTest; isMemory?: ToolTest; isDeletion?: ToolTest } = {},
): OperationContext {
  const state = given.state ?? {};
  const toolCallId = own.callId ?? given.toolCallId ?? given.toolCall?.id ?? "";
  const messages = state.messages ?? [];
  const values = given.configurable ?? {};
  const { namespace, owner } = ownerOf(kit.namespace, given, state.memoryOwner);
  const siblings = given.sequential
    ? { parallel: false, busyWith: undefined, before: [] }
    : siblingsOf(messages, toolCallId, own.isEdit ?? (() => false));
  // Calls that run at the same time have no answer yet: those before this one count by their place in the response.
  const before = siblings.before.filter(own.isMemory ?? (() => false)).length;
  const done = (given.operations ?? operationsIn(messages)) + before;
  const refusal =
    unreadableCall(messages, toolCallId) ??
    refusalOf(given.rejected, siblings.busyWith) ??
    tooMany(kit.limits, done) ??
    deletionRefusal(kit, given, messages, siblings.before, own.isDeletion);
  const seen = given.seen ?? state.ltmVersion;
  return {
    parallel: siblings.parallel,
    ...(refusal ? { refusal } : {}),
    toolCallId,
    namespace,
    ...(state.memoryOwner ? {} : { owner }),
    // Without a thread the archive is still one user's own.
    thread: String(values.thread_id ?? runKeyOf(values) ?? namespace.join("/")),
    key: callKey(given, namespace, toolCallId, messages),
    messages,
    facts: state.contextFacts ?? {},
    ...(seen ? { seen } : {}),
    ...(given.approved ? { approved: true } : {}),
    overheadTokens: state.contextOverhead ?? kit.overheadTokens(),
    protectIds: runningExchange(messages),
    config: {
      ...(given.callbacks ? { callbacks: given.callbacks } : {}),
      ...(given.metadata ? { metadata: given.metadata } : {}),
      ...(given.tags ? { tags: given.tags } : {}),
      ...(given.signal ? { signal: given.signal } : {}),
    },
  };
}

/** The last look before M or C changes: graphs of any make run the calls that LangChain completed by guess. */
function unreadableCall(messages: readonly BaseMessage[], callId: string): InputError | undefined {
  const response = messages.findLast((message): message is AIMessage => AIMessage.isInstance(message));
  if (!response?.tool_calls?.some((call) => call.id === callId)) return undefined;
  const problem = callProblem(response);
  if (problem === undefined) return undefined;
  return new InputError("AGEMEM_INPUT_ARGUMENT", `This response could not be read: ${problem}`, {
    remedy: "Nothing of it was run. Give its calls again, with complete arguments.",
  });
}

/** `isDeletion` is given for a deletion only. */
function deletionRefusal(
  kit: MemoryToolkit,
  given: ToolRunConfig,
  messages: readonly BaseMessage[],
  before: readonly string[],
  isDeletion: ToolTest | undefined,
): InputError | undefined {
  if (!isDeletion) return undefined;
  const done = given.deletions ?? countsIn(messages).deletions;
  return tooManyDeletions(kit.limits, done + before.filter(isDeletion).length);
}

function refusalOf(rejected: string | undefined, busyWith: string | undefined): InputError | undefined {
  if (rejected !== undefined) {
    const said = rejected ? `: ${rejected}` : "";
    return new InputError("AGEMEM_OPERATION_REJECTED", `The user refused this call${said}`, {
      remedy: "Do not repeat it; ask the user if you need to know more.",
    });
  }
  if (busyWith === undefined) return undefined;
  return new InputError("AGEMEM_EDIT_BUSY", `${busyWith} of the same response edits the context`, {
    remedy: "Call again after it, if this edit is still needed.",
  });
}

/**
 * Equal when LangGraph runs the same call again (retry, resume after an interrupt: same task), different otherwise.
 * `agemem_run_key` stands in for the task where runs must repeat exactly (seeded rollouts).
 */
function callKey(
  config: ToolRunConfig,
  namespace: readonly string[],
  toolCallId: string,
  messages: readonly BaseMessage[],
): string {
  const info = config.executionInfo as { taskId?: string; threadId?: string } | undefined;
  const runKey = runKeyOf(config.configurable);
  const task = runKey ? `${runKey}/${config.metadata?.langgraph_step ?? ""}` : info?.taskId;
  if (!task) return randomUUID();
  // The position tells calls apart that a model gave the same id within one response.
  const position = messages.length - messages.findLastIndex((message) => AIMessage.isInstance(message));
  return JSON.stringify([namespace, config.configurable?.thread_id ?? "", task, toolCallId, position]);
}

/** The newest assistant message and what follows it: the exchange that is being worked on. */
function runningExchange(messages: readonly BaseMessage[]): ReadonlySet<string> {
  const start = messages.findLastIndex((message) => AIMessage.isInstance(message));
  return new Set(messages.slice(Math.max(0, start)).flatMap((message) => (message.id ? [message.id] : [])));
}
