/** Splits and trims text, in any language `Intl.Segmenter` knows. Pure; leaves out words (`words.ts`). */

const sentenceSegmenter = new Intl.Segmenter("en", { granularity: "sentence" });

/** The sentences of a text in order, trimmed, without empty ones. */
export function splitSentences(text: string): string[] {
  const out: string[] = [];
  for (const { segment } of sentenceSegmenter.segment(text)) {
    const trimmed = segment.trim();
    if (trimmed) out.push(trimmed);
  }
  return out;
}

/** Trims the text and replaces every run of white space with one space. */
export function collapseSpace(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

/** At most `max` characters, the last one an ellipsis if text was cut; never splits a surrogate pair. */
export function truncate(text: string, max: number): string {
  const points = [...text];
  return points.length <= max ? text : `${points.slice(0, Math.max(0, max - 1)).join("")}…`;
}

/**
 * Removes characters that `unwanted` matches from the end of a text, testing one at a time. It takes linear time, whereas
 * a pattern that ends in `$` would be tried from every position.
 *
 * @example
 * stripEnd("What?! ", /[\s?!]/); // "What"
 */
export function stripEnd(text: string, unwanted: RegExp): string {
  let end = text.length;
  while (end > 0) {
    const size = end > 1 && (text.codePointAt(end - 2) ?? 0) > 0xffff ? 2 : 1;
    if (!unwanted.test(text.slice(end - size, end))) break;
    end -= size;
  }
  return text.slice(0, end);
}

/** Removes characters that `unwanted` matches from the start of a text, testing one at a time. */
export function stripStart(text: string, unwanted: RegExp): string {
  let start = 0;
  while (start < text.length) {
    const char = String.fromCodePoint(text.codePointAt(start) as number);
    if (!unwanted.test(char)) break;
    start += char.length;
  }
  return text.slice(start);
}

/** Splits a text into words, each with the white space before it; final white space is a piece of its own. */
export function spacedWords(text: string): string[] {
  return text === "" ? [] : text.split(/(?<=\S)(?=\s)/);
}

/** The text without a code fence around it, if it has one. */
export function withoutFence(text: string): string {
  const body = text.trim().replace(/^```(?:json)?/i, "");
  return (body.endsWith("```") ? body.slice(0, -3) : body).trim();
}
