/**
 * Rules that keep the context small: noisy pastes, background passages, a filling window.
 *
 * At most one filter response and one summary per user message, so that no loop can start.
 */
import { truncate, words } from "../../lib/text.js";
import { act, type Candidate, call, made, type Situation } from "./action.js";
import { isPassage } from "./passage.js";
import { ownWords, readPaste } from "./paste.js";
import { readStatements } from "./statements.js";

const FULL = 70;
const FULL_UNDER_NOISE = 60;
const MAX_CRITERIA_WORDS = 150;

/** A newsletter with one useful line: stores the line, filters the noise away. */
export function pasteRule(situation: Situation): Candidate[] {
  const { view } = situation;
  if (view.wasFiltered || made(situation, "FILTER").length > 0) return [];
  const paste = readPaste(view.userText);
  if (!paste) return [];
  const own = readStatements(ownWords(view.userText)).filter((statement) => statement.kind === "fact");
  const adds = made(situation, "ADD").length > 0 ? [] : [...own, ...paste.facts];
  const stores = adds.map((fact) => call("ADD", { content: fact.content, memory_type: fact.memoryType }));
  const filters = paste.noise
    .slice(0, 6)
    .map((part) => call("FILTER", { criteria: firstWords(part, MAX_CRITERIA_WORDS) }));
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
  if (view.contextPercent < FULL || view.olderMessages < 3 || made(situation, "SUMMARY").length > 0)
    return [];
  const thought = `About ${view.contextPercent}% of the context is used. I condense the earlier conversation.`;
  return [
    act(4, thought, [call("SUMMARY", { span: "all" })]),
    act(1, thought, [call("SUMMARY", { span: "3" })]),
  ];
}

/** A long third-person text that came without a memory block while nobody asks: background noise. */
export function backgroundRule(situation: Situation): Candidate[] {
  const { view } = situation;
  if (view.hasBlock || view.calls.length > 0 || view.wasFiltered || !isPassage(view.userText)) return [];
  if (view.contextPercent >= FULL_UNDER_NOISE && view.olderMessages >= 3) {
    const thought = `Background texts fill the context (${view.contextPercent}%). I condense them.`;
    return [
      act(4, thought, [call("SUMMARY", { span: "all" })]),
      filterOut(view.userText, 2, MAX_CRITERIA_WORDS),
    ];
  }
  const [head = ""] = view.userText.split(/[.:\n]/, 1);
  return [
    filterOut(view.userText, 4, MAX_CRITERIA_WORDS),
    filterOut(view.userText, 2, 40),
    ...(view.olderMessages >= 3
      ? [act(1.2, "Background texts pile up. I condense them.", [call("SUMMARY", { span: "2" })])]
      : []),
    act(1, "This may matter later. I look up what I know about it.", [
      call("RETRIEVE", { query: truncate(head, 120), top_k: 2 }),
    ]),
    act(0.5, "I keep the text for later.", [call("ADD", { content: firstWords(view.userText, 60) })]),
  ];
}

/** While a question is open: takes leftovers of background texts out of the context. */
export function leftoverRule(situation: Situation): Candidate[] {
  const { view } = situation;
  if (made(situation, "FILTER").length > 0 || made(situation, "RETRIEVE").length === 0) return [];
  if (!readStatements(view.userText).some((statement) => statement.kind === "question")) return [];
  const leftover = view.earlierUserTexts.filter((text) => isPassage(text)).at(-1);
  return leftover ? [filterOut(leftover, 1, MAX_CRITERIA_WORDS)] : [];
}

/** The first `max` words of a text as it stands. */
export function firstWords(text: string, max: number): string {
  const parts = text.trim().split(/\s+/);
  return truncate(parts.slice(0, max).join(" "), max * 12);
}

function filterOut(text: string, weight: number, max: number): Candidate {
  const size = Math.min(max, words(text).length);
  return act(weight, `Nobody asked about this text. I filter it out by its own words (${size}).`, [
    call("FILTER", { criteria: firstWords(text, max) }),
  ]);
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
