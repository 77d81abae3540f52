/**
 * The tool node: runs the calls of one response one after the other on a working copy of the state.
 *
 * In order and never in parallel, because each call may change what the next one sees (a FILTER after a RETRIEVE).
 * Memory tools report store failures by throwing; the application's own tools run through LangGraph's `ToolNode`,
 * whose errors go back to the model.
 */
import { AIMessage, type BaseMessage, RemoveMessage, ToolMessage } from "@langchain/core/messages";
import type { ToolCall } from "@langchain/core/messages/tool";
import {
  type Command,
  isCommand,
  type LangGraphRunnableConfig,
  messagesStateReducer,
  REMOVE_ALL_MESSAGES,
} from "@langchain/langgraph";
import { reduceFacts } from "../context/budget.js";
import { shortHash } from "../lib/hash.js";
import { refusedOutcome } from "../tools/run-operation.js";
import { isOutcome, MEMORY_EVENT, type MemoryOpOutcome } from "../types.js";
import type { AgentParts } from "./parts.js";
import type { AgentStateUpdate, AgentStateValue } from "./state.js";

/** Builds the node. */
export function toolNode(parts: AgentParts) {
  return async (state: AgentStateValue, config: LangGraphRunnableConfig): Promise<AgentStateUpdate> => {
    const request = state.messages.findLast((message) => AIMessage.isInstance(message));
    let working: AgentStateValue = state;
    let rest: Record<string, unknown> = {};
    for (const call of (request as AIMessage | undefined)?.tool_calls ?? []) {
      const update = await runCall(parts, call, working, config);
      const { messages = [], contextFacts = {}, ...others } = update;
      working = {
        ...working,
        ...others,
        messages: messagesStateReducer(working.messages, messages as BaseMessage[]),
        contextFacts: reduceFacts(working.contextFacts, contextFacts as AgentStateValue["contextFacts"]),
      } as AgentStateValue;
      rest = { ...rest, ...others };
      for (const message of messages as BaseMessage[]) announce(message, config);
    }
    return {
      ...rest,
      messages: [new RemoveMessage({ id: REMOVE_ALL_MESSAGES }), ...working.messages],
      contextFacts: changedFacts(state.contextFacts, working.contextFacts),
    } as AgentStateUpdate;
  };
}

/** One call; what it changes, as a graph update. */
async function runCall(
  parts: AgentParts,
  call: ToolCall,
  working: AgentStateValue,
  config: LangGraphRunnableConfig,
): Promise<Record<string, unknown>> {
  const memoryTool = parts.memoryTools.get(call.name);
  if (!memoryTool) {
    const output: unknown = await parts.ownTools.invoke({ ...working, lg_tool_call: call }, config);
    return mergeOutputs(output);
  }
  const runtime = { ...config, state: working, toolCallId: call.id ?? "", config };
  try {
    const command = (await memoryTool.tool.invoke({ ...call, type: "tool_call" }, runtime)) as Command;
    return command.update as Record<string, unknown>;
  } catch (error) {
    if (!isArgumentError(error)) throw error;
    return wrongArguments(memoryTool, call, working, error);
  }
}

/** LangChain checks a tool's schema before the tool runs; that refusal is an outcome like any other. */
function wrongArguments(
  memoryTool: { op: MemoryOpOutcome["op"] },
  call: ToolCall,
  working: AgentStateValue,
  error: Error,
): Record<string, unknown> {
  const outcome = refusedOutcome(memoryTool.op, call.id ?? "", error.message, working.contextTokens);
  return {
    messages: [
      new ToolMessage({
        id: `t${shortHash(`${working.messages.at(-1)?.id}/${call.id}/${call.name}`, 12)}`,
        name: call.name,
        content: `Error: ${outcome.error?.code}: ${outcome.error?.message} Repeat the call with the arguments of the schema.`,
        status: "error",
        tool_call_id: call.id ?? "",
        artifact: outcome,
      }),
    ],
  };
}

function isArgumentError(error: unknown): error is Error {
  return error instanceof Error && error.name === "ToolInputParsingException";
}

/** ToolNode answers with messages, or with one Command per tool that returned one. */
function mergeOutputs(output: unknown): Record<string, unknown> {
  const merged: Record<string, unknown> & { messages: BaseMessage[] } = { messages: [] };
  for (const part of Array.isArray(output) ? output : [output]) {
    const update = (isCommand(part) ? part.update : part) as Record<string, unknown> | undefined;
    const { messages, ...others } = update ?? {};
    merged.messages.push(...((messages as BaseMessage[] | undefined) ?? []));
    Object.assign(merged, others);
  }
  return merged;
}

function announce(message: BaseMessage, config: LangGraphRunnableConfig): void {
  const outcome = ToolMessage.isInstance(message) ? message.artifact : undefined;
  if (!isOutcome(outcome)) return;
  config.writer?.({ event: MEMORY_EVENT, ...outcome });
}

function changedFacts(
  before: AgentStateValue["contextFacts"],
  after: AgentStateValue["contextFacts"],
): Record<string, AgentStateValue["contextFacts"][string] | null> {
  const changed: ReturnType<typeof changedFacts> = {};
  for (const [id, fact] of Object.entries(after)) if (before[id] !== fact) changed[id] = fact;
  for (const id of Object.keys(before)) if (!(id in after)) changed[id] = null;
  return changed;
}
