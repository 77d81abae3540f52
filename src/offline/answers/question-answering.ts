/**
 * Short answers to questions about the world, extracted from the texts of the context.
 *
 * Owns ranking. Leaves out: reading the question (`question-kind.ts`) and finding spans (`answer-spans.ts`). A baseline
 * above chance, no more. Pure.
 */
import { words } from "../../text/words.js";
import type { ConversationView } from "../reading/view.js";
import { spansOf } from "./answer-spans.js";
import { bareTitle, type Evidence, gatherEvidence, rankSentences, shared } from "./evidence.js";
import { type Question, readQuestion } from "./question-kind.js";
import { resolveQuestion } from "./resolve.js";

/** An answer with its score; only comparable within one question. */
export interface RankedAnswer {
  text: string;
  score: number;
}

const MAX_EVIDENCE = 14;

/** The best answer to a question from the memories and passages of a view; empty when there is none. */
export function bestAnswer(question: string, view: ConversationView): string {
  const resolved = resolveQuestion(question, view).question;
  return rankAnswers(resolved, gatherEvidence(resolved, view), { wording: question })[0]?.text ?? "";
}

/** Answers from plain texts, best first. */
export function answersFrom(question: string, texts: readonly string[]): RankedAnswer[] {
  return rankAnswers(question, rankSentences(question, texts));
}

/** Answers from ranked sentences, best first, each once. @param wording of the question before it was resolved: its names answer nothing */
export function rankAnswers(
  question: string,
  evidence: readonly Evidence[],
  { wording = question }: { wording?: string } = {},
): RankedAnswer[] {
  const asked = readQuestion(question);
  if (evidence.length === 0) return [];
  if (asked.kind === "yesno") return yesNo(asked, evidence);
  if (asked.kind === "choice") return chooseOption(asked, evidence);
  const best = new Map<string, RankedAnswer>();
  const top = evidence[0]?.score ?? 0;
  for (const sentence of evidence.slice(0, MAX_EVIDENCE)) {
    const base = top === 0 ? 0 : sentence.score / top;
    for (const span of [...spansOf(sentence.text, asked), ...titleSpan(sentence, asked)]) {
      if (repeatsQuestion(span.text, asked.text) || repeatsQuestion(span.text, wording)) continue;
      const score =
        base * 2 +
        span.weight +
        nearness(sentence.text, span.text, asked.text) +
        (asksForNow(asked) ? lastingness(sentence.text, span.text) : 0);
      const key = words(span.text).join(" ");
      if (key && score > (best.get(key)?.score ?? -1)) best.set(key, { text: span.text, score });
    }
  }
  return [...best.values()].sort((a, b) => b.score - a.score);
}

/** The subject of a fitting text is itself a candidate when the question does not name it. */
function titleSpan(sentence: Evidence, asked: Question): { text: string; weight: number }[] {
  if (!sentence.title || !["person", "thing"].includes(asked.kind)) return [];
  return [{ text: bareTitle(sentence.title), weight: 1.4 }];
}

function repeatsQuestion(text: string, question: string): boolean {
  const list = words(text);
  const asked = new Set(words(question));
  return list.length === 0 || list.every((word) => asked.has(word));
}

/** Question words close to the span, within eight words on either side. */
function nearness(sentence: string, span: string, question: string): number {
  const at = sentence.indexOf(span);
  if (at < 0) return 0;
  const before = sentence.slice(Math.max(0, at - 50), at);
  const after = sentence.slice(at + span.length, at + span.length + 50);
  return Math.min(3, shared(question, `${before} ${after}`)) * 0.3;
}

function asksForNow({ text }: Question): boolean {
  return /\b(?:now|nowadays|currently|today|at present|these days)\b/i.test(text);
}

const GIVEN_UP =
  /\b(?:left|quit|sold|from|instead of|than|notice (?:at|to)|gave up|gave|traded|swapped|replaced|resigned from|no longer \w{1,20})\s(?:(?:the|an?|his|her|their|in|at|for)\s)?$/i;

/** What a sentence says was given up holds no longer; what it names last is where things stand. */
function lastingness(sentence: string, span: string): number {
  const at = sentence.lastIndexOf(span);
  return GIVEN_UP.test(sentence.slice(Math.max(0, at - 60), at)) ? -1.5 : at / Math.max(1, sentence.length);
}

/** "Are A and B both …?": yes when what is asked holds in the texts of both. */
function yesNo(asked: Question, evidence: readonly Evidence[]): RankedAnswer[] {
  const titles = [...new Set(evidence.map((sentence) => sentence.title).filter(Boolean))];
  const names = words(titles.join(" "));
  const predicate = words(asked.text)
    .filter((word) => !names.includes(word))
    .join(" ");
  const supported = titles.filter((title) =>
    evidence.some((sentence) => sentence.title === title && shared(predicate, sentence.text) > 0),
  );
  const holds = titles.length > 0 && supported.length >= Math.min(2, titles.length);
  const yes = holds && (!/\bsame\b/i.test(asked.text) || shareAName(titles, asked, evidence));
  return [
    { text: yes ? "yes" : "no", score: 1 },
    { text: yes ? "no" : "yes", score: 0.5 },
  ];
}

/** "In the same state?": a name that is not in the question occurs in the texts of all. */
function shareAName(titles: readonly string[], asked: Question, evidence: readonly Evidence[]): boolean {
  const perTitle = titles.map((title) => {
    const own = evidence.filter((sentence) => sentence.title === title).slice(0, 4);
    return new Set(
      own.flatMap((sentence) => spansOf(sentence.text, { ...asked, kind: "place" })).map((span) => span.text),
    );
  });
  const [first = new Set<string>(), ...others] = perTitle;
  return [...first].some(
    (name) => !repeatsQuestion(name, asked.text) && others.every((set) => set.has(name)),
  );
}

function chooseOption(asked: Question, evidence: readonly Evidence[]): RankedAnswer[] {
  const latest = /\b(?:younger|youngest|later|latest|more recent(?:ly)?|newer|last)\b/i.test(asked.text);
  const earliest = /\b(?:first|older|oldest|earlier|earliest|before)\b/i.test(asked.text);
  const scored = asked.options.map((option) => {
    const own = evidence.filter((sentence) => shared(option, sentence.title || sentence.text) > 0);
    const years = own.flatMap((sentence) => sentence.text.match(/\b(?:1\d{3}|20\d{2})\b/g) ?? []).map(Number);
    const year = years.length > 0 ? Math.min(...years) : Number.NaN;
    const rest = words(asked.text).filter((word) => !words(asked.options.join(" ")).includes(word));
    const fits = own.reduce((sum, sentence) => sum + shared(rest.join(" "), sentence.text), 0);
    return { text: option, year, fits: fits / Math.max(1, own.length) };
  });
  const byYear = (earliest || latest) && scored.every((item) => !Number.isNaN(item.year));
  const order = scored.sort((a, b) =>
    byYear ? (latest ? b.year - a.year : a.year - b.year) : b.fits - a.fits,
  );
  return order.map((item, index) => ({ text: item.text, score: 1 / (index + 1) }));
}
