/** The tool calls of the newest response: which have yet to run, and usable ids for them. Pure. */
import { AIMessage, type BaseMessage, ToolMessage } from "@langchain/core/messages";
import type { ToolCall } from "@langchain/core/messages/tool";
import { shortHash } from "../lib/hash.js";
import { FORMAT_ERROR_KEY } from "../types.js";

/** The newest assistant message, or undefined. */
export function newestResponse(messages: readonly BaseMessage[]): AIMessage | undefined {
  return messages.findLast((message): message is AIMessage => AIMessage.isInstance(message));
}

/** Calls of the newest response without an answer, in order; empty if the response broke the protocol. */
export function openCalls(messages: readonly BaseMessage[]): ToolCall[] {
  const response = newestResponse(messages);
  if (!response || hasFormatError(messages)) return [];
  const after = messages.slice(messages.indexOf(response) + 1);
  const answered = new Set(after.map((message) => ToolMessage.isInstance(message) && message.tool_call_id));
  return (response.tool_calls ?? []).filter((call) => !answered.has(call.id ?? ""));
}

/**
 * The answer of a `returnDirect` tool to the newest response, which is then the final answer: the last one that did not
 * fail, or undefined.
 */
export function directAnswer(
  messages: readonly BaseMessage[],
  direct: ReadonlySet<string>,
): string | undefined {
  if (direct.size === 0) return undefined;
  const at = messages.findLastIndex((message) => AIMessage.isInstance(message));
  return messages
    .slice(at + 1)
    .findLast((m) => ToolMessage.isInstance(m) && m.status !== "error" && direct.has(m.name ?? ""))?.text;
}

/** Whether the list ends with a response that broke the protocol even after a repair. */
export function hasFormatError(messages: readonly BaseMessage[]): boolean {
  const last = messages.at(-1);
  return (
    last !== undefined && AIMessage.isInstance(last) && Boolean(last.additional_kwargs[FORMAT_ERROR_KEY])
  );
}

/** Gives every call an id of its own: one is derived if the model gave none, or the same one twice. */
export function withIds(calls: readonly ToolCall[], responseId: string | undefined): ToolCall[] {
  const seen = new Set<string>();
  return calls.map((call, index) => {
    const given = call.id && !seen.has(call.id) ? call.id : undefined;
    const id = given ?? `call_${shortHash(`${responseId ?? ""}/${index}/${JSON.stringify(call)}`, 12)}`;
    seen.add(id);
    return { ...call, id, type: "tool_call" };
  });
}
