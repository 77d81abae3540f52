/**
 * What a message of the context tells the model as knowledge, and which memories it shows. Pure.
 *
 * What is being looked for or to be removed is not knowledge: the arguments `query` and `criteria` (also where a
 * summary repeats them) and the query of a retrieved block are left out. So are tags with their attributes.
 */
import { unescapeXml } from "../../text/escaping.js";
import type { MessageRecord } from "../schema-parts.js";

/** As JSON, and as JSON inside of a JSON string. */
const ASKED = /"(?:query|criteria)"\s*:\s*"(?:\\.|[^"\\])*"|\\"(?:query|criteria)\\"\s*:\s*\\"[^"\\]*\\"/gs;
const TAGS =
  /<\/?(?:retrieved_memories|memory|tool_result|context_summary|think|answer)(?:\s+[\w-]+="[^"<>]*")*\s*\/?>/g;

/** The text of a message with the arguments of its tool calls. */
export function knowledgeOf(message: Pick<MessageRecord, "content" | "tool_calls">): string {
  const args = (message.tool_calls ?? []).map((call) => call.arguments);
  return plain([contentText(message.content), ...args].join("\n"));
}

/** Text without queries and tags; escapes of JSON and of the blocks shown to models are read. */
export function plain(text: string): string {
  // Twice: an attribute with an escaped quote ends early once it is unescaped, and a transcript holds escaped tags.
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

/** True for a message that a RETRIEVE, or the look-up of stage 1, brought. */
export function isRetrieved(message: Pick<MessageRecord, "content">): boolean {
  return contentText(message.content).includes("<retrieved_memories ");
}

const MEMORY = /<memory id="([^"<>]*)"(?:\s+[\w-]+="[^"<>]*")*\s*>([^<]*)<\/memory>/g;

/** Memories shown in full in a text, in the form of `context/retrieval.ts`. */
export function memoriesIn(text: string): { id: string; content: string }[] {
  return [...text.matchAll(MEMORY)].map(([, id = "", content = ""]) => ({
    id,
    content: unescapeXml(content),
  }));
}

/** An argument of a recorded call; undefined where the arguments are unknown or not an object. */
export function argumentOf(args: string | null, name: string): unknown {
  if (args === null) return undefined;
  try {
    const parsed: unknown = JSON.parse(args);
    return typeof parsed === "object" && parsed !== null
      ? (parsed as Record<string, unknown>)[name]
      : undefined;
  } catch {
    // The model's text, not ours: arguments that are not JSON were answered as a refusal.
    return undefined;
  }
}
