/**
 * Turning text into index terms for keyword search, in any script. Pure.
 *
 * Words of letters, marks and digits, lower-cased, compatibility-normalised; Latin letters without accents and
 * English endings cut (Porter). Scripts written without spaces (Han, Kana, Thai, Lao, Khmer, Myanmar) give
 * overlapping pairs of characters, so that a query finds them without a dictionary.
 */
import { stemmer } from "stemmer";
import { eng } from "stopword";

const WORD = /[\p{L}\p{M}\p{N}]+/gu;
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]+/gu;
const STOP_WORDS = new Set(eng.flatMap((word) => word.toLowerCase().match(WORD) ?? []));

/** Index terms of a text in order, stop words left out. */
export function analyze(text: string): string[] {
  const terms: string[] = [];
  for (const word of text.normalize("NFKC").toLowerCase().match(WORD) ?? []) {
    if (!STOP_WORDS.has(word)) addTerms(word, terms);
  }
  return terms;
}

/** Words by which a question says what kind of answer it wants; they match texts that merely use them too. */
const QUESTION_WORDS = new Set(
  "who whom whose what when where which why how did does do many much long often kind kinds type types sort would could might should happen happened"
    .split(" ")
    .flatMap(analyze),
);

/** Characters of a query that are read, and terms that are looked up: a pasted document asks with its beginning. */
const QUERY_CHARS = 16_384;
const QUERY_TERMS = 128;

/**
 * Terms of a query, each once: like {@link analyze}, without question words unless nothing else is left. Of a long
 * query those that occur most often in it.
 */
export function analyzeQuery(text: string): string[] {
  const counts = countTerms(analyze(text.slice(0, QUERY_CHARS)));
  const terms = [...counts.keys()];
  const telling = terms.filter((term) => !QUESTION_WORDS.has(term));
  const chosen = telling.length > 0 ? telling : terms;
  if (chosen.length <= QUERY_TERMS) return chosen;
  return chosen.sort((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0)).slice(0, QUERY_TERMS);
}

/** How often each term occurs. */
export function countTerms(terms: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + 1);
  return counts;
}

function addTerms(word: string, terms: string[]): void {
  let last = 0;
  for (const match of word.matchAll(UNSPACED)) {
    if (match.index > last) terms.push(stem(word.slice(last, match.index)));
    const characters = [...match[0]];
    if (characters.length === 1) terms.push(match[0]);
    for (let i = 0; i + 1 < characters.length; i++) terms.push(`${characters[i]}${characters[i + 1]}`);
    last = match.index + match[0].length;
  }
  if (last < word.length) terms.push(stem(word.slice(last)));
}

function stem(word: string): string {
  if (/^[a-z0-9]+$/.test(word)) return /^[a-z]+$/.test(word) ? stemmer(word) : word;
  const plain = word.normalize("NFD").replace(/\p{M}/gu, "");
  return /^[a-z]+$/.test(plain) ? stemmer(plain) : word;
}
