/**
 * Extractive summary of a transcript: its most informative sentences in order, unchanged. Pure.
 */
import type { BaseMessage } from "@langchain/core/messages";
import { unescapeXml } from "../text/escaping.js";
import { collapseSpace, splitSentences, truncate } from "../text/text.js";
import { words } from "../text/words.js";
import { stripPlaceholders } from "./reading/memory-block.js";
import { isQuestion, readStatements } from "./reading/statements.js";
import { isAbout, terms } from "./reading/terms.js";

/** First line of every summary: who wrote it. */
export const SUMMARY_MARK = "[extractive summary, not a language model]";

const SPEAKER = /^\s*(?:\[?(user|human|assistant|ai|tool|system|summary|memory)\b[^:\]\n]{0,60}\]?)\s*:\s*/i;
const ELEMENT = /^\s*<message\b[^<>]{0,300}?\brole="(\w+)"[^<>]{0,300}>/;
const FIRST_PERSON = /\b(?:I|I['’](?:m|ve|ll|d)|my|My|we|We|our|User|User's)\b/;
const SMALL_TALK =
  /^(?:hi|hello|hey|thanks|thank you|ok|okay|great|sure|you are welcome|understood|bye|good (?:morning|night))\b/i;
const MAX_SENTENCES = 2000;

interface Scored {
  text: string;
  speaker: string;
  index: number;
  score: number;
  /** First-person facts of the user go before everything else. */
  fact: boolean;
}

/**
 * Sentences within `share` of the transcript's length, in order. First-person facts are taken before anything else;
 * they alone may go beyond the share, up to half of the transcript.
 */
export function extractSummary(transcript: string, share = 0.25): string {
  const sentences = withoutWithdrawn(scoreSentences(transcript));
  const budget = Math.max(200, transcript.length * share);
  const factBudget = Math.max(budget, transcript.length * 0.5);
  const kept = new Set<Scored>();
  const seen = new Set<string>();
  let length = 0;
  const byWorth = [...sentences].sort(
    (a, b) => Number(b.fact) - Number(a.fact) || b.score - a.score || b.index - a.index,
  );
  for (const sentence of byWorth) {
    const key = words(sentence.text).join(" ");
    if (seen.has(key) || sentence.score <= 0) continue;
    if (length + sentence.text.length > (sentence.fact ? factBudget : budget)) continue;
    seen.add(key);
    kept.add(sentence);
    length += sentence.text.length + 1;
  }
  return render(sentences.filter((sentence) => kept.has(sentence)));
}

function scoreSentences(transcript: string): Scored[] {
  const out: Scored[] = [];
  let speaker = "";
  for (const line of transcript.split("\n")) {
    const match = ELEMENT.exec(line) ?? SPEAKER.exec(line);
    if (match?.[1]) speaker = match[1].toLowerCase();
    const plain = stripPlaceholders(
      unescapeXml((match ? line.slice(match[0].length) : line).replace(/<[^<>]{0,400}>/g, " ")),
    );
    for (const sentence of splitSentences(plain)) {
      const text = truncate(collapseSpace(sentence), 400);
      if (!text || out.length >= MAX_SENTENCES) continue;
      out.push({
        text,
        speaker,
        index: out.length,
        score: worth(text, speaker),
        fact: isFact(text, speaker),
      });
    }
  }
  return out;
}

/** Leaves out what the user later asked to forget. */
function withoutWithdrawn(sentences: readonly Scored[]): Scored[] {
  const topics = sentences
    .filter((sentence) => sentence.fact)
    .flatMap(({ text, index }) => readStatements(text).map((statement) => ({ ...statement, index })))
    .filter((statement) => statement.kind === "forget");
  if (topics.length === 0) return [...sentences];
  return sentences.filter(
    ({ text, index }) => !topics.some((topic) => index < topic.index && isAbout(text, topic.content)),
  );
}

function isFact(text: string, speaker: string): boolean {
  if (speaker === "assistant" || speaker === "ai" || speaker === "tool" || isQuestion(text)) return false;
  return FIRST_PERSON.test(text) && !SMALL_TALK.test(text) && words(text).length >= 3;
}

/** Names, numbers and dates make a sentence worth keeping; greetings, bare markup and very long lines do not. */
function worth(text: string, speaker: string): number {
  const list = words(text);
  if (list.length < 3) return 0;
  const names = text.slice(1).match(/\b\p{Lu}[\p{L}'’-]+/gu)?.length ?? 0;
  const numbers = text.match(/\d+/g)?.length ?? 0;
  const content = terms(text).size / list.length;
  let score = Math.min(4, names) * 0.7 + Math.min(3, numbers) + content * 2;
  if (isFact(text, speaker)) score += 4;
  else if (speaker === "user" || speaker === "human") score += 1.5;
  if (SMALL_TALK.test(text)) score -= 2;
  if (isQuestion(text)) score -= 0.5;
  if (/\[extractive summary|\[offline rules\]/.test(text)) score -= 3;
  if (/\bm[0-9a-z]{5,}\b/.test(text) && /memory/i.test(text)) score += 1;
  return score;
}

function render(sentences: readonly Scored[]): string {
  const lines: string[] = [];
  let speaker: string | undefined;
  for (const sentence of sentences) {
    if (sentence.speaker === speaker && lines.length > 0) lines[lines.length - 1] += ` ${sentence.text}`;
    else lines.push(sentence.speaker ? `${label(sentence.speaker)}: ${sentence.text}` : sentence.text);
    speaker = sentence.speaker;
  }
  return [SUMMARY_MARK, ...lines].join("\n");
}

function label(speaker: string): string {
  return speaker.charAt(0).toUpperCase() + speaker.slice(1);
}

/** Length of a summary as a share of its transcript, by default. */
export const SUMMARY_SHARE = 0.25;

/**
 * The summary that a request asks for (`prompts.ts`): its last human message is the transcript. A summary of earlier
 * parts is part of the transcript: its sentences compete with the new ones.
 */
export function summaryOfRequest(messages: readonly BaseMessage[], share = SUMMARY_SHARE): string {
  const request = messages.findLast((message) => message.type === "human")?.text ?? "";
  const transcript = request
    .replace(/^Summary of the parts before this one[^\n]*\n/, "")
    .replace(/^Transcript:[ \t]*\n/m, "");
  return extractSummary(transcript, share);
}
