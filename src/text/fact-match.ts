/**
 * Whether a text says a fact, by its words: the lexical rule behind the verdicts of `agemem trace`.
 *
 * Words are compared by their English stem, without stop words and without "user" (who tells of himself as "I"). A
 * text says a fact when one to three consecutive sentences of it (more for a fact of more) hold
 * - every name and number of the fact (words with a capital or a digit), and
 * - four fifths of its content words, rounded up, and
 * - agree with it on being negated or taken back ("no longer lives in Porto" does not say "lives in Porto").
 *
 * Questions say nothing. It knows no synonyms: give a fact in the words of the conversation. Pure.
 */
import { splitSentences } from "./text.js";
import { STOP_WORDS, stem, wordsInCase } from "./words.js";

/** Tells whether texts say a fact. */
export interface FactMatcher {
  /** False for a fact without content words, such as "yes": no text can be said to hold it. */
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
/** Answers that mean nothing without their question. */
const CLOSED = new Set(["yes", "no", "noanswer", "true", "false", "unknown"]);
const WIDEST = 3;

interface Fact {
  words: ReadonlySet<string>;
  /** Names and numbers: all must be there. */
  must: readonly string[];
  needed: number;
  negated: boolean;
  /** Sentences that may carry it together. */
  width: number;
}

interface Sentence {
  words: ReadonlySet<string>;
  negated: boolean;
}

/**
 * A matcher that remembers what it has read, so that asking many texts about many facts stays cheap.
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
      // A window that begins with a sentence of no use was tried as a narrower one.
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
  // Only what carries the fact counts: a sentence that shares one word of several may deny something else.
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

/** "t" is what is left of "doesn't". */
function isNegated(tokens: readonly string[]): boolean {
  return tokens.some((token) => NEGATIONS.has(token.toLowerCase()));
}
