/**
 * Splits a text into passages with exact offsets: prose into sentences; logs, lists, tables and code into lines. White
 * space between passages belongs to none, so cutting passages leaves the rest byte-identical.
 *
 * Owns the passages, and the marker an edit leaves where it cut. Pure; works for any language `Intl.Segmenter` knows.
 */

/** One passage: `text === whole.slice(start, end)`. */
export interface Segment {
  /** "marker": left by an earlier edit, never scored or cut again. "frame": the tags around memories or a summary. */
  kind: "sentence" | "line" | "marker" | "frame";
  start: number;
  end: number;
  text: string;
}

const MARKER = /\[filtered (?:\d+ passages?|whole content), [\w.:-]{1,120}#\d+\]/g;
const FRAME = /<\/?(?:retrieved_memories|context_summary)(?:\s[^<>]*)?\/?>/g;
const MEMORY = /<memory\s[^<>]*(?:\/>|>[^<]*<\/memory>)/g;

/** The marker left where passages were cut. `cut` numbers the cuts of one message. */
export function cutMarker(editId: string, cut: number, passages: number | "all"): string {
  const what = passages === "all" ? "whole content" : `${passages} passage${passages === 1 ? "" : "s"}`;
  return `[filtered ${what}, ${editId}#${cut}]`;
}

/** The markers in a text and the edits that left them, in order. */
export function markersIn(text: string): { marker: string; editId: string }[] {
  return [...text.matchAll(MARKER)].map(([marker]) => ({
    marker,
    editId: marker.slice(marker.indexOf(", ") + 2, marker.lastIndexOf("#")),
  }));
}

/** Whether the text consists of markers of earlier cuts and white space only. */
export function isOnlyMarkers(text: string): boolean {
  return text.trim() !== "" && text.replace(MARKER, "").trim() === "";
}

/**
 * The passages of a text, in order. Each rendered memory is one passage.
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

/** Splits text into paragraphs, and those into sentences (prose) or lines. */
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

/** A line of a list or log is one passage; any other line is split into sentences. */
function segmentLine(text: string, from: number, to: number, out: Segment[]): void {
  if (LIST_OR_LOG.test(text.slice(from, to))) push(text, from, to, "line", out);
  else sentences(text, from, to, out);
}

/** Whether it is prose wrapped at some width: no line looks like a list or log, and all but the last are long. */
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
  // The segmenter ends a sentence at every line break, but in wrapped prose a break is a space.
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
