/**
 * Index terms of a text for keyword search, in any script. Pure.
 *
 * Terms are the stems of content words (`text/words.ts`). Owns which terms of a query are looked up. A change of terms
 * must raise the format of the store (`rows/schema.ts`), so that every index is rebuilt.
 */
import { contentStems } from "../../text/words.js";

/** Index terms of a text, in order, without stop words. */
export function analyze(text: string): string[] {
  return contentStems(text);
}

/** Words that say what kind of answer a question wants. They would match any text that happens to use them. */
const QUESTION_WORDS = new Set(
  "who whom whose what when where which why how did does do many much long often kind kinds type types sort would could might should happen happened"
    .split(" ")
    .flatMap(contentStems),
);

/** How many characters of a query are read; of a pasted document only the beginning. */
const QUERY_CHARS = 16_384;
/** How many terms of a query are looked up. */
const QUERY_TERMS = 128;

/**
 * The distinct terms of a query, without question words unless there are no others. Of a long query only the most
 * frequent ones.
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
