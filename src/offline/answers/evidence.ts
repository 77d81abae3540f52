/**
 * The texts a question is answered from, cut into sentences and scored by how well they fit the question. Pure.
 */
import { collapseSpace, splitSentences } from "../../text/text.js";
import { isPassage, titleOf } from "../reading/passage.js";
import { overlap, terms } from "../reading/terms.js";
import type { ConversationView } from "../reading/view.js";

/** One sentence of a text, with its score. */
export interface Evidence {
  text: string;
  title: string;
  score: number;
}

/** A text nobody chose to store counts less than a memory. */
const LYING_AROUND = 0.6;
const MAX_SENTENCES = 400;

/** Sentences of memories, passages and summaries in the context, best first. */
export function gatherEvidence(question: string, view: ConversationView): Evidence[] {
  const stored = [...view.memories.values()].map((memory) => memory.content);
  const lying = [...view.earlierUserTexts.filter((text) => isPassage(text)), ...view.summaries];
  const chosen = new Set(stored.map(titleOf));
  return rankSentences(question, [...stored, ...lying])
    .map((item) => (chosen.has(item.title) ? item : { ...item, score: item.score * LYING_AROUND }))
    .sort((a, b) => b.score - a.score);
}

/**
 * Sentences of texts ranked for a question: rare shared words count more, and a text whose title another fitting
 * sentence mentions is the other end of a bridge.
 */
export function rankSentences(question: string, texts: readonly string[]): Evidence[] {
  const wanted = terms(question);
  const all: (Evidence & { terms: Set<string> })[] = [];
  for (const text of texts) {
    for (const part of text.split("\n")) {
      const title = titleOf(part);
      const body = title ? part.slice(part.indexOf(":") + 1) : part;
      for (const sentence of splitSentences(body)) {
        if (all.length >= MAX_SENTENCES) break;
        all.push({ text: collapseSpace(sentence), title, score: 0, terms: terms(`${title} ${sentence}`) });
      }
    }
  }
  const weight = new Map<string, number>();
  for (const term of wanted) {
    const seen = all.filter((item) => item.terms.has(term)).length;
    weight.set(term, Math.log(1 + all.length / (1 + seen)));
  }
  for (const item of all) for (const [term, value] of weight) if (item.terms.has(term)) item.score += value;
  const asked = question.toLowerCase();
  for (const item of all) {
    const bridge = all.find(
      (other) =>
        other.title !== item.title && item.title !== "" && other.text.includes(bareTitle(item.title)),
    );
    if (bridge && !asked.includes(bareTitle(item.title).toLowerCase())) item.score += bridge.score * 0.5;
  }
  return all.map(({ text, title, score }) => ({ text, title, score })).sort((a, b) => b.score - a.score);
}

/** "Lilu (mythology)" as it is mentioned in running text: "Lilu". */
export function bareTitle(title: string): string {
  const trimmed = title.trimEnd();
  const open = trimmed.indexOf("(", trimmed.lastIndexOf(")", trimmed.length - 2) + 1);
  return trimmed.endsWith(")") && open >= 0 ? trimmed.slice(0, open).trimEnd() : title;
}

/** How many of a question's words a text has. */
export function shared(question: string, text: string): number {
  return overlap(terms(question), terms(text));
}
