/**
 * From LangGraph's runtime to the surroundings of one operation: namespace, thread, working copy, idempotency key.
 *
 * Owns how a run is identified. Leaves out what the operation does with it.
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

/** Which tools are meant, by name. */
type ToolTest = (toolName: string) => boolean;

/** Which tools are which, by name. */
export interface ToolTests {
  /** Tools that edit the context; given for an operation that does so itself. */
  isEdit?: ToolTest;
  isMemory?: ToolTest;
  /** Tools that delete; given for an operation that does. */
  isDeletion?: ToolTest;
}

/**
 * The surroundings of one call.
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
    // Without a thread the archive is still one user's own.
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

/** The last look before either memory changes: any graph may run calls that LangChain completed by guess. */
function unreadableCall(messages: readonly BaseMessage[], callId: string): InputError | undefined {
  const response = messages.findLast((message): message is AIMessage => AIMessage.isInstance(message));
  if (!response?.tool_calls?.some((call) => call.id === callId)) return undefined;
  const problem = callProblem(response);
  if (problem === undefined) return undefined;
  return new InputError("AGEMEM_INPUT_ARGUMENT", `This response could not be read: ${problem}`, {
    remedy: "Nothing of it was run. Give its calls again, with complete arguments.",
  });
}

/** Calls that run at the same time have no answer yet: those before this one count by their place in the response. */
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
 * Equal when LangGraph runs the same call again (retry, resume after an interrupt: same task), different otherwise.
 * `agemem_run_key` stands in for the task where runs must repeat exactly (seeded rollouts).
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
  // The position tells calls apart that a model gave the same id within one response.
  const position = messages.length - messages.findLastIndex((message) => AIMessage.isInstance(message));
  return JSON.stringify([namespace, config.configurable?.thread_id ?? "", task, id, position]);
}

/** The newest assistant message and what follows it: the exchange that is being worked on. */
function runningExchange(messages: readonly BaseMessage[]): ReadonlySet<string> {
  const start = messages.findLastIndex((message) => AIMessage.isInstance(message));
  return new Set(messages.slice(Math.max(0, start)).flatMap((message) => (message.id ? [message.id] : [])));
}
