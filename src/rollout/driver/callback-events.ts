/**
 * Sends LangChain's callback events for runs that do not go through LangChain's runnables.
 *
 * LangChain's callback managers, run trees and schema checks take several times the time of a step, and training makes
 * millions of steps. Owns the events: start, end and error of the run, its nodes, model calls and memory operations,
 * in the order and with the arguments of a graph. Leaves out streaming of tokens.
 */
import { randomUUID } from "node:crypto";
import type { BaseCallbackHandler } from "@langchain/core/callbacks/base";
import { CallbackManager } from "@langchain/core/callbacks/manager";
import type { Serialized } from "@langchain/core/load/serializable";
import type { BaseMessage } from "@langchain/core/messages";
import type { LLMResult } from "@langchain/core/outputs";
import type { OperationCall } from "../../tools/operation-call.js";
import type { MemoryOperation, OperationDone } from "../../tools/operations.js";
import { MEMORY_EVENT } from "../../types.js";

type Fields = Record<string, unknown>;

/** Stands for the serialized runnable; handlers use the run's name instead. */
const UNSERIALIZED: Serialized = { lc: 1, type: "not_implemented", id: [] };

/** A callback manager that makes whatever uses it a child of the run, with the same handlers. */
export function managerOf(runId: string, handlers: BaseCallbackHandler[]): CallbackManager {
  return new CallbackManager(runId, { handlers, inheritableHandlers: handlers });
}

/** Runs a chain (the graph or one of its nodes). `work` gets the run's id, the parent of what runs inside. */
export async function runChain<T extends object>(
  handlers: BaseCallbackHandler[],
  run: { parentId?: string; name: string; tags?: string[]; metadata: Fields; input: object },
  work: (runId: string) => Promise<T>,
): Promise<T> {
  const runId = randomUUID();
  // The order of the arguments at run time; LangChain 1.2 declares another.
  const given = [UNSERIALIZED, run.input, runId, run.parentId, run.tags, run.metadata, undefined, run.name];
  await each(handlers, (handler) =>
    (handler.handleChainStart as ((...args: unknown[]) => unknown) | undefined)?.apply(handler, given),
  );
  const output = await orTold(
    () => work(runId),
    (error) => each(handlers, (handler) => handler.handleChainError?.(error, runId, run.parentId)),
  );
  await each(handlers, (handler) => handler.handleChainEnd?.(output as Fields, runId, run.parentId));
  return output;
}

/** Runs one call of a chat model. */
export async function runModelCall(
  handlers: BaseCallbackHandler[],
  run: { parentId: string | undefined; name: string; tags: string[]; metadata: Fields; extra: Fields },
  messages: BaseMessage[],
  generate: (runId: string) => Promise<LLMResult>,
): Promise<LLMResult> {
  const runId = randomUUID();
  const { parentId, name, tags, metadata, extra } = run;
  const given = [runId, parentId, extra, tags, metadata, name] as const;
  await each(handlers, (handler) => handler.handleChatModelStart?.(UNSERIALIZED, [messages], ...given));
  const result = await orTold(
    () => generate(runId),
    (error) => each(handlers, (handler) => handler.handleLLMError?.(error, runId, parentId)),
  );
  await each(handlers, (handler) => handler.handleLLMEnd?.(result, runId, parentId));
  return result;
}

/** Runs one memory operation. What it calls in turn (the summarizer) is its child. */
export async function runMemoryOperation(
  operation: MemoryOperation,
  call: OperationCall,
): Promise<OperationDone> {
  const { tags, metadata, callbacks } = call.config;
  const parent = callbacks as CallbackManager;
  const { handlers } = parent;
  const [runId, parentId] = [randomUUID(), parent.getParentRunId()];
  const input = JSON.stringify(call.args);
  const given = [UNSERIALIZED, input, runId, parentId, tags, metadata, operation.name, call.id] as const;
  await each(handlers, (handler) => handler.handleToolStart?.(...given));
  const config = { ...call.config, callbacks: managerOf(runId, handlers) };
  const done = await orTold(
    () => operation.run({ ...call, config }),
    (error) => each(handlers, (handler) => handler.handleToolError?.(error, runId, parentId)),
  );
  await each(handlers, (handler) =>
    handler.handleCustomEvent?.(MEMORY_EVENT, done.outcome, runId, tags, metadata),
  );
  await each(handlers, (handler) => handler.handleToolEnd?.(done.answer, runId, parentId));
  return done;
}

/**
 * Calls one handler after the other, so that recorders see the events in order. Waits only for handlers that return a
 * promise: awaiting each of a step's dozen events would cost more than the recorder does.
 */
function each(
  handlers: readonly BaseCallbackHandler[],
  tell: (handler: BaseCallbackHandler) => unknown,
): Promise<void> | undefined {
  for (const [i, handler] of handlers.entries()) {
    const told = tell(handler);
    if (told instanceof Promise) return told.then(() => each(handlers.slice(i + 1), tell));
  }
  return undefined;
}

async function orTold<T>(
  work: () => Promise<T>,
  failed: (error: unknown) => Promise<void> | undefined,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await failed(error);
    throw error;
  }
}
