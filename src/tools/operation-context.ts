/**
 * Derives an operation's context from LangGraph's runtime: namespace, thread, working copy, idempotency key.
 *
 * Owns how a run is identified, and the refusals that hold whatever the arguments. Leaves out the operations.
 */
import { randomUUID } from "node:crypto";
import { AIMessage, type BaseMessage } from "@langchain/core/messages";
import { InputError } from "../errors.js";
import { ownerOf, runKeyOf } from "../lib/run-owner.js";
import { callProblem } from "../models/response-problem.js";
import { countsIn, type OperationCounts, tooMany, tooManyDeletions } from "./limits.js";
import type { OperationCall } from "./operation-call.js";
import { siblingsOf } from "./parallel-edit.js";
import type { MemoryToolkit, OperationContext } from "./toolkit.js";

/** Tests a tool's name. */
type ToolTest = (toolName: string) => boolean;

/** Tells tools apart by name. */
export interface ToolTests {
  /** Tools that edit the context; set for an operation that is one of them. */
  isEdit?: ToolTest;
  isMemory?: ToolTest;
  /** Tools that delete; set for an operation that does. */
  isDeletion?: ToolTest;
}

/**
 * The context of one call.
 *
 * @throws ConfigError `AGEMEM_NAMESPACE_VALUE_MISSING`, AccessError `AGEMEM_THREAD_OWNER`, `AGEMEM_AUTH_REQUIRED`
 */
export function contextOf(kit: MemoryToolkit, call: OperationCall, tests: ToolTests = {}): OperationContext {
  const { id: toolCallId, state, config, inOrder } = call;
  const messages = state.messages ?? [];
  const values = config.configurable ?? {};
  const { namespace, owner } = ownerOf(kit.namespace, config, state.memoryOwner);
  const siblings = inOrder
    ? { parallel: false, busyWith: undefined, before: [] }
    : siblingsOf(messages, toolCallId, tests.isEdit ?? (() => false));
  const seen = inOrder?.seen ?? state.ltmVersion;
  const decision = inOrder?.decision;
  const refusal =
    unreadableCall(messages, toolCallId) ??
    (decision?.kind === "rejected" ? rejected(decision.reason) : undefined) ??
    (siblings.busyWith === undefined ? undefined : busy(siblings.busyWith)) ??
    limitReached(kit, inOrder?.counts ?? countsIn(messages), siblings.before, tests);
  return {
    parallel: siblings.parallel,
    ...(refusal ? { refusal } : {}),
    toolCallId,
    namespace,
    ...(state.memoryOwner ? {} : { owner }),
    // Without a thread, conversations of one namespace share an archive.
    thread: String(values.thread_id ?? runKeyOf(values) ?? namespace.join("/")),
    key: callKey(call, namespace, messages),
    messages,
    facts: state.contextFacts ?? {},
    ...(seen ? { seen } : {}),
    ...(decision?.kind === "approved" ? { approved: true } : {}),
    overheadTokens: state.contextOverhead ?? 0,
    protectIds: runningExchange(messages),
    config: {
      ...(config.callbacks ? { callbacks: config.callbacks } : {}),
      ...(config.metadata ? { metadata: config.metadata } : {}),
      ...(config.tags ? { tags: config.tags } : {}),
      ...(config.signal ? { signal: config.signal } : {}),
    },
  };
}

/** The last check before either memory changes: other graphs may run calls whose broken JSON LangChain has guessed. */
function unreadableCall(messages: readonly BaseMessage[], callId: string): InputError | undefined {
  const response = messages.findLast((message): message is AIMessage => AIMessage.isInstance(message));
  if (!response?.tool_calls?.some((call) => call.id === callId)) return undefined;
  const problem = callProblem(response);
  if (problem === undefined) return undefined;
  return new InputError("AGEMEM_INPUT_ARGUMENT", `This response could not be read: ${problem}`, {
    remedy: "None of its calls ran. Repeat them with complete arguments.",
  });
}

/** Concurrent calls have no answer yet, so those before this one in the response are counted by their position. */
function limitReached(
  { limits }: MemoryToolkit,
  done: OperationCounts,
  before: readonly string[],
  { isMemory = () => false, isDeletion }: ToolTests,
): InputError | undefined {
  const operations = tooMany(limits, done.operations + before.filter(isMemory).length);
  if (operations || !isDeletion) return operations;
  return tooManyDeletions(limits, done.deletions + before.filter(isDeletion).length);
}

function rejected(reason: string): InputError {
  return new InputError("AGEMEM_OPERATION_REJECTED", `The user refused this call${reason && `: ${reason}`}`, {
    remedy: "Do not repeat it; ask the user if you need to know more.",
  });
}

function busy(edit: string): InputError {
  return new InputError("AGEMEM_EDIT_BUSY", `${edit} of the same response edits the context`, {
    remedy: "Call again after it, if this edit is still needed.",
  });
}

/**
 * The same key when LangGraph runs a call again (retry, resume after an interrupt: same task), a different one
 * otherwise. `agemem_run_key` replaces the task id where runs must repeat exactly (seeded rollouts).
 */
function callKey(
  { id, config }: OperationCall,
  namespace: readonly string[],
  messages: readonly BaseMessage[],
): string {
  const info = config.executionInfo as { taskId?: string; threadId?: string } | undefined;
  const runKey = runKeyOf(config.configurable);
  const task = runKey ? `${runKey}/${config.metadata?.langgraph_step ?? ""}` : info?.taskId;
  if (!task) return randomUUID();
  // The position tells apart calls of different steps to which a model gave the same id.
  const position = messages.length - messages.findLastIndex((message) => AIMessage.isInstance(message));
  return JSON.stringify([namespace, config.configurable?.thread_id ?? "", task, id, position]);
}

/** The exchange in progress: the newest assistant message and what follows it. */
function runningExchange(messages: readonly BaseMessage[]): ReadonlySet<string> {
  const start = messages.findLastIndex((message) => AIMessage.isInstance(message));
  return new Set(messages.slice(Math.max(0, start)).flatMap((message) => (message.id ? [message.id] : [])));
}
