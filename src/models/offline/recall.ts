/**
 * Answering a question about the user from what is in the context: memories, earlier statements, summaries.
 *
 * Owns scoring and wording. Leaves out: questions about the world (`question-answering.ts`). Pure.
 */

import { isPassage } from "./passage.js";
import { toSecondPerson, toThirdPerson } from "./person.js";
import { isQuestion, sentencesOf } from "./statements.js";
import { isSameThing, overlap, similarity, subjectOf, terms, topics } from "./terms.js";
import type { ConversationView } from "./view.js";

/** A statement that may answer, with how well it fits (0 to about 2). */
export interface Recalled {
  text: string;
  score: number;
}

/** From here on a statement found in the context answers at once; below, long-term memory is asked first. */
export const SURE = 0.75;
/** From here on a statement counts as an answer after long-term memory was asked. */
export const ENOUGH = 0.4;

/** Topics a question implies beside its own words: a dinner idea must respect an allergy. */
const IMPLIED: Record<string, string[]> = { diet: ["allergy"], travel: [], allergy: ["diet"] };
const PERSONAL = /\b(?:I|I['’]\w+|i|my|me|mine|we|our|us)\b/;
const WIDE = /\b(?:suggest|recommend|idea|tips?|plan|know about me|remember about me|help me)\b/i;

/** Whether a question is about the user. */
export function isPersonal(question: string): boolean {
  return PERSONAL.test(question) || WIDE.test(question);
}

/** Statements of the context that answer a question, best first; later ones replace earlier ones of the same thing. */
export function recall(view: ConversationView, question: string): Recalled[] {
  const out: Recalled[] = [];
  const all = statementsOf(view);
  for (const [index, text] of all.entries()) {
    const score = fitness(question, text);
    if (score < ENOUGH) continue;
    const later = all.slice(index + 1);
    if (later.some((other) => fitness(question, other) >= ENOUGH && replaces(other, text))) continue;
    out.push({ text, score });
  }
  return out.sort((a, b) => b.score - a.score);
}

/** A reply in words, from what {@link recall} found; null when nothing fits well enough. */
export function replyTo(question: string, found: readonly Recalled[], threshold: number): string | null {
  const best = found[0];
  if (!best || best.score < threshold) return null;
  const limit = WIDE.test(question) || /\b(?:what|which)\b.*\b(?:know|remember)\b/i.test(question) ? 4 : 2;
  const close = found.filter((item) => item.score >= (limit > 2 ? threshold : best.score * 0.9));
  return close
    .slice(0, limit)
    .map((item) => toSecondPerson(item.text))
    .join(" ");
}

/** Statements in the order they were made: summaries, what the user said, memories; withdrawn ones left out. */
function statementsOf(view: ConversationView): string[] {
  const current = sentencesOf(view.userText).filter((sentence) => !isQuestion(sentence));
  const told = [
    ...view.summaries.map(withoutAssistant),
    ...view.earlierUserTexts.filter((text) => !isPassage(text)),
  ]
    .flatMap(sentencesOf)
    .concat(current)
    .filter(
      (sentence) =>
        sentence.length <= 400 &&
        !isQuestion(sentence) &&
        /\b(?:I|I['’]\w+|my|we|our|User|User's)\b/i.test(sentence),
    )
    .map((sentence) => toThirdPerson(sentence));
  const stored = [...view.memories.values()].map((memory) => memory.content);
  return [...told, ...stored].filter((text) => !view.deleted.some((gone) => similarity(gone, text) >= 0.6));
}

/** Lines of a summary that the assistant or a tool spoke are echoes; the user's lose their label. */
function withoutAssistant(summary: string): string {
  const lines = summary.split("\n").filter((line) => !/^(?:assistant|ai|tool)\b[^:]{0,40}:/i.test(line));
  return lines.map((line) => line.replace(/^(?:user|human|summary|memory)\b[^:]{0,40}:\s*/i, "")).join("\n");
}

function fitness(question: string, text: string): number {
  const wanted = terms(question);
  const has = terms(text);
  const share = wanted.size === 0 ? 0 : overlap(wanted, has) / wanted.size;
  const asked = topics(question);
  for (const topic of [...asked]) for (const implied of IMPLIED[topic] ?? []) asked.add(implied);
  const sameTopic = overlap(asked, topics(text)) > 0 ? 0.45 : 0;
  const subject = subjectOf(question);
  const relation = subject === "user" ? 0 : subjectOf(text) === subject ? 0.3 : -0.5;
  const other =
    subject === "user" && subjectOf(text) !== "user" && !PERSONAL_RELATION.test(question) ? -0.25 : 0;
  return share + sameTopic + relation + other + wordBonus(question, text);
}

const PERSONAL_RELATION = /\b(?:who|family|anyone|know about me)\b/i;

function wordBonus(question: string, text: string): number {
  if (/\b(?:when|what time|which day|what date)\b/i.test(question)) return /\d/.test(text) ? 0.2 : -0.3;
  if (/^\W*where\b/i.test(question)) return /\b(?:in|to|at|from|near)\s+[A-Z]/.test(text) ? 0.2 : 0;
  if (/\b(?:favou?rite|prefer|like|love|drink)\b/i.test(question)) {
    return /\b(?:like|love|prefer|favou?rite|drink|switch)/i.test(text) ? 0.2 : 0;
  }
  return 0;
}

function replaces(later: string, earlier: string): boolean {
  return (
    similarity(later, earlier) >= 0.85 || (isSameThing(later, earlier) && similarity(later, earlier) >= 0.5)
  );
}
