/**
 * Questions that name somebody through somebody else: "Ada's cousin" becomes "Bo Hale" once a text says who that is. Pure.
 */
import { collapseSpace, splitSentences, stripEnd } from "../../text/text.js";
import { titleOf } from "../reading/passage.js";
import type { ConversationView } from "../reading/view.js";

/** A question whose description of somebody was replaced by a name. */
export interface Resolved {
  question: string;
  /** The last name that was put in; empty when nothing was. */
  name: string;
}

const MOST_STEPS = 6;
/** What surrounds a description that is itself asked for: "What is the capital of Peru?" is answered by the name. */
const ASKED_FOR =
  /^\W*(?:what|who|which)\b[^,;:]{0,40}?(?:\bis|\bwas|\bare|\bwere|['’]s)(?: now| currently)?\s$/i;
const NOTHING_MORE = /^(?: now| currently| today)?\W*$/i;

/** Replaces what memories, passages and summaries of the context name: "A's R is B", "B is A's R", "the R of A is B". */
export function resolveQuestion(question: string, view: ConversationView): Resolved {
  const stored = [...view.memories.values()].map(({ content }) => content);
  return resolveFrom(question, [...stored, ...view.earlierUserTexts, ...view.summaries]);
}

/** As {@link resolveQuestion}, from plain texts. */
export function resolveFrom(question: string, texts: readonly string[]): Resolved {
  const names = texts.flatMap(namings);
  let resolved: Resolved = { question, name: "" };
  for (let step = 0; step < MOST_STEPS; step++) {
    const { question: asked } = resolved;
    const found = names.find(({ description }) => asked.toLowerCase().includes(description));
    if (!found) break;
    const at = asked.toLowerCase().indexOf(found.description);
    const [before, after] = [asked.slice(0, at), asked.slice(at + found.description.length)];
    if (ASKED_FOR.test(before) && NOTHING_MORE.test(after)) break;
    resolved = { question: `${before}${found.name}${after}`, name: found.name };
  }
  return resolved;
}

/** Who or what a text says that somebody's something is. */
function namings(text: string): { description: string; name: string }[] {
  const out: { description: string; name: string }[] = [];
  for (const line of text.split("\n")) {
    const body = titleOf(line) ? line.slice(line.indexOf(":") + 1) : line;
    for (const sentence of splitSentences(body)) {
      const plain = stripEnd(collapseSpace(sentence), /[.!]/);
      const verb = [" is now ", " is ", " was "].find((each) => plain.includes(each));
      if (!verb || plain.length > 160) continue;
      const at = plain.indexOf(verb);
      const sides = [plain.slice(0, at), plain.slice(at + verb.length)] as const;
      for (const [described, name] of [sides, [sides[1], sides[0]] as const]) {
        if (isName(name)) for (const description of wordings(described)) out.push({ description, name });
      }
    }
  }
  return out;
}

function isName(text: string): boolean {
  const list = text.split(" ");
  return list.length <= 5 && !/['’]s\b/.test(text) && list.every((word) => /^\p{Lu}/u.test(word));
}

/** "Ada's cousin" and "the cousin of Ada" are one description. */
function wordings(text: string): string[] {
  const owned = /^(\p{Lu}[^'’]{0,60})['’]s ([\p{L} -]{2,40})$/u.exec(text);
  const of = owned ? undefined : /^[Tt]he ([\p{L} -]{2,40}?) of (\p{Lu}[^'’]{0,60})$/u.exec(text);
  const [who, what] = owned ? [owned[1], owned[2]] : [of?.[2], of?.[1]];
  if (!who || !what) return [];
  return [`${who}'s ${what}`, `${who}’s ${what}`, `the ${what} of ${who}`].map((each) => each.toLowerCase());
}
