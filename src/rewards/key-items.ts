/** K_q: the names, places and times in a query, which `preservation.ts` looks for in the context. Pure. */
import { LRUCache } from "lru-cache";
import { tag } from "../text/tagger.js";
import { stripEnd, stripStart } from "../text/text.js";

/** Words that are capitalized at the start of a question but name nothing. */
const QUESTION_WORDS = new Set(
  "who whom whose what which when where why how is are was were do does did has have had can could will would if in on at of the a an this that these those both between among during from for to and or by with as after before i".split(
    " ",
  ),
);

/**
 * Names, places, organizations, dates, numbers, quoted titles and capitalized sequences of an English question, in
 * order of first occurrence. Of overlapping items only the longest stays.
 *
 * @example
 * keyItems("Who directed the film shot in Leland, North Carolina in 1986?"); // ["Leland", "North Carolina", "1986"]
 */
export function keyItems(question: string): readonly string[] {
  const known = found.get(question);
  if (known) return known;
  const items = Object.freeze(itemsOf(question));
  found.set(question, items);
  return items;
}

/** The rollouts of a group share a question, and tagging it costs as much as the rest of the reward. */
const found = new LRUCache<string, readonly string[]>({ max: 500 });

function itemsOf(question: string): string[] {
  const named = [...quoted(question), ...tagged(question), ...capitalized(question)]
    .flatMap((item) => item.split(/[,;()]+/))
    .map(trimItem)
    .filter(
      (item) => item.length > 1 && /[\p{Lu}\p{N}]/u.test(item) && !QUESTION_WORDS.has(item.toLowerCase()),
    );
  const unique = [...new Map(named.map((item) => [item.toLowerCase(), item])).values()];
  const longest = unique.filter((item) => !unique.some((other) => other !== item && within(item, other)));
  const at = (item: string): number => question.indexOf(item);
  return longest.filter((item) => at(item) >= 0).sort((a, b) => at(a) - at(b));
}

function tagged(question: string): string[] {
  const doc = tag(question);
  return [doc.people(), doc.places(), doc.organizations(), doc.match("#Date+"), doc.match("#ProperNoun+")]
    .flatMap((view) => view.out("array") as string[])
    .concat(question.match(/\p{N}[\p{N}.,:/-]*/gu) ?? []);
}

function quoted(question: string): string[] {
  return [...question.matchAll(/["“”]([^"“”]+)["“”]/g)].map((match) => match[1] ?? "");
}

/** Runs of capitalized words. The question's first word counts only as part of a longer run. */
function capitalized(question: string): string[] {
  const word = "\\p{Lu}(?:[\\p{L}\\p{M}\\p{N}'’-]|\\.(?=\\p{L}))*";
  const runs = question.matchAll(new RegExp(`${word}(?:\\s+${word})*`, "gu"));
  return [...runs].flatMap((run) => {
    const text = run.index === 0 ? dropQuestionWord(run[0]) : run[0];
    return text ? [text] : [];
  });
}

function dropQuestionWord(run: string): string {
  const [first = "", ...rest] = run.split(/\s+/);
  if (QUESTION_WORDS.has(first.toLowerCase())) return rest.join(" ");
  return rest.length === 0 ? "" : run;
}

function trimItem(item: string): string {
  const around = /[^\p{L}\p{N}]/u;
  return stripEnd(stripStart(item, around), around).replace(/['’]s?$/u, "");
}

/** Whether a longer item contains this one as whole words. */
function within(item: string, other: string): boolean {
  const [a, b] = [item, other].map((text) => ` ${text.toLowerCase().replace(/['’.-]/g, " ")} `);
  return other.length > item.length && (b ?? "").includes(a ?? "");
}
