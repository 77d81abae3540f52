/**
 * Answering a question about the user from what is in the context: memories, earlier statements, summaries.
 *
 * Owns scoring and wording. Leaves out: questions about the world (`question-answering.ts`). Pure.
 */

import { isPassage } from "../reading/passage.js";
import { toSecondPerson, toThirdPerson } from "../reading/person.js";
import { isChange, isQuestion, readStatements, sentencesOf } from "../reading/statements.js";
import { isAbout, isSameThing, overlap, similarity, subjectOf, terms, topics } from "../reading/terms.js";
import type { ConversationView } from "../reading/view.js";

/** A statement that may answer, and how well it fits (0 to about 2). */
export interface Recalled {
  text: string;
  score: number;
}

/** From this score a statement found in the context answers at once; below it, long-term memory is asked first. */
export const SURE = 0.75;
/** From this score a statement counts as an answer once long-term memory has been asked. */
export const ENOUGH = 0.4;

/** Topics a question implies beyond its own words: a dinner idea must respect an allergy. */
const IMPLIED: Record<string, string[]> = { diet: ["allergy"], allergy: ["diet"] };
const PERSONAL = /\b(?:I|I['’]\w+|i|my|me|mine|we|our|us)\b/;
const WIDE = /\b(?:suggest|recommend|idea|tips?|plan|know about me|remember about me|help me)\b/i;

/** Whether a question is about the user. */
export function isPersonal(question: string): boolean {
  return PERSONAL.test(question) || WIDE.test(question);
}

/** Statements of the context that answer a question, best first; a later one replaces an earlier one about the same thing. */
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

/** Statements in the order they were made: summaries, what the user said, memories. Withdrawn ones are left out. */
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
  const forgotten = withdrawn(view);
  return [...told.filter((text) => !forgotten.some((topic) => isAbout(text, topic))), ...stored].filter(
    (text) => !view.deleted.some((gone) => similarity(gone, text) >= 0.6),
  );
}

/** Topics the user asked to forget, anywhere in the context. */
function withdrawn(view: ConversationView): string[] {
  return [...view.summaries, ...view.earlierUserTexts, view.userText]
    .flatMap(readStatements)
    .filter((statement) => statement.kind === "forget")
    .map((statement) => statement.content);
}

/** Drops a summary's lines by the assistant or a tool, which are echoes, and the label of the user's lines. */
function withoutAssistant(summary: string): string {
  const lines = summary.split("\n").filter((line) => !/^(?:assistant|ai|tool)\b[^:]{0,40}:/i.test(line));
  return lines.map((line) => line.replace(/^(?:user|human|summary|memory)\b[^:]{0,40}:\s*/i, "")).join("\n");
}

function fitness(question: string, text: string): number {
  const wanted = terms(question);
  for (const word of GENERIC) wanted.delete(word);
  const asked = topics(question);
  const about = topics(text);
  const has = terms(text);
  let matched = 0;
  for (const term of wanted) {
    if (has.has(term)) matched++;
    else if (overlap(topics(term), about) > 0) matched += 0.9;
  }
  let share = wanted.size === 0 ? 0 : matched / wanted.size;
  if (WIDE.test(question)) {
    for (const topic of [...asked]) for (const implied of IMPLIED[topic] ?? []) asked.add(implied);
    if (overlap(asked, about) > 0) share = Math.max(share, 0.5);
  }
  return share === 0 ? 0 : share + subjectBonus(question, text) + wordBonus(question, text);
}

/** A question about "my sister" wants the sister, one about "I" does not. */
function subjectBonus(question: string, text: string): number {
  const subject = subjectOf(question);
  const about = subjectOf(text);
  if (WIDE.test(question)) return 0;
  if (subject !== "user") return about === subject ? 0.3 : -0.4;
  if (about === "user" || ANYONE.test(question)) return 0;
  const names = text.match(/\b[A-Z][a-z]+\b/g) ?? [];
  return names.some((name) => question.includes(name)) ? 0 : -0.6;
}

/** Words of a question that say nothing about what is asked. */
const GENERIC = terms(
  "like days day thing something anything things suggest recommend idea current currently now want should use said",
);
const ANYONE = /\b(?:who|family|anyone|know about me)\b/i;

const DATED =
  /\b\d{1,2}[:.]\d{2}\b|\b(?:\d{4}-\d\d|january|february|march|april|may|june|july|august|september|october|november|december|(?:mon|tues|wednes|thurs|fri|satur|sun)day|tomorrow|next)\b/i;

function wordBonus(question: string, text: string): number {
  if (/\b(?:when|what time|which day|what date)\b/i.test(question))
    return DATED.test(text) ? 0.3 : /\d/.test(text) ? 0 : -0.3;
  if (/^\W*where\b/i.test(question)) return /\b(?:in|to|at|from|near)\s+[A-Z]/.test(text) ? 0.2 : 0;
  if (/\b(?:favou?rite|prefer|like|love|drink)\b/i.test(question)) {
    return /\b(?:like|love|prefer|favou?rite|drink|switch)/i.test(text) ? 0.2 : 0;
  }
  return 0;
}

function replaces(later: string, earlier: string): boolean {
  const alike = similarity(later, earlier);
  return alike >= 0.85 || (isSameThing(later, earlier) && (alike >= 0.5 || isChange(later)));
}
