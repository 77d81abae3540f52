/**
 * LangChain's messages as a chat template expects them.
 *
 * Owns roles, tool calls and results, and, for templates that know nothing of tools, how these are written as text. Pure.
 */
import { AIMessage, type BaseMessage, ToolMessage } from "@langchain/core/messages";
import { exampleCall } from "../../prompts.js";
import type { ChatTemplate, TemplateMessage } from "./template.js";

/** A tool as templates and OpenAI's protocol have it. */
export interface OpenAITool {
  type: "function";
  function: { name: string; description?: string; parameters?: Record<string, unknown> };
}

const ROLES: Readonly<Record<string, string>> = {
  human: "user",
  ai: "assistant",
  system: "system",
  tool: "tool",
};

/** The messages for a template; calls and results become text where it does not know tools. */
export function templateMessages(
  messages: readonly BaseMessage[],
  template: Pick<ChatTemplate, "knowsTools">,
): TemplateMessage[] {
  const own = messages.map((message) => toTemplate(message, template));
  return template.knowsTools ? own : own.map(withoutToolParts);
}

/**
 * Tells of the tools in the system message, for templates that do not. They come before the application's own text: its last line,
 * how full the context is, changes, and what stands before it need not be read again.
 */
export function addTools(
  messages: readonly TemplateMessage[],
  tools: readonly OpenAITool[],
): TemplateMessage[] {
  if (tools.length === 0) return [...messages];
  const text = toolInstructions(tools);
  const [first, ...rest] = messages;
  return first?.role === "system"
    ? [{ ...first, content: `${text}\n\n${first.content}` }, ...rest]
    : [{ role: "system", content: text }, ...messages];
}

function toTemplate(message: BaseMessage, template: Pick<ChatTemplate, "knowsTools">): TemplateMessage {
  const role = ROLES[message.getType()] ?? (message as { role?: string }).role ?? "user";
  const content = message.text;
  if (ToolMessage.isInstance(message)) {
    return {
      role,
      content,
      tool_call_id: message.tool_call_id,
      ...(message.name ? { name: message.name } : {}),
    };
  }
  if (!AIMessage.isInstance(message)) return { role, content };
  const broken = brokenText(message);
  if (broken !== undefined) return { role, content: broken };
  if (!message.tool_calls?.length) return { role, content };
  const calls = message.tool_calls.map(({ id, name, args }) => ({
    id: id ?? "",
    type: "function" as const,
    function: { name, arguments: args },
  }));
  return template.knowsTools
    ? { role, content, tool_calls: calls }
    : {
        role,
        content: [content, ...calls.map((call) => callText(call.function))].filter(Boolean).join("\n"),
      };
}

/** What the model wrote when its calls could not be read: it is asked to give that again, and has to see it. */
function brokenText({ text, invalid_tool_calls = [] }: AIMessage): string | undefined {
  if (invalid_tool_calls.length === 0) return undefined;
  // Our own responses keep their whole text in a call without a name, and what came before the call in the content too.
  const [whole] = invalid_tool_calls.filter(({ name, args }) => !name && args?.startsWith(text));
  if (whole) return whole.args;
  const calls = invalid_tool_calls.map(
    ({ name, args }) => `<tool_call>\n${name ?? ""} ${args ?? ""}\n</tool_call>`,
  );
  return [text, ...calls].filter(Boolean).join("\n");
}

function callText({ name, arguments: args }: { name: string; arguments: Record<string, unknown> }): string {
  return `<tool_call>\n${JSON.stringify({ name, arguments: args })}\n</tool_call>`;
}

/** A template without tools knows no role "tool" either: results come from the user, in a block of their own. */
function withoutToolParts(message: TemplateMessage): TemplateMessage {
  if (message.role !== "tool") return message;
  const body = message.content.replace(/<(\/?)tool_response/gi, "&lt;$1tool_response");
  return { role: "user", content: `<tool_response>\n${body}\n</tool_response>` };
}

/** What a model is told of its tools where its template tells it nothing: Hermes' form, which most small models have seen. */
export function toolInstructions(tools: readonly OpenAITool[]): string {
  const lines = tools.map((tool) => JSON.stringify(tool.function));
  const { name = "TOOL", parameters = {} } = tools[0]?.function ?? {};
  return [
    "You have these tools, one per line as JSON:",
    "<tools>",
    ...lines,
    "</tools>",
    "To use one, write only this, with its name and arguments:",
    "<tool_call>",
    exampleCall({ name, parameters }),
    "</tool_call>",
    "Its result comes back in <tool_response>. Without a tool call, what you write is your answer to the user.",
  ].join("\n");
}
