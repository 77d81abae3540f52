/**
 * Cutting a text into passages with exact offsets: paragraphs into sentences, logs, lists, tables and code into
 * lines. The white space between passages belongs to none, so taking passages out leaves the rest byte-identical.
 *
 * Pure; any language `Intl.Segmenter` knows. Owns the marker an edit leaves where it cut.
 */

/** One passage: `text === whole.slice(start, end)`. */
export interface Segment {
  /** "marker": left by an earlier edit, never scored nor cut again. "frame": the tags around memories or a summary. */
  kind: "sentence" | "line" | "marker" | "frame";
  start: number;
  end: number;
  text: string;
}

const MARKER = /\[filtered (?:\d+ passages?|whole content), [\w.:-]{1,120}#\d+\]/g;
const FRAME = /<\/?(?:retrieved_memories|context_summary)(?:\s[^<>]*)?\/?>/g;
const MEMORY = /<memory\s[^<>]*(?:\/>|>[^<]*<\/memory>)/g;

/** What stands where passages were taken out. The number tells the cuts of one message apart. */
export function cutMarker(editId: string, cut: number, passages: number | "all"): string {
  const what = passages === "all" ? "whole content" : `${passages} passage${passages === 1 ? "" : "s"}`;
  return `[filtered ${what}, ${editId}#${cut}]`;
}

/** Edits whose markers stand in the text, in order. */
export function markersIn(text: string): { marker: string; editId: string }[] {
  return [...text.matchAll(MARKER)].map(([marker]) => ({
    marker,
    editId: marker.slice(marker.indexOf(", ") + 2, marker.lastIndexOf("#")),
  }));
}

/** True when the text is nothing but markers of earlier cuts and white space. */
export function isOnlyMarkers(text: string): boolean {
  return text.trim() !== "" && text.replace(MARKER, "").trim() === "";
}

/**
 * The passages of a text in order. Rendered memories are one passage each.
 *
 * @example
 * segmentText("One. Two.\n- item").map((s) => s.text); // ["One.", "Two.", "- item"]
 */
export function segmentText(text: string): Segment[] {
  const fixed = [
    ...find(text, MARKER, "marker"),
    ...find(text, FRAME, "frame"),
    ...find(text, MEMORY, "line"),
  ].sort((a, b) => a.start - b.start);
  const out: Segment[] = [];
  let at = 0;
  for (const segment of fixed) {
    if (segment.start < at) continue;
    segmentPlain(text, at, segment.start, out);
    out.push(segment);
    at = segment.end;
  }
  segmentPlain(text, at, text.length, out);
  return out;
}

function find(text: string, pattern: RegExp, kind: Segment["kind"]): Segment[] {
  return [...text.matchAll(pattern)].map((match) => ({
    kind,
    start: match.index,
    end: match.index + match[0].length,
    text: match[0],
  }));
}

/** Paragraph by paragraph: sentences when it is prose, lines when it is not. */
function segmentPlain(text: string, from: number, to: number, out: Segment[]): void {
  let at = from;
  for (const match of text.slice(from, to).matchAll(/\n[^\S\n]*\n\s*/g)) {
    segmentParagraph(text, at, from + match.index, out);
    at = from + match.index + match[0].length;
  }
  segmentParagraph(text, at, to, out);
}

const LIST_OR_LOG =
  /^\s*(?:[-*+•]\s|\d+[.)]\s|[|>{}[\]#]|\d{4}-\d\d-\d\d|\d\d:\d\d|[A-Z]{3,}\b|\w+[=:]|[\w./-]+\s*[:|=]\s)/;

function segmentParagraph(text: string, start: number, end: number, out: Segment[]): void {
  const body = text.slice(start, end).trim();
  if (body === "") return;
  const from = text.indexOf(body, start);
  const to = from + body.length;
  const lines = body.split("\n");
  if (lines.length > 1 && !isWrappedProse(lines)) {
    let at = from;
    for (const line of lines) {
      segmentLine(text, at, at + line.length, out);
      at += line.length + 1;
    }
  } else {
    sentences(text, from, to, out);
  }
}

/** A line of a list or log is one passage; any other is cut into its sentences. */
function segmentLine(text: string, from: number, to: number, out: Segment[]): void {
  if (LIST_OR_LOG.test(text.slice(from, to))) push(text, from, to, "line", out);
  else sentences(text, from, to, out);
}

/** Prose broken by an editor at some width: every line but the last is long and none looks like a list or log. */
function isWrappedProse(lines: readonly string[]): boolean {
  const inner = lines.slice(0, -1);
  return (
    lines.every((line) => !LIST_OR_LOG.test(line)) &&
    inner.every((line) => line.trim().length >= 50 && line.length <= 120) &&
    inner.some((line) => !/[.!?:;。！？]\s*$/.test(line))
  );
}

const segmenter = new Intl.Segmenter("en", { granularity: "sentence" });

function sentences(text: string, from: number, to: number, out: Segment[]): void {
  // The segmenter ends a sentence at every line break; in wrapped prose a break is a space.
  for (const { segment, index } of segmenter.segment(text.slice(from, to).replace(/[\r\n]/g, " "))) {
    push(text, from + index, from + index + segment.length, "sentence", out);
  }
}

function push(text: string, from: number, to: number, kind: Segment["kind"], out: Segment[]): void {
  const raw = text.slice(from, to);
  const trimmed = raw.trim();
  if (trimmed === "") return;
  const start = from + raw.indexOf(trimmed);
  out.push({ kind, start, end: start + trimmed.length, text: trimmed });
}
