/** Splitting and normalising text, for any language `Intl.Segmenter` knows. Pure. */

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

/** Lower-cased words (letters, marks and digits of any script; inner apostrophes and hyphens split). */
export function words(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
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
