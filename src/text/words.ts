/**
 * Words, their stems, and stop words: shared by everything in agemem that compares texts.
 *
 * Owns what a word is in any script, its stem, and the English word lists. Leaves out weights and features
 * (`models/lexical/`), index terms (`store/search/analyze.ts`) and sentences (`text.ts`). Pure.
 *
 * Keyword indexes and lexical vectors are built from these words, so a change here must raise the version of both
 * (`store/rows/schema.ts`, `models/lexical-embeddings.ts`).
 */
import { stemmer } from "stemmer";
import { eng } from "stopword";
import { baseForm } from "./word-forms.js";

const WORD = /[\p{L}\p{M}\p{N}]+/gu;
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]+/gu;
const HAS_UNSPACED = new RegExp(UNSPACED.source, "u");

/** English words without content of their own. */
export const STOP_WORDS: ReadonlySet<string> = new Set(eng);

/**
 * Conversational words without much content that {@link STOP_WORDS} lacks, and what contractions leave when split at the
 * apostrophe. Not for an index, because "may" and "won" can be content elsewhere.
 */
export const TALK_WORDS: ReadonlySet<string> = new Set(
  `when why do don didn doesn isn wasn aren weren won wouldn couldn shouldn haven hasn hadn just yes no
not im ve s t re ll d m o so too us u hey hi hello oh ok okay yeah yep wow haha lol will shall may ain let lets
gonna wanna gotta its there here else ever`.split(/\s+/),
);

/**
 * The words of a text in order, in their original case: runs of letters, marks and digits of any script, in Unicode
 * compatibility form and without accents on Latin, Greek and Cyrillic letters. Apostrophes and hyphens separate words.
 *
 * @example
 * wordsInCase("Zoë’s ﬁsh"); // ["Zoe", "s", "fish"]
 */
export function wordsInCase(text: string): string[] {
  return plain(text).match(WORD) ?? [];
}

/** The words of a text in order, in lower case; see {@link wordsInCase}. */
export function words(text: string): string[] {
  return plain(text).toLowerCase().match(WORD) ?? [];
}

function plain(text: string): string {
  // Most texts are plain ASCII and need no work.
  if (/^[\x20-\x7e\s]*$/.test(text)) return text;
  return text
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "")
    .normalize("NFKC");
}

/**
 * The stem of a lower-case word: the base of an irregular form, with English endings removed (Porter). A word with
 * anything but the letters a to z is its own stem, so that ids and numbers are unchanged.
 *
 * @example
 * stem("bought"); // "bui", as stem("buying")
 */
export function stem(word: string): string {
  return /^[a-z]+$/.test(word) ? stemmer(baseForm(word)) : word;
}

/**
 * Stems of the content words, in order. Scripts written without spaces yield pairs of characters.
 *
 * @example
 * contentStems("Where does Ada live?"); // ["doe", "ada", "live"]
 */
export function contentStems(text: string): string[] {
  return words(text).flatMap((word) => (STOP_WORDS.has(word) ? [] : searchTerms(word)));
}

/** The terms a word is found by: its stem, or, in a script without spaces, overlapping pairs of characters. */
export function searchTerms(word: string): string[] {
  if (!isUnspaced(word)) return [stem(word)];
  return runsOf(word).flatMap(({ text, unspaced }) => {
    if (!unspaced) return [stem(text)];
    const characters = [...text];
    return characters.length === 1 ? characters : pairsOf(characters);
  });
}

/** Whether a word has characters of a script written without spaces (Han, Kana, Thai, Lao, Khmer, Myanmar). */
export function isUnspaced(word: string): boolean {
  return HAS_UNSPACED.test(word);
}

/** Splits a word where scripts with and without spaces meet. */
export function runsOf(word: string): { text: string; unspaced: boolean }[] {
  const runs: { text: string; unspaced: boolean }[] = [];
  let from = 0;
  for (const { 0: text, index } of word.matchAll(UNSPACED)) {
    if (index > from) runs.push({ text: word.slice(from, index), unspaced: false });
    runs.push({ text, unspaced: true });
    from = index + text.length;
  }
  if (from < word.length) runs.push({ text: word.slice(from), unspaced: false });
  return runs;
}

/** Overlapping pairs of neighboring characters. */
export function pairsOf(characters: readonly string[]): string[] {
  return characters.slice(1).map((character, i) => `${characters[i]}${character}`);
}
