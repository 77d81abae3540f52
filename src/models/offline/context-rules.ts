/**
 * Rules that keep the context small: noisy pastes, background passages, a filling window.
 *
 * At most one filter response and one summary per user message, so that no loop can start.
 */
import { truncate, words } from "../../lib/text.js";
import { lexicalSimilarity } from "../lexical-embeddings.js";
import { act, type Candidate, call, made, type Situation } from "./action.js";
import { isPassage } from "./passage.js";
import { ownWords, readPaste } from "./paste.js";
import { readStatements } from "./statements.js";
import type { ConversationView } from "./view.js";

const FULL = 70;
const URGENT = 95;
const FULL_UNDER_NOISE = 60;
const MAX_CRITERIA_WORDS = 150;
const MAX_FILTERS = 6;
/** Aimed at above the usual threshold of 0.6, because another embedding may see less likeness. */
const ALIKE_ENOUGH = 0.72;

/** A newsletter with one useful line: stores the line, filters the noise away. */
export function pasteRule(situation: Situation): Candidate[] {
  const { view } = situation;
  if (view.wasFiltered || made(situation, "FILTER").length > 0) return [];
  const paste = readPaste(view.userText);
  if (!paste) return [];
  const own = readStatements(ownWords(view.userText)).filter((statement) => statement.kind === "fact");
  const adds = made(situation, "ADD").length > 0 ? [] : [...own, ...paste.facts];
  const stores = adds.map((fact) => call("ADD", { content: fact.content, memory_type: fact.memoryType }));
  const filters = criteriaFor(paste.noise).map((criteria) => call("FILTER", { criteria }));
  const useful = adds.length > 0 ? `I keep ${count(adds.length, "useful line")} and ` : "I ";
  return [
    act(3, `The pasted text is mostly noise. ${useful}take ${count(filters.length, "noisy part")} out.`, [
      ...stores,
      ...filters,
    ]),
    ...(stores.length > 0 ? [act(1, "I keep the useful part and leave the rest where it is.", stores)] : []),
  ];
}

/** A window past 70% is summarised before anything else is done. */
export function overflowRule(situation: Situation): Candidate[] {
  const { view } = situation;
  const threshold = busy(situation) ? URGENT : FULL;
  if (view.contextPercent < threshold || !worthSummarising(view) || made(situation, "SUMMARY").length > 0) {
    return [];
  }
  const thought = `About ${view.contextPercent}% of the context is used. I condense the earlier conversation.`;
  return [
    act(4, thought, [call("SUMMARY", { span: "all" })]),
    act(1, thought, [call("SUMMARY", { span: "3" })]),
  ];
}

/** In the middle of a look-up, or with a passage to store, a summary waits until it is urgent. */
function busy(situation: Situation): boolean {
  const { view } = situation;
  return made(situation, "RETRIEVE").length > 0 || (view.hasBlock && isPassage(view.userText));
}

/** A quotation per noisy part, none for a part that looks like one quoted already. */
function criteriaFor(noise: readonly string[]): string[] {
  const out: string[] = [];
  for (const part of noise) {
    if (out.length >= MAX_FILTERS) break;
    if (!out.some((chosen) => lexicalSimilarity(chosen, part) >= 0.6)) out.push(quote(part));
  }
  return out;
}

/** Enough older talk that a summary of it would free a tenth of the budget or more. */
function worthSummarising(view: ConversationView): boolean {
  return view.olderMessages >= 3 && view.olderLength / 4 >= view.maxTokens * 0.12;
}

/** A long third-person text that came without a memory block while nobody asks: background noise. */
export function backgroundRule(situation: Situation): Candidate[] {
  const { view } = situation;
  if (view.hasBlock || view.calls.length > 0 || view.wasFiltered || !isPassage(view.userText)) return [];
  if (view.contextPercent >= FULL_UNDER_NOISE && worthSummarising(view)) {
    const thought = `Background texts fill the context (${view.contextPercent}%). I condense them.`;
    return [act(4, thought, [call("SUMMARY", { span: "all" })]), filterOut(2, quote(view.userText))];
  }
  const [head = ""] = view.userText.split(/[.:\n]/, 1);
  return [
    filterOut(4, quote(view.userText)),
    filterOut(2, firstWords(view.userText, 20)),
    ...(view.olderMessages >= 3
      ? [act(1.2, "Background texts pile up. I condense them.", [call("SUMMARY", { span: "2" })])]
      : []),
    act(1, "This may matter later. I look up what I know about it.", [
      call("RETRIEVE", { query: truncate(head, 120), top_k: 2 }),
    ]),
    act(0.5, "I keep the text for later.", [call("ADD", { content: firstWords(view.userText, 60) })]),
  ];
}

/** Takes leftovers of background texts out of the context; a candidate among others while a question is open. */
export function leftoverCandidates(situation: Situation): Candidate[] {
  const { view } = situation;
  if (made(situation, "FILTER").length > 0) return [];
  const leftover = view.earlierUserTexts.filter((text) => isPassage(text)).at(-1);
  return leftover ? [filterOut(2, quote(leftover))] : [];
}

/** The shortest beginning of a text that is still like the whole of it: a quotation costs tokens too. */
export function quote(text: string): string {
  const total = Math.min(MAX_CRITERIA_WORDS, text.trim().split(/\s+/).length);
  for (let size = Math.ceil(total * 0.4); size < total; size += Math.max(4, Math.ceil(total * 0.1))) {
    const head = firstWords(text, size);
    if (lexicalSimilarity(head, text) >= ALIKE_ENOUGH) return head;
  }
  return firstWords(text, total);
}

/** The first `max` words of a text as it stands. */
export function firstWords(text: string, max: number): string {
  const parts = text.trim().split(/\s+/);
  return truncate(parts.slice(0, max).join(" "), max * 12);
}

function filterOut(weight: number, criteria: string): Candidate {
  return act(
    weight,
    `Nobody asked about this text. I filter it out by its own words (${words(criteria).length}).`,
    [call("FILTER", { criteria })],
  );
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
