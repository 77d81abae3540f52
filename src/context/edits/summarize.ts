/**
 * Summarizes a history of any length with a model of any window: part by part, folding each part into the summary so
 * far, so that nothing is dropped silently.
 *
 * Owns the splitting and folding. The model call is passed in as a function. Leaves out the prompt and the model
 * (`tools/operations/short-term.ts`) and the edit (`summary.ts`).
 */
import { AIMessage, type BaseMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { AgeMemError, ModelError, messageOf } from "../../errors.js";
import type { TokenCounter } from "../../types.js";
import { isSummary } from "../messages.js";
import { segmentText } from "../segments.js";
import { summaryTextOf } from "../summary-message.js";
import { PART_KEY, plainBody, renderMessage, renderTranscript } from "../transcript.js";

/** Summarizes a transcript; the result must also carry on `previousSummary`. */
export type SummaryCall = (transcript: string, previousSummary?: string) => Promise<string>;

export interface SummarizeOptions {
  call: SummaryCall;
  counter: TokenCounter;
  /** Tokens of transcript and previous summary that fit into one call. */
  windowTokens: number;
}

/**
 * Summarizes messages. If they begin with a summary, it is passed on as `previousSummary`; what does not fit one call
 * is summarized part by part.
 *
 * @throws ModelError `AGEMEM_SUMMARY_FAILED` if a call fails or returns no text. An `AbortError` is rethrown as it is.
 * @throws RangeError if the window cannot hold a transcript's tags and a few words
 */
export async function summarize(
  messages: readonly BaseMessage[],
  { call, counter, windowTokens }: SummarizeOptions,
): Promise<string> {
  const first = messages[0];
  let summary = first && isSummary(first) && messages.length > 1 ? summaryTextOf(first) : undefined;
  let rest: readonly BaseMessage[] = summary === undefined ? messages : messages.slice(1);
  while (rest.length > 0) {
    if (summary !== undefined && counter.countText(summary) > windowTokens / 2) {
      summary = await condense(summary, { call, counter, windowTokens });
    }
    const room = windowTokens - (summary === undefined ? 0 : counter.countText(summary));
    const [part = [], ...more] = splitForSummary(rest, counter, room);
    summary = await ask(call, renderTranscript(part), summary);
    rest = more.flat();
  }
  if (summary === undefined) throw new TypeError("summarize() needs at least one message");
  return summary;
}

/** A summary too large to carry along is itself summarized, in parts, until it takes at most half the window. */
async function condense(summary: string, options: SummarizeOptions): Promise<string> {
  const { call, counter, windowTokens } = options;
  const carrier = new HumanMessage({ id: "earlier", content: summary });
  const pieces: string[] = [];
  for (const part of splitForSummary([carrier], counter, windowTokens)) {
    pieces.push(await ask(call, renderTranscript(part), undefined));
  }
  const shorter = pieces.join("\n");
  if (counter.countText(shorter) <= windowTokens / 2) return shorter;
  if (shorter.length < summary.length) return condense(shorter, options);
  throw new ModelError("AGEMEM_SUMMARY_FAILED", "The summarizer's answers do not get shorter", {
    remedy: "Raise summarizerWindow, or limit the length of the summarizer's answers.",
  });
}

async function ask(call: SummaryCall, transcript: string, previous: string | undefined): Promise<string> {
  let text: string;
  try {
    text = await call(transcript, previous);
  } catch (cause) {
    if (cause instanceof Error && cause.name === "AbortError") throw cause;
    const said = AgeMemError.isInstance(cause) ? cause.message : `The summarizer failed: ${messageOf(cause)}`;
    throw new ModelError("AGEMEM_SUMMARY_FAILED", said, {
      cause,
      remedy: "The context is unchanged; try again later.",
    });
  }
  if (typeof text === "string" && text.trim() !== "") return text.trim();
  throw new ModelError("AGEMEM_SUMMARY_FAILED", "The summarizer returned an empty answer", {
    remedy: "The context is unchanged; try again or use another summarizer.",
  });
}

/**
 * Splits messages into parts whose transcripts fit the window. A message larger than the window is cut between
 * passages, or within one that is larger itself; joined, the parts are the whole.
 *
 * @throws RangeError if the window cannot hold a transcript's tags and a few words
 */
export function splitForSummary(
  messages: readonly BaseMessage[],
  counter: TokenCounter,
  windowTokens: number,
): BaseMessage[][] {
  const frame = counter.countText(renderTranscript([])) + 1;
  const room = windowTokens - frame;
  const cost = (message: BaseMessage): number => counter.countText(renderMessage(message)) + 1;
  const parts: BaseMessage[][] = [];
  let part: BaseMessage[] = [];
  let used = 0;
  const add = (message: BaseMessage, tokens: number): void => {
    if (part.length > 0 && used + tokens > room) {
      parts.push(part);
      part = [];
      used = 0;
    }
    part.push(message);
    used += tokens;
  };
  for (const message of messages) {
    const tokens = cost(message);
    if (tokens <= room) add(message, tokens);
    else for (const piece of splitMessage(message, (m) => cost(m) <= room)) add(piece, cost(piece));
  }
  if (part.length > 0) parts.push(part);
  return parts;
}

function splitMessage(message: BaseMessage, fits: (piece: BaseMessage) => boolean): BaseMessage[] {
  const body = plainBody(message);
  // The number of pieces is not known yet, so measure with the widest possible label.
  const widest = `${body.length}/${body.length}`;
  const pieces = splitText(body, (text) => fits(pieceOf(message, text, widest)));
  return pieces.map((text, i) => pieceOf(message, text, `${i + 1}/${pieces.length}`));
}

/** Greedy packing of passages; `pieces.join("") === text`. */
function splitText(text: string, fits: (text: string) => boolean): string[] {
  const ends = segmentText(text).map((segment) => segment.end);
  const pieces: string[] = [];
  let start = 0;
  while (start < text.length) {
    const end = furthest(ends, start, text, fits);
    pieces.push(text.slice(start, end));
    start = end;
  }
  return pieces;
}

/** The last passage end that still fits, else the last character. */
function furthest(ends: number[], start: number, text: string, fits: (text: string) => boolean): number {
  if (fits(text.slice(start))) return text.length;
  const candidates = ends.filter((end) => end > start && end < text.length);
  const passage = lastThat(candidates.length, (i) => fits(text.slice(start, candidates[i])));
  if (passage >= 0) return candidates[passage] as number;
  const count = lastThat(text.length - start, (i) => fits(text.slice(start, start + i + 1))) + 1;
  const splitsPair = /[\ud800-\udbff]/.test(text.charAt(start + count - 1)) && count < text.length - start;
  const end = start + count - (splitsPair ? 1 : 0);
  if (end > start) return end;
  throw new RangeError("The summarizer's window is too small for a single word. Raise windowTokens.");
}

/** The largest i in [0, n) for which `ok` holds, given that it holds up to some i; -1 if for none. */
function lastThat(n: number, ok: (i: number) => boolean): number {
  let low = -1;
  let high = n - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (ok(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

function pieceOf(message: BaseMessage, content: string, part: string): BaseMessage {
  const additional_kwargs = {
    ...message.additional_kwargs,
    lc_source: undefined,
    tool_calls: undefined,
    [PART_KEY]: part,
  };
  const fields = { id: `${message.id ?? "message"}#${part}`, name: message.name, content, additional_kwargs };
  if (ToolMessage.isInstance(message)) {
    return new ToolMessage({ ...fields, tool_call_id: message.tool_call_id, status: message.status });
  }
  if (AIMessage.isInstance(message)) return new AIMessage(fields);
  return new HumanMessage(fields);
}
