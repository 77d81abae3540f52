/** Converts recorded messages to OpenAI's chat format, which chat templates and trainers read. Pure. */
import type { MessageRecord, ResponseRecord, ToolCallRecord } from "../schema-parts.js";

type OpenAiMessage = Record<string, unknown> & { role: string };

/** Converts a message of the prompt, or a response. */
export function openAiMessage(message: MessageRecord | ResponseRecord): OpenAiMessage {
  const { role, content, tool_calls: calls = [] } = message;
  return {
    role,
    content,
    ...("tool_call_id" in message && message.tool_call_id !== undefined
      ? { tool_call_id: message.tool_call_id }
      : {}),
    ...("name" in message && message.name !== undefined ? { name: message.name } : {}),
    ...("reasoning" in message && message.reasoning !== null ? { reasoning_content: message.reasoning } : {}),
    ...(calls.length > 0 ? { tool_calls: calls.map(openAiToolCall) } : {}),
  };
}

function openAiToolCall({ id, name, arguments: text }: ToolCallRecord): Record<string, unknown> {
  return { id, type: "function", function: { name, arguments: text } };
}
