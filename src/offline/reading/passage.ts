/**
 * Telling a passage ("Title: text", third person, nobody asks) from what a person says about themselves. Pure.
 */
import { splitSentences, truncate } from "../../text/text.js";
import { words } from "../../text/words.js";
import { readNote } from "./note.js";

const TITLED = /^([^\n:]{1,120}):\s+\S/;
const PERSONAL = new Set(["i", "my", "me", "we", "our", "you", "your"]);

/** Whether a text reads as an encyclopedic or news passage, or as a note about somebody by name. */
export function isPassage(text: string): boolean {
  if (readNote(text)) return true;
  const list = words(text);
  const titled = TITLED.test(text);
  if (list.length < (titled ? 10 : 60)) return false;
  if (/\?\s*$/.test(text)) return false;
  const personal = list.filter((word) => PERSONAL.has(word)).length;
  return personal / list.length <= 0.03;
}

/** The title of a "Title: text" passage; empty when it has none. */
export function titleOf(text: string): string {
  return TITLED.exec(text)?.[1]?.trim() ?? "";
}

/** The passage, cut after `sentences` sentences and `max` characters; keeps the title. */
export function cutPassage(text: string, sentences: number, max = 1500): string {
  return truncate(splitSentences(text).slice(0, sentences).join(" "), max);
}
