/**
 * Short notes about somebody or something by name ("Ada Byrd: She moved to Graz."), told by a person who may talk of other
 * things beside it: what they state, what they put right, what they take back.
 *
 * Owns recognizing them (English, by patterns). Leaves out encyclopedic passages (`passage.ts`) and what people say about
 * themselves (`statements.ts`). Pure.
 */
import { collapseSpace, splitSentences } from "../../text/text.js";
import { words } from "../../text/words.js";
import { isChange } from "./statements.js";

/** A note, taken apart. */
export interface Note {
  /** Whom or what it is about. */
  title: string;
  /** Sentences that tell something about it, or about somebody by name; talk beside it is left out. */
  facts: string[];
  /** Sentences that take back something said before. */
  takenBack: string[];
  /** There is talk beside the facts. */
  talks: boolean;
  /** It says that what was told before is wrong, or is no longer so. */
  corrects: boolean;
}

const TITLED = /^([^\n:.?!]{2,80}):\s+(\S[^\n]{0,4000})$/;
const JOINING = new Set("of the and de da di van von la le del for in on to a an".split(" "));
const FIRST_PERSON = /\b(?:I|I['’](?:m|ve|ll|d)|my|My|we|We|our|Our|me|us)\b/;
const PRONOUN = /^(?:He|She|They|His|Her|Their|Its|This|That)\b/;
/** A name or a number after the first word. */
const NAMED = /\s["“(]?[\p{Lu}\d]/u;

/** That something said before is not so. */
const WRONG =
  /\b(?:wrong|mistaken|mistake|incorrect|not (?:true|right|correct)|untrue|false|misspoke|mixed (?:\w+ )?up|correction|I meant)\b/i;
/** That something said before is to be dropped. */
const TAKEN_BACK =
  /\b(?:forget|disregard|ignore|strike|scratch|never ?mind|take (?:\w+ )?back|took (?:\w+ )?back|withdraw|did not happen|never happened|(?:somebody|someone|something) else)\b/i;
/** That a state has given way to another one. */
const GAVE_WAY =
  /\b(?:left|sold|gave (?:\w+ )?(?:\w+ )?(?:away|up|notice)|quit|resigned|traded|swapped|replaced|instead|no longer|used to|moved on|took over|since then|changed)\b/i;

/** Reads a note; null for anything else. */
export function readNote(text: string): Note | null {
  const parts = TITLED.exec(text.trim());
  const title = collapseSpace(parts?.[1] ?? "");
  if (!parts || !isName(title)) return null;
  const names = new Set(words(title));
  const sentences = splitSentences(parts[2] as string).map(collapseSpace);
  const takenBack = sentences.filter((each) => TAKEN_BACK.test(each) && isAbout(each, names));
  const wrong = sentences.filter((each) => WRONG.test(each) && !takenBack.includes(each));
  const facts = sentences.filter((each) => {
    if (takenBack.includes(each) || wrong.includes(each) || FIRST_PERSON.test(each)) return false;
    return wrong.length > 0 || isAbout(each, names) || PRONOUN.test(each) || NAMED.test(each);
  });
  if (facts.length === 0 && takenBack.length === 0) return null;
  const corrects = wrong.length > 0 || facts.some((each) => GAVE_WAY.test(each) || isChange(each));
  const talks = facts.length + takenBack.length + wrong.length < sentences.length;
  return { title, facts, takenBack, talks, corrects };
}

/** A proper name: each word of weight begins with a capital or a digit. */
function isName(title: string): boolean {
  const list = title.split(" ");
  return list.length <= 8 && list.every((word) => JOINING.has(word) || /^["“(]?[\p{Lu}\d]/u.test(word));
}

function isAbout(sentence: string, names: ReadonlySet<string>): boolean {
  return words(sentence).some((word) => word.length > 2 && names.has(word));
}
