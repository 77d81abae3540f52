/**
 * Reading what the agent's machinery writes into messages: memory blocks, placeholders, tool results.
 *
 * Owns the offline policy's own reader of these formats (a language model has to read them too). Leaves out: writing
 * them (`tools/`, `context/`). All patterns run in linear time, because any user can type these tags.
 */

import { unescapeXml } from "../../text/escaping.js";

/** One `<memory …>` element as the model sees it. */
export interface BlockMemory {
  id: string;
  /** Empty when the text stands elsewhere in the context (`already_in_context`). */
  content: string;
  type: string;
  score: number;
}

const BLOCK = /<retrieved_memories\b[^<>]{0,2000}\/?>/g;
const BLOCK_END = "</retrieved_memories>";
const MEMORY = /<memory\b([^<>]{0,600}?)(?:\/>|>([^<]*)<\/memory>)/g;
const PLACEHOLDER =
  /\[(?:\d+ segments? removed by filter, edit [^\]\n]{1,80}|filtered (?:\d+ passages?|whole content), [^\]\n]{1,120})\]/g;

/** All memories shown in a text, in order. */
export function readMemoryBlocks(text: string): BlockMemory[] {
  const out: BlockMemory[] = [];
  for (const block of findBlocks(text)) {
    for (const match of block.body.matchAll(MEMORY)) {
      const attributes = match[1] ?? "";
      const id = attribute(attributes, "id");
      if (!id) continue;
      out.push({
        id,
        content: unescapeXml(match[2] ?? "").trim(),
        type: attribute(attributes, "type") ?? "fact",
        score: Number(attribute(attributes, "score") ?? 0) || 0,
      });
    }
  }
  return out;
}

/** Whether a text carries a memory block, empty ones included. */
export function hasMemoryBlock(text: string): boolean {
  return findBlocks(text).length > 0;
}

/** Whether a filter has cut this message before. */
export function hasPlaceholder(text: string): boolean {
  return text.match(PLACEHOLDER) !== null;
}

/** The text a person wrote: without memory blocks and placeholders. */
export function stripMachineText(text: string): string {
  let out = "";
  let at = 0;
  for (const block of findBlocks(text)) {
    out += text.slice(at, block.start);
    at = block.end;
  }
  return stripPlaceholders(out + text.slice(at)).trim();
}

/** Text without the marks a filter leaves; each becomes a line end. */
export function stripPlaceholders(text: string): string {
  return text.replace(PLACEHOLDER, "\n");
}

/** Text-protocol results of one user-role message, or null when the message is none. */
export function readToolResults(text: string): { name: string; text: string; ok: boolean }[] | null {
  if (!text.trimStart().startsWith("<tool_result")) return null;
  const out: { name: string; text: string; ok: boolean }[] = [];
  for (const part of text.split(/<tool_result\b/).slice(1)) {
    const open = part.indexOf(">");
    if (open < 0) continue;
    const head = part.slice(0, open);
    const body = part.slice(open + 1).replace(/<\/tool_result>\s*$/, "");
    const failed =
      /\b(?:status|error)\s*=\s*"(?:error|true)"/.test(head) || /^\s*(?:tool )?error\b/i.test(body);
    out.push({ name: attribute(head, "name") ?? "", text: unescapeXml(body).trim(), ok: !failed });
  }
  return out;
}

interface Block {
  start: number;
  end: number;
  body: string;
}

function findBlocks(text: string): Block[] {
  const out: Block[] = [];
  let at = 0;
  for (const match of text.matchAll(BLOCK)) {
    if (match.index < at) continue;
    const bodyStart = match.index + match[0].length;
    const close = match[0].endsWith("/>") ? bodyStart : text.indexOf(BLOCK_END, bodyStart);
    if (close < 0) break;
    at = close === bodyStart && match[0].endsWith("/>") ? bodyStart : close + BLOCK_END.length;
    out.push({ start: match.index, end: at, body: text.slice(bodyStart, close) });
  }
  return out;
}

function attribute(text: string, name: string): string | undefined {
  const match = new RegExp(`\\b${name}="([^"]*)"`).exec(text);
  return match?.[1] === undefined ? undefined : unescapeXml(match[1]);
}
