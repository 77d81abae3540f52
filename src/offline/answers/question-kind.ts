/**
 * What kind of answer a question about the world wants. English, by its question word. Pure.
 */
import { collapseSpace, stripEnd } from "../../text/text.js";
import { words } from "../../text/words.js";

export type AnswerKind = "yesno" | "choice" | "person" | "place" | "date" | "year" | "number" | "thing";

/** A question taken apart. */
export interface Question {
  text: string;
  kind: AnswerKind;
  /** "A or B": the two options. */
  options: string[];
  /** The noun asked for ("city", "band"); empty when there is none. */
  focus: string;
}

const YES_NO = /^(?:is|are|was|were|do|does|did|has|have|had|can|could|will)\b/i;
const PEOPLE =
  /^(?:actors?|actress(?:es)?|author|writer|director|singer|musician|composer|player|politician|president|king|queen|producer|artist|person|people|man|woman|character|rapper|poet|philosopher|scientist|architect|coach|driver|comedian|host|founder|senator|governor|wrestler|painter|guitarist|jumper|leader)$/i;
const PLACES =
  /^(?:city|town|country|state|county|village|place|location|continent|region|province|island|district|river|area|borough|nation|capital|suburb|cities|states|counties)$/i;
const QUESTION_WORD =
  /\b(who|whom|whose|when|where|how many|how much|how old|how long|how tall|what|which)\b/gi;

/** Reads a question. The last question word decides, because bridge questions end with what they want. */
export function readQuestion(question: string): Question {
  const text = question.trim().replace(/\s+/g, " ");
  const options = readOptions(text);
  const found = [...text.matchAll(QUESTION_WORD)];
  if (options.length === 2) return { text, kind: "choice", options, focus: "" };
  const asked =
    found.length > 1 && /^(?:which|who|whom|whose|when|where)$/i.test(found.at(-1)?.[1] ?? "")
      ? pick(text, found)
      : found.at(-1);
  if (!asked || (YES_NO.test(text) && found.length === 0)) {
    return { text, kind: YES_NO.test(text) ? "yesno" : "thing", options: [], focus: "" };
  }
  const rest = text.slice((asked.index ?? 0) + asked[0].length);
  const focus = focusOf(rest);
  return { text, kind: kindOf(asked[0].toLowerCase(), rest, focus), options: [], focus };
}

/** Relative clauses ("…, who was born …") also contain question words: the question's first word wins then. */
function pick(text: string, found: RegExpMatchArray[]): RegExpMatchArray | undefined {
  const first = found[0];
  const opens = /^(?:(?:in|at|on|from|for|of|by|to|with|under)\s+)?$/i.test(text.slice(0, first?.index ?? 0));
  return opens || YES_NO.test(text) ? first : found.at(-1);
}

function kindOf(word: string, rest: string, focus: string): AnswerKind {
  if (word === "when") return "date";
  if (word === "where") return "place";
  if (word === "who" || word === "whom" || word === "whose") return "person";
  if (word.startsWith("how")) return "number";
  if (/^(?:year|decade|century)$/i.test(focus)) return "year";
  if (/^(?:date|day|month)$/i.test(focus)) return "date";
  if (/\b(?:population|percentage|number|height|age|distance|output)\b/i.test(rest.slice(0, 40)))
    return "number";
  if (PEOPLE.test(focus)) return "person";
  if (PLACES.test(focus)) return "place";
  return "thing";
}

/** The head noun after "what"/"which": the last word before a verb or preposition, within a few words. */
function focusOf(rest: string): string {
  let focus = "";
  for (const word of words(rest).slice(0, 5)) {
    if (
      /^(?:is|was|are|were|did|does|do|has|have|had|in|of|on|for|that|which|who|from|with|to|can|will|by|at|s)$/.test(
        word,
      )
    )
      break;
    focus = word;
    if (PEOPLE.test(word) || PLACES.test(word) || word === "year") break;
  }
  return focus;
}

function readOptions(text: string): string[] {
  const match =
    /(?:^|[,:]|\b(?:between|first|older|oldest|younger|american|larger|bigger|longer|earlier|later|more|members|recently|formed|published|founded)\b) ?((?:the )?["“]?[\p{Lu}\d][^,?:]{0,60}?),? or ((?:the )?["“]?[\p{Lu}\d][^?]{0,60})$/u.exec(
      stripEnd(collapseSpace(text), /[\s?]/),
    );
  const first = (match?.[1] ?? "").replace(
    /^(?:which|who|what)\b.*\b(?:first|last|older|earlier|later)\s+/i,
    "",
  );
  return first && match?.[2] ? [first.trim(), match[2].trim()] : [];
}
