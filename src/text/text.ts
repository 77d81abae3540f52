/** Cutting and trimming text, for any language `Intl.Segmenter` knows. Pure; words are in `words.ts`. */

const sentenceSegmenter = new Intl.Segmenter("en", { granularity: "sentence" });

/** Sentences in order, trimmed, without empty ones. */
export function splitSentences(text: string): string[] {
  const out: string[] = [];
  for (const { segment } of sentenceSegmenter.segment(text)) {
    const trimmed = segment.trim();
    if (trimmed) out.push(trimmed);
  }
  return out;
}

/** Text with white space runs made one space, trimmed. */
export function collapseSpace(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

/** First `max` characters with an ellipsis when something was cut; never cuts a surrogate pair. */
export function truncate(text: string, max: number): string {
  const points = [...text];
  return points.length <= max ? text : `${points.slice(0, Math.max(0, max - 1)).join("")}…`;
}

/**
 * Text without the characters at its end that `unwanted` matches, each tested alone. In time linear to what goes, where
 * a pattern that ends in `$` tries every place at which it could begin.
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

/** Text without the characters at its start that `unwanted` matches, each tested alone. */
export function stripStart(text: string, unwanted: RegExp): string {
  let start = 0;
  while (start < text.length) {
    const char = String.fromCodePoint(text.codePointAt(start) as number);
    if (!unwanted.test(char)) break;
    start += char.length;
  }
  return text.slice(start);
}

/** Words, each with the white space before it; white space at the end is a piece of its own. Joined, they are the text. */
export function spacedWords(text: string): string[] {
  return text === "" ? [] : text.split(/(?<=\S)(?=\s)/);
}

/** Text without the code fence around it, where it has one. */
export function withoutFence(text: string): string {
  const body = text.trim().replace(/^```(?:json)?/i, "");
  return (body.endsWith("```") ? body.slice(0, -3) : body).trim();
}
