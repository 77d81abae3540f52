/**
 * Index terms of a text for keyword search, in any script. Pure.
 *
 * Terms are the stems of content words (`text/words.ts`). Owns what of a query is looked up. A change of terms raises
 * the format of the store (`rows/schema.ts`), which has every index built anew.
 */
import { contentStems } from "../../text/words.js";

/** Index terms of a text in order, stop words left out. */
export function analyze(text: string): string[] {
  return contentStems(text);
}

/** Words by which a question says what kind of answer it wants; they match texts that merely use them too. */
const QUESTION_WORDS = new Set(
  "who whom whose what when where which why how did does do many much long often kind kinds type types sort would could might should happen happened"
    .split(" ")
    .flatMap(contentStems),
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
