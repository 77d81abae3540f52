/**
 * What a message of the context tells the model as facts, and which memories it shows. Pure.
 *
 * Text that only names what to find or remove is left out: the arguments `query` and `criteria` (also where a summary
 * repeats them) and the query of a retrieved block. So are tags with their attributes.
 */
import { unescapeXml } from "../../text/escaping.js";
import type { MessageRecord } from "../schema-parts.js";

/** Matches the arguments in JSON, and in JSON inside a JSON string. */
const ASKED = /"(?:query|criteria)"\s*:\s*"(?:\\.|[^"\\])*"|\\"(?:query|criteria)\\"\s*:\s*\\"[^"\\]*\\"/gs;
const TAGS =
  /<\/?(?:retrieved_memories|memory|tool_result|context_summary|think|answer)(?:\s+[\w-]+="[^"<>]*")*\s*\/?>/g;

/** The text of a message and the arguments of its tool calls. */
export function knowledgeOf(message: Pick<MessageRecord, "content" | "tool_calls">): string {
  const args = (message.tool_calls ?? []).map((call) => call.arguments);
  return plain([contentText(message.content), ...args].join("\n"));
}

/** Removes queries and tags, and decodes the escapes of JSON and of the blocks shown to models. */
export function plain(text: string): string {
  // Tags are removed before and after unescaping: before, because an escaped quote would end an attribute early once
  // it is unescaped; after, because a transcript contains escaped tags.
  return unescapeXml(text.replace(TAGS, "\n"))
    .replace(ASKED, " ")
    .replace(TAGS, "\n")
    .replace(/\\u([0-9a-f]{4})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    .replace(/\\[nrt]/g, "\n");
}

/** The text parts of a message's content. */
export function contentText(content: MessageRecord["content"]): string {
  if (typeof content === "string") return content;
  return (content ?? []).map((part) => (typeof part.text === "string" ? part.text : "")).join("\n");
}

/** True for a message with memories from a RETRIEVE or from the retrieval of stage 1. */
export function isRetrieved(message: Pick<MessageRecord, "content">): boolean {
  return contentText(message.content).includes("<retrieved_memories ");
}

const MEMORY = /<memory id="([^"<>]*)"(?:\s+[\w-]+="[^"<>]*")*\s*>([^<]*)<\/memory>/g;

/** The memories that a text shows in full, in the format of `context/retrieval.ts`. */
export function memoriesIn(text: string): { id: string; content: string }[] {
  return [...text.matchAll(MEMORY)].map(([, id = "", content = ""]) => ({
    id,
    content: unescapeXml(content),
  }));
}

/** An argument of a recorded call; undefined if the arguments are unknown or not an object. */
export function argumentOf(args: string | null, name: string): unknown {
  if (args === null) return undefined;
  try {
    const parsed: unknown = JSON.parse(args);
    return typeof parsed === "object" && parsed !== null
      ? (parsed as Record<string, unknown>)[name]
      : undefined;
  } catch {
    // The model wrote arguments that are not JSON; the agent has refused that call.
    return undefined;
  }
}
