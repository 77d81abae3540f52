/**
 * Rules that keep the context small: noisy pastes, background passages, a filling window.
 *
 * At most one filter and one summary per user message, so that no loop can start.
 */
import { truncate } from "../../text/text.js";
import { isPassage } from "../reading/passage.js";
import { ownWords, readPaste } from "../reading/paste.js";
import { readStatements, type Statement } from "../reading/statements.js";
import type { ConversationView } from "../reading/view.js";
import { act, type CandidateAction, call, made, type Situation } from "./action.js";
import { passagesOf, quotePassages, quoteTexts } from "./quotation.js";

const FULL = 70;
const URGENT = 95;
const FULL_UNDER_NOISE = 60;

/** A newsletter with one useful line: stores the line, filters the noise away. */
export function pasteRule(situation: Situation): CandidateAction[] {
  const { view } = situation;
  if (view.wasFiltered || made(situation, "FILTER").length > 0) return [];
  const paste = readPaste(view.userText);
  if (!paste) return [];
  const adds = made(situation, "ADD").length > 0 ? [] : [...ownFacts(view.userText), ...paste.facts];
  const stores = adds.map((fact) => call("ADD", { content: fact.content, memory_type: fact.memoryType }));
  const criteria = quotePassages(paste.noise.flatMap(passagesOf));
  const filters = criteria ? [call("FILTER", { criteria })] : [];
  const kept = adds.length > 0 ? `I keep ${count(adds.length, "useful line")} and take` : "I take";
  return [
    act(3, `The pasted text is mostly noise. ${kept} ${count(paste.noise.length, "noisy part")} out.`, [
      ...stores,
      ...filters,
    ]),
    ...(stores.length > 0 ? [act(1, "I keep the useful part and leave the rest where it is.", stores)] : []),
  ];
}

/** A window past 70% is summarized before anything else is done. */
export function overflowRule(situation: Situation): CandidateAction[] {
  const { view } = situation;
  const threshold = busy(situation) ? URGENT : FULL;
  if (view.contextPercent < threshold || !worthSummarizing(view) || made(situation, "SUMMARY").length > 0) {
    return [];
  }
  const thought = `About ${view.contextPercent}% of the context is used. I condense the earlier conversation.`;
  return [
    act(4, thought, [call("SUMMARY", { span: "all" })]),
    act(1, thought, [call("SUMMARY", { span: "3" })]),
  ];
}

/** A long third-person text without a memory block, and without a question: background noise. */
export function backgroundRule(situation: Situation): CandidateAction[] {
  const { view } = situation;
  if (view.hasBlock || view.calls.length > 0 || view.wasFiltered || !isPassage(view.userText)) return [];
  if (view.contextPercent >= FULL_UNDER_NOISE && worthSummarizing(view)) {
    const thought = `Background texts fill the context (${view.contextPercent}%). I condense them.`;
    return [act(4, thought, [call("SUMMARY", { span: "all" })]), ...leftoverCandidates(situation)];
  }
  const { tidying } = situation.habits;
  const [head = ""] = view.userText.split(/[.:\n]/, 1);
  return [
    ...backgroundFilters(view, tidying),
    act(1.5, "This may matter later. I look up what I know about it.", [
      call("RETRIEVE", { query: truncate(head, 120), top_k: 2 }),
    ]),
    ...(view.olderMessages >= 3
      ? [act(1.2 * tidying, "Background texts pile up. I condense them.", [call("SUMMARY", { span: "2" })])]
      : []),
    act(0.5, "I keep the beginning of this text for later.", [
      call("ADD", { content: truncate(view.userText, 300), memory_type: "fact" }),
    ]),
  ];
}

/** Takes leftovers of background texts out of the context; a candidate among others while a question is open. */
export function leftoverCandidates(situation: Situation): CandidateAction[] {
  if (made(situation, "FILTER").length > 0) return [];
  const leftovers = situation.view.earlierUserTexts.filter((text) => isPassage(text));
  const criteria = quoteTexts(leftovers.slice(-3));
  if (!criteria) return [];
  return [
    act(2 * situation.habits.tidying, "Texts nobody asked about are left. I filter them out.", [
      call("FILTER", { criteria }),
    ]),
  ];
}

/** All background texts that are still there, or only the newest. A short newest message always stays. */
function backgroundFilters(view: ConversationView, tidying: number): CandidateAction[] {
  const earlier = view.earlierUserTexts.filter((text) => isPassage(text)).slice(-2);
  const newest = view.userText.length >= CUTTABLE ? [view.userText] : [];
  const out: CandidateAction[] = [];
  const all = quoteTexts([...newest, ...earlier]);
  if (all) {
    out.push(
      act(4 * tidying, "Nobody asked about these texts. I filter them out by their own words.", [
        call("FILTER", { criteria: all }),
      ]),
    );
  }
  const one = quoteTexts([passagesOf(newest[0] ?? earlier[0] ?? "")[0] ?? ""]);
  if (one) {
    out.push(
      act(2 * tidying, "I filter out what is least to the point.", [call("FILTER", { criteria: one })]),
    );
  }
  return out;
}

/** Characters from which a filter can cut passages out of the newest message (about 128 tokens). */
const CUTTABLE = 500;

function ownFacts(text: string): Statement[] {
  return readStatements(ownWords(text)).filter((statement) => statement.kind === "fact");
}

/** In the middle of a turn, or with a passage to store, a summary waits until it is urgent. */
function busy(situation: Situation): boolean {
  const { view } = situation;
  return view.calls.length > 0 || (view.hasBlock && isPassage(view.userText));
}

/** Enough older talk that a summary of it would free a tenth of the budget or more. */
function worthSummarizing(view: ConversationView): boolean {
  return view.olderMessages >= 3 && view.olderLength / 4 >= view.maxTokens * 0.12;
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
