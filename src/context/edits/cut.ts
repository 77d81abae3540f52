/** Cuts passages out of a message's text blocks, replacing each run of them with a marker, and pastes them back. Pure. */
import type { BaseMessage } from "@langchain/core/messages";
import type { ArchivedCut } from "../edit.js";
import { blocksOf, type ContentBlock, textOfBlock, withContent } from "../messages.js";
import { cutMarker } from "../segments.js";

/** A passage to cut: its content block, and its offsets there. */
export interface CutRange {
  block: number;
  start: number;
  end: number;
}

/**
 * Replaces each run of adjacent passages with one marker. All other text stays byte-identical.
 *
 * @throws TypeError if a passage lies outside its block, or the block has no text
 */
export function cutBlocks(
  message: BaseMessage,
  passages: readonly CutRange[],
  editId: string,
): { message: BaseMessage; cuts: ArchivedCut[] } {
  const cuts: ArchivedCut[] = [];
  const whole = blocksOf(message);
  const used = whole.map((block) => textOfBlock(block) ?? "").join("\n");
  let number = 0;
  const nextMarker = (passageCount: number): string => {
    let marker: string;
    do marker = cutMarker(editId, ++number, passageCount);
    while (used.includes(marker));
    return marker;
  };
  const blocks = whole.map((block, index): ContentBlock => {
    const own = passages.filter((passage) => passage.block === index);
    const text = textOfBlock(block);
    if (own.length === 0) return block;
    if (text === undefined)
      throw new TypeError(`Block ${index} of message ${message.id} has no text to cut.`);
    return { ...block, text: cutText(text, own, nextMarker, cuts) };
  });
  const content = typeof message.content === "string" ? (blocks[0]?.text as string) : blocks;
  return { message: withContent(message, content), cuts };
}

function cutText(
  text: string,
  passages: readonly CutRange[],
  nextMarker: (count: number) => string,
  cuts: ArchivedCut[],
): string {
  let out = "";
  let at = 0;
  for (const run of runsOf(text, passages)) {
    if (run.start < at || run.end > text.length)
      throw new TypeError("The passages to cut are not of this text.");
    const marker = nextMarker(run.count);
    cuts.push({ marker, text: text.slice(run.start, run.end) });
    out += text.slice(at, run.start) + marker;
    at = run.end;
  }
  return out + text.slice(at);
}

/** Joins passages with nothing but white space between them. */
function runsOf(
  text: string,
  passages: readonly CutRange[],
): { start: number; end: number; count: number }[] {
  const runs: { start: number; end: number; count: number }[] = [];
  for (const { start, end } of [...passages].sort((a, b) => a.start - b.start)) {
    const last = runs.at(-1);
    if (last && text.slice(last.end, start).trim() === "") {
      last.end = end;
      last.count++;
    } else {
      runs.push({ start, end, count: 1 });
    }
  }
  return runs;
}

/** Puts cut text back in place of its markers. Cuts whose markers are gone are skipped. */
export function pasteBlocks(message: BaseMessage, cuts: readonly ArchivedCut[]): BaseMessage {
  let found = false;
  const paste = (text: string): string => {
    let out = text;
    for (const cut of cuts) {
      const at = cut.text === null ? -1 : out.indexOf(cut.marker);
      if (cut.text === null || at < 0) continue;
      found = true;
      out = out.slice(0, at) + cut.text + out.slice(at + cut.marker.length);
    }
    return out;
  };
  if (typeof message.content === "string") {
    const text = paste(message.content);
    return found ? withContent(message, text) : message;
  }
  const blocks = blocksOf(message).map((block) => {
    const text = textOfBlock(block);
    return text === undefined ? block : { ...block, text: paste(text) };
  });
  return found ? withContent(message, blocks) : message;
}
