/**
 * Pasted documents in a user's message: which lines concern the user, which are noise.
 *
 * Owns telling them apart by general marks (advertising, boilerplate, log lines against "your flight departs …").
 * Leaves out: the calls that follow (`context-rules.ts`).
 */
import { collapseSpace } from "../../text/text.js";
import { addressedToThirdPerson } from "./person.js";
import { memoryTypeOf, type Statement, sentencesOf } from "./statements.js";

/** A message read as a paste. */
export interface Paste {
  /** Useful lines, as statements about the user. */
  facts: Statement[];
  /** Noise passages, longest first. */
  noise: string[];
}

const MIN_PASTE = 700;
const NOISE =
  /\b(?:unsubscribe|newsletter|subscribe|sponsored|advert|% off|\d+ ?% ?(?:off|discount)|sale|save up|deal|offer|promo(?:tion)?|voucher|coupon|click|tap here|shop now|buy now|book now|cookie|privacy policy|terms (?:and|of|&)|all rights reserved|copyright|©|https?:|www\.|download (?:our|the) app|follow us|view (?:this|in) (?:email|browser)|earn points|bonus points|limited time|don['’]t miss|win a|subscribers?|lounge access|upgrade (?:now|today)|gift card|free shipping|partner(?:s)? offer|do not reply|automatically generated|loyalty)\b/i;
const LOG_LINE =
  /^\s*(?:\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d|\[?\d\d:\d\d:\d\d|(?:INFO|WARN|ERROR|DEBUG|TRACE)\b|[A-Z]+\s+\d{3}\s)/;
const ABOUT_PASTE =
  /\b(?:(?:this|that|the|following|a) (?:\w+ )?(?:mail|e-?mail|newsletter|message|text|document|page|log)|below|matters? to me|the rest)\b/i;
const ABOUT_USER =
  /\b(?:your|you)\b[^.!?]{0,80}\b(?:flight|booking|reservation|appointment|train|ticket|seat|order|check-?in|hotel|delivery|invoice|contract|lease|reference)\b/i;
const CONCRETE =
  /\b(?:\d{1,2}[:.h]\d{2}|\d{1,2} ?(?:am|pm)|(?:january|february|march|april|may|june|july|august|september|october|november|december|monday|tuesday|wednesday|thursday|friday|saturday|sunday)|[A-Z]{2} ?\d{2,5})\b/;

/** Reads a long message with noise in it; null for an ordinary message. */
export function readPaste(text: string): Paste | null {
  if (text.length < MIN_PASTE) return null;
  const paragraphs = text
    .split(/\n[^\S\n]*\n|\n(?=[^\S\n]*\[?\d{4}-\d\d-\d\d)/)
    .map((paragraph) => paragraph.trim())
    .filter(Boolean);
  const noise: string[] = [];
  const facts: Statement[] = [];
  for (const paragraph of paragraphs) {
    const useful = sentencesOf(paragraph).filter(isAboutUser);
    for (const sentence of useful) {
      const content = addressedToThirdPerson(collapseSpace(sentence));
      facts.push({ kind: "fact", content, memoryType: memoryTypeOf(content) });
    }
    if (useful.length === 0 && isNoise(paragraph)) noise.push(paragraph);
  }
  const noiseLength = noise.reduce((sum, part) => sum + part.length, 0);
  if (noise.length < 2 || noiseLength < text.length * 0.3) return null;
  return { facts: facts.slice(0, 4), noise: noise.sort((a, b) => b.length - a.length) };
}

/** Sentences of a paste in the user's own voice, without those that only introduce the paste. */
export function ownWords(text: string): string {
  return text
    .split(/\n\s*\n/)
    .filter((paragraph) => !isNoise(paragraph) && /\b(?:I|I['’]\w+|my|me)\b/.test(paragraph))
    .flatMap(sentencesOf)
    .filter((sentence) => !ABOUT_PASTE.test(sentence))
    .join("\n");
}

function isAboutUser(sentence: string): boolean {
  return ABOUT_USER.test(sentence) && CONCRETE.test(sentence) && !NOISE.test(sentence);
}

function isNoise(paragraph: string): boolean {
  return NOISE.test(paragraph) || LOG_LINE.test(paragraph);
}
