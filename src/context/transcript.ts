/**
 * Renders messages as plain text for a model that reads about them: delimited, attributed, and escaped, so that their
 * content cannot pose as another speaker or end the transcript.
 *
 * Owns this format, in which no content block is lost: what cannot be shown is described. Pure.
 */
import { type BaseMessage, ToolMessage } from "@langchain/core/messages";
import { escapeXml } from "../text/escaping.js";
import {
  blocksOf,
  type ContentBlock,
  callsOf,
  isCallBlock,
  isSummary,
  originOf,
  textOfBlock,
} from "./messages.js";
import { summaryTextOf } from "./summary-message.js";

/** `additional_kwargs` key of a part of a message that was too long for the summarizer, such as "2/3". */
export const PART_KEY = "agemem_part";

/**
 * The messages as `<message role=…>` elements within `<transcript>`, including tool calls and their arguments.
 *
 * @example
 * renderTranscript([new HumanMessage("2 < 3")]);
 * // <transcript>\n<message role="user">2 &lt; 3</message>\n</transcript>
 */
export function renderTranscript(messages: readonly BaseMessage[]): string {
  return ["<transcript>", ...messages.map(renderMessage), "</transcript>"].join("\n");
}

/** One message as {@link renderTranscript} renders it. */
export function renderMessage(message: BaseMessage): string {
  const attributes = [`role="${roleOf(message)}"`];
  const attribute = (name: string, value: unknown): void => {
    if (typeof value === "string" && value !== "") attributes.push(`${name}="${escapeXml(value)}"`);
  };
  attribute("name", message.name);
  if (ToolMessage.isInstance(message)) {
    attribute("call", message.tool_call_id);
    if (message.status === "error") attribute("status", "error");
  }
  attribute("part", message.additional_kwargs[PART_KEY]);
  return `<message ${attributes.join(" ")}>${escapeXml(plainBody(message))}</message>`;
}

/** Everything the message says, unescaped: its text, descriptions of its other blocks, its calls. */
export function plainBody(message: BaseMessage): string {
  if (isSummary(message)) return summaryTextOf(message);
  const parts: string[] = [];
  for (const block of blocksOf(message)) {
    const text = textOfBlock(block);
    if (text !== undefined) parts.push(text);
    else if (!isCallBlock(block)) parts.push(describeBlock(block));
  }
  for (const call of callsOf(message)) {
    const args = typeof call.args === "string" ? call.args : JSON.stringify(call.args);
    parts.push(`[calls ${call.name || "a tool"} ${call.id ?? ""} with ${args}]`.replace("  ", " "));
  }
  const body = parts.filter((part) => part !== "").join("\n");
  return body === "" ? "[no text]" : body;
}

function roleOf(message: BaseMessage): string {
  const origin = originOf(message);
  return origin === "memory" && ToolMessage.isInstance(message) ? "tool" : origin;
}

const REASONING = new Set(["reasoning", "thinking", "reasoning_content"]);

/** Describes a block that is not plain text: its kind, name, media type and size, or the reasoning itself. */
export function describeBlock(block: ContentBlock): string {
  if (REASONING.has(block.type)) {
    const text = firstText(block.reasoning, block.thinking, block.text, summaryOf(block.summary));
    return text ? `[reasoning: ${text}]` : "[reasoning, hidden by the provider]";
  }
  const nested = block[block.type];
  const inner = (typeof nested === "object" && nested !== null ? nested : {}) as Record<string, unknown>;
  const source = (typeof block.source === "object" && block.source !== null ? block.source : {}) as Record<
    string,
    unknown
  >;
  const label = firstText(block.filename, inner.filename, block.title, block.name);
  const media = firstText(block.mime_type, block.mimeType, source.media_type, inner.format);
  const at = firstText(block.url, inner.url, source.url, typeof nested === "string" ? nested : undefined);
  const data = firstText(block.data, inner.data, inner.file_data, source.data);
  const details = [label, media, at && (at.startsWith("data:") ? sizeOf(at) : at), data && sizeOf(data)];
  const known = details.filter(Boolean).join(", ");
  const text = firstText(block.text);
  return `[${block.type.replaceAll("_", " ")}${known ? `: ${known}` : ""}]${text ? `\n${text}` : ""}`;
}

function summaryOf(value: unknown): string | undefined {
  if (!Array.isArray(value)) return undefined;
  return value.map((item: { text?: unknown }) => (typeof item?.text === "string" ? item.text : "")).join(" ");
}

function sizeOf(data: string): string {
  return `${data.length.toLocaleString("en-US")} characters of data`;
}

function firstText(...values: unknown[]): string | undefined {
  return values.find((value): value is string => typeof value === "string" && value !== "");
}
