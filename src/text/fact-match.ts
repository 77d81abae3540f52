/**
 * Whether a text states a fact, judged by its words. It decides who said a memory and the verdicts of `agemem trace`.
 *
 * Owns the rule. Words are compared by their English stems, without stop words and without "user" (who says "I"). A text
 * states a fact if up to three consecutive sentences of it (more if the fact itself has more)
 * - contain every name and number of the fact (words with a capital or a digit),
 * - contain four fifths of its content words, rounded up, and
 * - agree with it on negation ("no longer lives in Porto" does not state "lives in Porto").
 *
 * Questions state nothing. It knows no synonyms, so phrase a fact in the words of the conversation. Pure.
 */
import { splitSentences } from "./text.js";
import { STOP_WORDS, stem, wordsInCase } from "./words.js";

/** Tells whether texts state a fact. */
export interface FactMatcher {
  /** False for a fact without content words, such as "yes", which no text can be found to state. */
  usable(fact: string): boolean;
  says(text: string, fact: string): boolean;
}

const IGNORED = new Set([...STOP_WORDS, "user", "users"]);
const NEGATIONS = new Set([
  "not",
  "no",
  "never",
  "nor",
  "neither",
  "without",
  "longer",
  "t",
  "cannot",
  "forget",
]);
/** One-word answers that mean nothing without their question. */
const CLOSED = new Set(["yes", "no", "noanswer", "true", "false", "unknown"]);
const WIDEST = 3;

interface Fact {
  words: ReadonlySet<string>;
  /** Names and numbers, all of which must occur. */
  must: readonly string[];
  needed: number;
  negated: boolean;
  /** How many consecutive sentences may state it together. */
  width: number;
}

interface Sentence {
  words: ReadonlySet<string>;
  negated: boolean;
}

/**
 * Creates a matcher that caches what it has read, so that comparing many texts with many facts stays cheap.
 *
 * @example
 * createFactMatcher().says("Nora is a translator. She lives in Porto.", "Nora lives in Porto."); // true
 */
export function createFactMatcher(): FactMatcher {
  const facts = new Map<string, Fact>();
  const texts = new Map<string, Sentence[]>();
  const factOf = (fact: string): Fact => remember(facts, fact, readFact);
  return {
    usable: (fact) => factOf(fact).words.size > 0,
    says: (text, fact) => says(remember(texts, text, readText), factOf(fact)),
  };
}

function remember<T>(known: Map<string, T>, key: string, make: (key: string) => T): T {
  const hit = known.get(key);
  if (hit !== undefined) return hit;
  const made = make(key);
  known.set(key, made);
  return made;
}

function says(sentences: readonly Sentence[], fact: Fact): boolean {
  if (fact.words.size === 0) return false;
  const counts = sentences.map((sentence) => overlap(sentence, fact));
  for (let width = 1; width <= fact.width; width++) {
    for (let from = 0; from + width <= sentences.length; from++) {
      // A window that begins with an irrelevant sentence has already been tried as a narrower one.
      if (counts[from] === 0) continue;
      if (covers(sentences.slice(from, from + width), fact)) return true;
    }
  }
  return false;
}

function covers(window: readonly Sentence[], fact: Fact): boolean {
  const has = (word: string): boolean => window.some(({ words }) => words.has(word));
  if (!fact.must.every(has)) return false;
  if ([...fact.words].filter(has).length < fact.needed) return false;
  // Only sentences that carry the fact count: one that shares a single word may deny something else.
  const share = window.length === 1 ? 1 : Math.min(2, fact.words.size);
  const carrying = window.filter((sentence) => overlap(sentence, fact) >= share);
  return carrying.some(({ negated }) => negated) === fact.negated;
}

function overlap({ words }: Sentence, fact: Fact): number {
  let count = 0;
  for (const word of fact.words) if (words.has(word)) count++;
  return count;
}

function readFact(text: string): Fact {
  const tokens = wordsInCase(text);
  if (tokens.length === 1 && CLOSED.has((tokens[0] ?? "").toLowerCase())) {
    return { words: new Set(), must: [], needed: 0, negated: false, width: 0 };
  }
  const words = contentWords(tokens);
  const marked = tokens.filter((token) => /\p{N}/u.test(token) || /^\p{Lu}/u.test(token));
  return {
    words,
    must: [...contentWords(marked)],
    needed: Math.ceil(words.size * 0.8),
    negated: isNegated(tokens),
    width: Math.max(WIDEST, readText(text).length),
  };
}

function readText(text: string): Sentence[] {
  return text
    .split(/\n+/)
    .flatMap(splitSentences)
    .filter((sentence) => !/\?["'”’)]*$/.test(sentence))
    .map((sentence) => {
      const tokens = wordsInCase(sentence);
      return { words: contentWords(tokens), negated: isNegated(tokens) };
    });
}

function contentWords(tokens: readonly string[]): Set<string> {
  const lower = tokens.map((token) => token.toLowerCase());
  const kept = lower.filter((token) => /\p{N}/u.test(token) || (token.length > 1 && !IGNORED.has(token)));
  return new Set(kept.map((token) => stem(token)));
}

/** Whether the words negate; "t" is what remains of "doesn't". */
function isNegated(tokens: readonly string[]): boolean {
  return tokens.some((token) => NEGATIONS.has(token.toLowerCase()));
}
