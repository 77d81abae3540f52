/**
 * Runs one call of an application's own tool through LangGraph's `ToolNode`, which reports its errors to the model.
 *
 * Owns what becomes of the output: an update in which the call is answered, and in which messages that the tool sends in
 * the user's role are not taken for the user's.
 */
import { randomUUID } from "node:crypto";
import {
  type BaseMessage,
  type BaseMessageLike,
  coerceMessageLikeToMessage,
  ToolMessage,
} from "@langchain/core/messages";
import type { ToolCall } from "@langchain/core/messages/tool";
import { isCommand, type LangGraphRunnableConfig } from "@langchain/langgraph";
import type { ToolNode } from "@langchain/langgraph/prebuilt";
import { isUserMessage, ORIGIN_KEY } from "../../context/messages.js";
import { shortHash } from "../../lib/hash.js";
import { runKeyOf } from "../../lib/run-owner.js";
import type { AgentStateValue } from "../state.js";

/** A state update whose messages are a list of messages. */
export type ToolUpdate = Record<string, unknown> & { messages: BaseMessage[] };

/** Runs the call on a state and returns the update. */
export async function runOwnTool(
  tools: ToolNode,
  call: ToolCall,
  state: AgentStateValue,
  config: LangGraphRunnableConfig,
): Promise<ToolUpdate> {
  const output: unknown = await tools.invoke({ ...state, lg_tool_call: call }, config);
  const update = withFixedIds(answered(mergeOutputs(output), call), call, config);
  return { ...update, messages: update.messages.map((message) => fromTool(message, state.messages)) };
}

/** Merges ToolNode's output: an object of messages, or a list of those and the Commands that tools returned. */
function mergeOutputs(output: unknown): ToolUpdate {
  const merged: ToolUpdate = { messages: [] };
  for (const part of Array.isArray(output) ? output : [output]) {
    const update = (isCommand(part) ? part.update : part) as Record<string, unknown> | undefined;
    const { messages, ...others } = update ?? {};
    const said = (Array.isArray(messages) ? messages : [messages ?? []].flat()) as BaseMessageLike[];
    merged.messages.push(...said.map((message) => coerceMessageLikeToMessage(message)));
    Object.assign(merged, others);
  }
  return merged;
}

/** Marks a tool's message in the user's role, so that edits do not protect it as the newest user message. */
function fromTool(message: BaseMessage, known: readonly BaseMessage[]): BaseMessage {
  if (!isUserMessage(message) || known.some(({ id }) => id !== undefined && id === message.id))
    return message;
  const additional_kwargs = { ...message.additional_kwargs, [ORIGIN_KEY]: "tool" };
  const copy = Object.create(Object.getPrototypeOf(message)) as BaseMessage;
  return Object.assign(copy, message, { additional_kwargs, id: message.id ?? randomUUID() });
}

/** Adds the missing answer if a tool returned only a Command, so that every call in the history is answered. */
function answered(update: ToolUpdate, call: ToolCall): ToolUpdate {
  const isAnswer = (message: BaseMessage) =>
    ToolMessage.isInstance(message) && message.tool_call_id === call.id;
  if (update.messages.some(isAnswer)) return update;
  const answer = new ToolMessage({ name: call.name, content: "Done.", tool_call_id: call.id ?? "" });
  return { ...update, messages: [...update.messages, answer] };
}

/** Derives missing message ids in seeded rollouts, which must repeat exactly; otherwise they would be random. */
function withFixedIds(update: ToolUpdate, call: ToolCall, config: LangGraphRunnableConfig): ToolUpdate {
  const runKey = runKeyOf(config.configurable);
  if (!runKey) return update;
  for (const [i, message] of update.messages.entries()) {
    message.id ??= `t${shortHash(`${runKey}/${config.metadata?.langgraph_step ?? ""}/${call.id}/${i}`, 12)}`;
  }
  return update;
}
