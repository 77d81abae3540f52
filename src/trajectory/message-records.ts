/**
 * Converts LangChain messages to records.
 *
 * Owns the list of copied fields (role, content, tool calls, reasoning, ids, names), so that headers, keys and provider
 * extras never get in.
 */
import {
  AIMessage,
  type AIMessageChunk,
  type BaseMessage,
  ChatMessage,
  FunctionMessage,
  HumanMessage,
  SystemMessage,
  ToolMessage,
} from "@langchain/core/messages";
import type { MessageRecord, ResponseRecord, ToolCallRecord } from "./schema-parts.js";

type Role = MessageRecord["role"];

/**
 * Converts messages and remembers the record of each message object, so that the steps of a long rollout share the
 * records of common messages. A message whose content or tool calls were replaced is converted again.
 */
export class MessageRecords {
  private readonly seen = new WeakMap<
    BaseMessage,
    { content: unknown; toolCalls: unknown; record: MessageRecord }
  >();

  of(message: BaseMessage): MessageRecord {
    const toolCalls = AIMessage.isInstance(message) ? message.tool_calls : undefined;
    const hit = this.seen.get(message);
    if (hit && hit.content === message.content && hit.toolCalls === toolCalls) return hit.record;
    const record = toMessageRecord(message);
    this.seen.set(message, { content: message.content, toolCalls, record });
    return record;
  }
}

/** One message as sent to the model. */
export function toMessageRecord(message: BaseMessage): MessageRecord {
  const calls = AIMessage.isInstance(message) ? toolCallsOf(message) : [];
  return {
    role: roleOf(message),
    content: contentOf(message),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
    ...(ToolMessage.isInstance(message) ? { tool_call_id: message.tool_call_id } : {}),
    ...(message.name ? { name: message.name } : {}),
    ...(message.id ? { id: message.id } : {}),
  };
}

/** The model's answer. */
export function toResponseRecord(message: BaseMessage): ResponseRecord {
  const extra = message.additional_kwargs;
  const reasoning = extra.reasoning_content ?? extra.reasoning ?? rawReasoning(extra.__raw_response);
  return {
    role: "assistant",
    content: contentOf(message),
    reasoning: typeof reasoning === "string" ? reasoning : null,
    tool_calls: AIMessage.isInstance(message) ? toolCallsOf(message) : [],
  };
}

/** Newer vLLM names the field `reasoning`, which LangChain keeps only in the raw body. */
function rawReasoning(raw: unknown): unknown {
  const choices = (raw as { choices?: { message?: { reasoning?: unknown } }[] } | undefined)?.choices;
  return choices?.[0]?.message?.reasoning;
}

function roleOf(message: BaseMessage): Role {
  if (SystemMessage.isInstance(message)) {
    return message.additional_kwargs.__openai_role__ === "developer" ? "developer" : "system";
  }
  if (HumanMessage.isInstance(message)) return "user";
  if (AIMessage.isInstance(message)) return "assistant";
  if (ToolMessage.isInstance(message)) return "tool";
  if (FunctionMessage.isInstance(message)) return "function";
  const role = ChatMessage.isInstance(message) ? message.role : undefined;
  return role === "system" || role === "assistant" || role === "developer" ? role : "user";
}

function contentOf(message: BaseMessage): MessageRecord["content"] {
  const { content } = message;
  return typeof content === "string" ? content : structuredClone(content as Record<string, unknown>[]);
}

/** Tool calls with the raw argument text where LangChain kept it, else with the parsed arguments as JSON. */
function toolCallsOf(message: AIMessage): ToolCallRecord[] {
  const raw = new Map<string, string>();
  const provided = message.additional_kwargs.tool_calls;
  if (Array.isArray(provided)) {
    for (const call of provided) if (call?.id) raw.set(call.id, String(call.function?.arguments ?? ""));
  }
  // A streamed message has the raw text in its chunks.
  const { tool_call_chunks: chunks = [] } = message as Partial<AIMessageChunk>;
  for (const chunk of chunks) if (chunk.id && chunk.args) raw.set(chunk.id, chunk.args);
  const calls: ToolCallRecord[] = (message.tool_calls ?? []).map((call, i) => {
    const id = call.id ?? `call-${i}`;
    return { id, name: call.name, arguments: raw.get(id) || JSON.stringify(call.args) };
  });
  for (const call of message.invalid_tool_calls ?? []) {
    calls.push({ id: call.id ?? "", name: call.name ?? "", arguments: call.args ?? "" });
  }
  return calls;
}
