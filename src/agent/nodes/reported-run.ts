/**
 * Reports a memory operation as a tool run, visible in LangSmith, `streamEvents`, LangGraph's stream mode "tools" and
 * every callback handler.
 *
 * Owns what LangChain's own tools would report: start, end or error of the run, the operation's event within it, and
 * callbacks for models that the operation calls. Leaves out the operation (`tools/operations.ts`).
 */
import { CallbackManager, parseCallbackConfigArg } from "@langchain/core/callbacks/manager";
import type { Serialized } from "@langchain/core/load/serializable";
import type { OperationCall } from "../../tools/operation-call.js";
import type { MemoryOperation, OperationDone } from "../../tools/operations.js";
import { traceFields } from "../../tools/tracing.js";
import { MEMORY_EVENT } from "../../types.js";

/** The run is not a LangChain object, so handlers have only its name. */
const UNSERIALIZED: Serialized = { lc: 1, type: "not_implemented", id: ["agemem", "operation"] };

/** Runs the operation, reported through the callbacks of the call's config. */
export async function runReported(operation: MemoryOperation, call: OperationCall): Promise<OperationDone> {
  const { op, name } = operation;
  const { callbacks, tags, metadata } = parseCallbackConfigArg(call.config);
  const own = traceFields(op);
  const manager = CallbackManager.configure(callbacks, undefined, tags, own.tags, metadata, own.metadata);
  if (!manager) return operation.run(call);
  const input = JSON.stringify(call.args);
  const start = [undefined, undefined, undefined, undefined, name, call.id] as const;
  const run = await manager.handleToolStart(UNSERIALIZED, input, ...start);
  const inside = run.getChild();
  try {
    const done = await operation.run({ ...call, config: { ...call.config, callbacks: inside } });
    await inside.handleCustomEvent?.(MEMORY_EVENT, done.outcome, run.runId);
    await run.handleToolEnd(done.answer);
    return done;
  } catch (error) {
    await run.handleToolError(error);
    throw error;
  }
}
