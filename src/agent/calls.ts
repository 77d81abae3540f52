/** The calls of the newest response: which are still to run, and ids that a history can hang on. Pure. */
import { AIMessage, type BaseMessage, ToolMessage } from "@langchain/core/messages";
import type { ToolCall } from "@langchain/core/messages/tool";
import { shortHash } from "../lib/hash.js";
import { FORMAT_ERROR_KEY } from "../types.js";

/** The newest assistant message, or undefined. */
export function newestResponse(messages: readonly BaseMessage[]): AIMessage | undefined {
  return messages.findLast((message): message is AIMessage => AIMessage.isInstance(message));
}

/** Calls of the newest response without an answer, in order; empty when its protocol was broken. */
export function openCalls(messages: readonly BaseMessage[]): ToolCall[] {
  const response = newestResponse(messages);
  if (!response || hasFormatError(messages)) return [];
  const after = messages.slice(messages.indexOf(response) + 1);
  const answered = new Set(after.map((message) => ToolMessage.isInstance(message) && message.tool_call_id));
  return (response.tool_calls ?? []).filter((call) => !answered.has(call.id ?? ""));
}

/**
 * What a tool with `returnDirect` answered to the newest response, which is then the final answer; undefined when none
 * did, or all failed. Of several the last counts.
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

/** Whether the list ends with a response that could not be read, also after a repair. */
export function hasFormatError(messages: readonly BaseMessage[]): boolean {
  const last = messages.at(-1);
  return (
    last !== undefined && AIMessage.isInstance(last) && Boolean(last.additional_kwargs[FORMAT_ERROR_KEY])
  );
}

/** Calls with an id each: where a model gave none, or one twice in a response, one is derived. */
export function withIds(calls: readonly ToolCall[], responseId: string | undefined): ToolCall[] {
  const seen = new Set<string>();
  return calls.map((call, index) => {
    const given = call.id && !seen.has(call.id) ? call.id : undefined;
    const id = given ?? `call_${shortHash(`${responseId ?? ""}/${index}/${JSON.stringify(call)}`, 12)}`;
    seen.add(id);
    return { ...call, id, type: "tool_call" };
  });
}
