/**
 * Criteria for FILTER: quotations of what is to be removed, one per line, as short as can still be recognized. Pure.
 *
 * A filter compares passages with each line of the criteria; long messages passage by passage (sentences, log lines),
 * short ones as a whole. Quoting costs tokens too, so a line ends as soon as it is similar enough.
 */

import { lexicalSimilarity } from "../../models/lexical-embeddings.js";
import { collapseSpace, splitSentences, truncate } from "../../text/text.js";

/** Above the usual threshold of 0.6, because another embedding may find less similarity. */
const ALIKE_ENOUGH = 0.68;
/** Above this a passage counts as covered by an existing line. */
const COVERED = 0.64;
/** Very short lines resemble too many passages; a short sentence is quoted whole. */
const MIN_WORDS = 8;
const MAX_WORDS = 220;
/** Characters from which a message is surely, or perhaps, compared passage by passage. */
const LONG = 600;
const MAYBE_LONG = 420;

/** Lines that match the given texts, or null when the texts have no words. */
export function quoteTexts(texts: readonly string[]): string | null {
  const passages = texts.flatMap((text) => [
    ...(text.length < LONG ? [text] : []),
    ...(text.length >= MAYBE_LONG ? passagesOf(text) : []),
  ]);
  return quotePassages(passages);
}

/** Lines that match the sentences and log lines of the given texts. */
export function quotePassages(texts: readonly string[]): string | null {
  const lines: string[] = [];
  let total = 0;
  for (const passage of texts.flatMap((text) => (text.length >= MAYBE_LONG ? passagesOf(text) : [text]))) {
    if (lines.some((line) => lexicalSimilarity(line, passage) >= COVERED)) continue;
    const line = headOf(passage);
    const size = line.split(" ").length;
    if (line === "" || total + size > MAX_WORDS) continue;
    total += size;
    lines.push(line);
  }
  return lines.length > 0 ? lines.join("\n") : null;
}

/** Sentences of a text, line by line. */
export function passagesOf(text: string): string[] {
  return text.split(/\n+/).flatMap(splitSentences);
}

/** The shortest beginning of a passage that is still similar to the whole. */
function headOf(passage: string): string {
  const list = collapseSpace(passage.replace(/[;；]/g, ",")).split(" ").slice(0, 150);
  const step = Math.max(2, Math.ceil(list.length * 0.08));
  for (let size = Math.max(MIN_WORDS, Math.ceil(list.length * 0.4)); size < list.length; size += step) {
    const head = list.slice(0, size).join(" ");
    if (lexicalSimilarity(head, passage) >= ALIKE_ENOUGH) return truncate(head, 1200);
  }
  return truncate(list.join(" "), 1200);
}
