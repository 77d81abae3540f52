/**
 * Text as weighted, hashed features: word stems, pairs of neighboring stems, character n-grams.
 *
 * Owns weights and the hash; leaves out splitting into words (`text/words.ts`), and dimensions and normalization
 * (`lexical-embeddings.ts`). Pure apart from a bounded cache of words.
 */
import { LRUCache } from "lru-cache";
import { isUnspaced, runsOf, STOP_WORDS, stem, TALK_WORDS, words } from "../text/words.js";

/** One feature of a text: a 32-bit hash and its weight. */
export interface Feature {
  readonly hash: number;
  readonly weight: number;
}

/**
 * Weights relative to a whole word. Longer words carry more meaning on average; word length stands in for document
 * frequency, because a vector must not depend on what else is stored. N-grams catch typos and inflection; those of a
 * word share one weight, however long it is. Pairs of neighbors share one weight per text, `pairs`: they tell "New York"
 * from "new … York", and because the weight does not grow with the text, a text of two words is not nearest to every
 * question that contains one of them.
 */
const WEIGHT = {
  base: 0.6,
  perLetter: 0.07,
  most: 1.2,
  stopWord: 0.25,
  glyph: 0.4,
  grams: 0.7,
  pairs: 1.5,
} as const;
const GRAM_LENGTHS = [3, 4] as const;
const CACHE_WORDS = 20_000;
/** Longer words are ids, addresses or encoded data: taken whole, neither stemmed nor cut into n-grams. */
const LONGEST_WORD = 40;

interface Word {
  /** Identity for counting and pairs: equal for all forms of a word. */
  readonly key: number;
  readonly weight: number;
  /** Hashes of the character n-grams. */
  readonly grams: readonly number[];
}

/** Turns texts into features. Reuse one instance: it caches the words it has seen. */
export class LexicalFeatures {
  private readonly cache = new LRUCache<string, Word>({ max: CACHE_WORDS });

  /** Features of a text; never empty: a text without any letter, digit or symbol has one fixed feature. */
  of(text: string): Feature[] {
    const list = tokenize(text).map((token) => this.word(token));
    if (list.length === 0) return symbols(text);
    return [...pairFeatures(list), ...wordFeatures(list)];
  }

  private word(token: string): Word {
    const known = this.cache.get(token);
    if (known) return known;
    const made = makeWord(token);
    if (token.length <= LONGEST_WORD) this.cache.set(token, made);
    return made;
  }
}

function wordFeatures(list: readonly Word[]): Feature[] {
  const counts = new Map<number, { word: Word; count: number }>();
  for (const word of list) {
    const entry = counts.get(word.key);
    if (entry) entry.count++;
    else counts.set(word.key, { word, count: 1 });
  }
  const features: Feature[] = [];
  for (const { word, count } of counts.values()) {
    const weight = word.weight * (1 + Math.log(count));
    features.push({ hash: word.key, weight });
    const share = (WEIGHT.grams * weight) / Math.sqrt(word.grams.length || 1);
    for (const hash of word.grams) features.push({ hash, weight: share });
  }
  return features;
}

/** Distinct pairs of neighbors; a text of one word pairs it with the start of the text. */
function pairFeatures(list: readonly Word[]): Feature[] {
  const pairs = new Map<number, number>();
  let before: Word | undefined;
  for (const word of list) {
    if (before || list.length === 1) {
      const hash = mix(Math.imul(before?.key ?? 0, 31) ^ word.key ^ 0x5bd1e995);
      pairs.set(hash, (before?.weight ?? 1) * word.weight);
    }
    before = word;
  }
  let sum = 0;
  for (const weight of pairs.values()) sum += weight;
  return [...pairs].map(([hash, weight]) => ({ hash, weight: WEIGHT.pairs * Math.sqrt(weight / sum) }));
}

/** Splits into words; runs of a script without spaces become single characters and pairs. */
function tokenize(text: string): string[] {
  return words(text).flatMap((word) => (isUnspaced(word) ? splitUnspaced(word) : [word]));
}

function splitUnspaced(word: string): string[] {
  return runsOf(word).flatMap(({ text, unspaced }) => {
    if (!unspaced) return [text];
    const glyphs = [...text];
    return glyphs.flatMap((glyph, i) => {
      const following = glyphs[i + 1];
      return following ? [glyph, glyph + following] : [glyph];
    });
  });
}

function makeWord(token: string): Word {
  if (token.length > LONGEST_WORD) return { key: hashText(`w${token}`), weight: WEIGHT.most, grams: [] };
  const glyphs = [...token];
  if (isUnspaced(token)) {
    return { key: hashText(`w${token}`), weight: glyphs.length === 1 ? WEIGHT.glyph : 1, grams: [] };
  }
  const key = hashText(`w${stem(token)}`);
  if (STOP_WORDS.has(token) || TALK_WORDS.has(token)) return { key, weight: WEIGHT.stopWord, grams: [] };
  const framed = ["^", ...glyphs, "$"];
  const grams: number[] = [];
  for (const length of GRAM_LENGTHS) {
    for (let i = 0; i + length <= framed.length; i++) {
      grams.push(hashText(`g${framed.slice(i, i + length).join("")}`));
    }
  }
  return { key, weight: Math.min(WEIGHT.most, WEIGHT.base + WEIGHT.perLetter * glyphs.length), grams };
}

/** Features of a text without words: its symbols (emoji, punctuation), or the fixed feature of a blank text. */
function symbols(text: string): Feature[] {
  const found = new Set([...text.replace(/\s+/gu, "")]);
  if (found.size === 0) return [{ hash: hashText("empty"), weight: 1 }];
  return [...found].map((symbol) => ({ hash: hashText(`y${symbol}`), weight: 1 }));
}

/** FNV-1a over UTF-16 units with a final mix. Part of the vector format: changing it needs a new version. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash);
}

function mix(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
