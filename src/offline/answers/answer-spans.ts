/**
 * Spans of a sentence that could answer a question of some kind: names, places, dates, numbers, short phrases. Pure.
 */
import { tag } from "../../text/tagger.js";
import { stripEnd, stripStart } from "../../text/text.js";
import type { AnswerKind, Question } from "./question-kind.js";

/** A candidate with the weight of its form alone. */
export interface Span {
  text: string;
  weight: number;
}

const MONTH = "(?:January|February|March|April|May|June|July|August|September|October|November|December)";
const DATE = new RegExp(
  `\\b(?:\\d{1,2} ${MONTH},? \\d{4}|${MONTH} \\d{1,2},? \\d{4}|${MONTH} \\d{4}|\\d{4})\\b`,
  "g",
);
const YEAR = /\b1\d{3}\b|\b20\d{2}\b/g;
const NUMBER =
  /(?<![\w-])(?:\d[\d,.]*\d|\d)(?:\s(?:million|billion|thousand|hundred|percent))?(?![\w-])|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|once|twice|dozen)\b/gi;
const NAME =
  /(?:["“][^"”]{2,60}["”])|\p{Lu}[\p{L}\p{M}\d'’.&-]*(?:\s+(?:(?:of|the|de|da|di|van|von|la|le|del|and|for|in|&)\s+(?:the\s+)?)?\p{Lu}[\p{L}\p{M}\d'’.&-]*)*/gu;
const CALENDAR = new RegExp(`^(?:${MONTH}|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day)$`);
const NOT_A_NAME =
  /^(?:The|A|An|He|She|It|They|His|Her|Its|Their|This|That|In|On|At|As|After|Before|During|From|For|With|By|When|While|Since|Born|Also|However|One|Two|Some|Many|Most|There|These|Those|Other|Both|Although|According|Originally|Following)$/;

/** Spans of a sentence for a question, with a weight per form. */
export function spansOf(sentence: string, question: Question): Span[] {
  switch (question.kind) {
    case "year":
      return matches(sentence, YEAR, 2);
    case "date":
      return matches(sentence, DATE, 1).map((span) => ({ ...span, weight: 1 + span.text.length / 20 }));
    case "number":
      return matches(sentence, NUMBER, 1).map((span) => ({ ...span, weight: isYear(span.text) ? 0.2 : 1.5 }));
    case "person":
      return named(sentence, question.kind);
    case "place":
      return named(sentence, question.kind).map((span) => ({
        ...span,
        text: partOfPlace(span.text, question.focus),
      }));
    default:
      return [
        ...named(sentence, question.kind),
        ...phrases(sentence, question.focus),
        ...(question.focus ? objects(sentence) : []),
      ];
  }
}

/** "Canberra, Australia" is a city and a country: the part that was asked for. */
function partOfPlace(text: string, focus: string): string {
  const parts = text.split(/,\s+/);
  if (/^(?:city|town|village|suburb|cities)$/i.test(focus)) return parts[0] ?? text;
  if (/^(?:country|state|nation|province|countries|states)$/i.test(focus)) return parts.at(-1) ?? text;
  return text;
}

function matches(sentence: string, pattern: RegExp, weight: number): Span[] {
  return [...sentence.matchAll(pattern)].map((match) => ({ text: match[0], weight }));
}

function named(sentence: string, kind: AnswerKind): Span[] {
  const doc = tag(sentence.slice(0, 1000));
  const people = new Set((doc.people().out("array") as string[]).map(clean));
  const places = new Set((doc.places().out("array") as string[]).map(clean));
  const spans: Span[] = [];
  for (const match of sentence.matchAll(NAME)) {
    for (const text of namesIn(match[0])) {
      let weight = 1;
      if (kind === "person")
        weight = people.has(text) ? 2 : places.has(text) ? -0.5 : text.includes(" ") ? 1.2 : 0.7;
      if (kind === "place") weight = places.has(text) ? 2 : people.has(text) ? -0.5 : 0.9;
      if (
        kind === "place" &&
        weight > 0 &&
        /\b(?:in|at|of|near|from|to)\s*$/.test(sentence.slice(0, match.index))
      )
        weight += 0.5;
      spans.push({ text, weight });
    }
  }
  if (kind === "place") for (const text of places) spans.push({ text, weight: 1.8 });
  return spans;
}

/** A run of capitalized words, whole and without a leading article or sentence opener. */
function namesIn(run: string): string[] {
  let parts = clean(run).split(" ");
  while (parts[0] && NOT_A_NAME.test(parts[0])) {
    const dated =
      /^(?:In|On|By|Since|From|Before|After|During)$/.test(parts[0]) && CALENDAR.test(parts[1] ?? "");
    parts = parts.slice(dated ? 2 : 1);
  }
  const text = parts.join(" ");
  return text.length < 2 || CALENDAR.test(text) ? [] : [text];
}

const FUNCTION_WORDS =
  /^(?:(?:the|a|an|of|in|on|and|or|for|to|as|by|with|his|her|its|their|that|this|day)\b\s*)+$/i;

/** Phrases that say what something is: "is a Dutch painter" gives "Dutch painter"; also what stands next to the focus. */
function phrases(sentence: string, focus: string): Span[] {
  const out: Span[] = [];
  const isA =
    /\b(?:is|was|are|were|as|called|known as|named)\s+(?:an?|the)\s+([\p{L}\d' -]{3,50}?)(?=[,.;(]|\s(?:who|that|which|in|of|from|by|for|and|based|located)\b|$)/giu;
  for (const match of sentence.matchAll(isA))
    if (match[1] && !FUNCTION_WORDS.test(match[1])) out.push({ text: match[1].trim(), weight: 0.8 });
  if (focus) {
    const near = new RegExp(
      `\\b([\\p{L}'-]+(?:\\s[\\p{L}'-]+)?)\\s${focus.replace(/[^\p{L}\d]/gu, "")}s?\\b`,
      "giu",
    );
    for (const match of sentence.matchAll(near))
      if (match[1] && !FUNCTION_WORDS.test(match[1])) out.push({ text: match[1].trim(), weight: 1.3 });
  }
  return out;
}

/** Things that a clause ends with: "took in a whippet" gives "whippet". */
function objects(sentence: string): Span[] {
  const pattern =
    /\b(?:an?|the)\s([\p{Ll}-]{3,20}(?:\s[\p{Ll}-]{3,20})?)(?=[.,;]|\s(?:and|away|instead|but|in|for)\b|$)/gu;
  return [...sentence.matchAll(pattern)].map(([, text = ""]) => ({ text, weight: 0.6 }));
}

function clean(text: string): string {
  return stripEnd(stripStart(text, /["“”'‘(]/), /["“”'’),.;:]/)
    .replace(/['’]s$/, "")
    .trim();
}

function isYear(text: string): boolean {
  return /^(?:1\d{3}|20\d{2})$/.test(text);
}
