/** Agreement of an answer with the right answers, as the benchmarks' own scorers measure it. Pure. */
import { stemmer } from "stemmer";
import { answerF1, normalizeAnswer } from "../../rewards/answer-match.js";
import { collapseSpace } from "../../text/text.js";

/**
 * 1 when an answer equals a right one, ignoring case, punctuation and articles. @example exactMatch("The Nile.",
 * ["nile"]); // 1
 */
export function exactMatch(predicted: string, golds: readonly string[]): number {
  return Number(golds.some((gold) => normalizeAnswer(predicted) === normalizeAnswer(gold)));
}

/**
 * 1 when an answer contains a right one (MemoryAgentBench). @example substringExactMatch("It is the Nile.", ["Nile"]);
 * // 1
 */
export function substringExactMatch(predicted: string, golds: readonly string[]): number {
  const text = normalizeAnswer(predicted);
  return Number(golds.map(normalizeAnswer).some((gold) => gold !== "" && text.includes(gold)));
}

/** The best word F1 with one of the right answers (HotpotQA). */
export function bestF1(predicted: string, golds: readonly string[]): number {
  return Math.max(0, ...golds.map((gold) => answerF1(predicted, gold)));
}

const ARTICLES = new Set(["a", "an", "the", "and"]);

/** Words as LoCoMo's scorer compares them: Porter stems without punctuation and articles. */
export function locomoWords(text: string): string[] {
  const bare = text
    .replaceAll(",", "")
    .toLowerCase()
    .replace(/[!-/:-@[-`{-~]/g, "");
  const words = collapseSpace(bare).split(" ");
  return words.filter((word) => word !== "" && !ARTICLES.has(word)).map((word) => stemmer(word));
}

/** F1 over words, counting repeated ones. */
function wordF1(a: readonly string[], b: readonly string[]): number {
  const counts = new Map<string, number>();
  for (const word of b) counts.set(word, (counts.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of a) {
    const n = counts.get(word) ?? 0;
    if (n > 0) common++;
    counts.set(word, n - 1);
  }
  return common === 0 ? 0 : (2 * common) / (a.length + b.length);
}

const NOT_THERE = ["no information available", "not mentioned"];

/**
 * LoCoMo's official score by category: "multi-hop" compares each part of the right answer with the best part of the
 * answer, "open-domain" uses the right answer up to the first ";", "adversarial" requires an answer that says nothing
 * is known.
 *
 * @example
 * locomoScore("Pottery and camping", "camping, pottery", "multi-hop"); // parts are split at commas
 */
export function locomoScore(predicted: string, gold: string, category: string): number {
  if (category === "adversarial") {
    const text = predicted.toLowerCase();
    return Number(NOT_THERE.some((phrase) => text.includes(phrase)));
  }
  if (category === "multi-hop") return partsF1(predicted, gold);
  const wanted = category === "open-domain" ? (gold.split(";")[0] ?? "").trim() : gold;
  return wordF1(locomoWords(predicted), locomoWords(wanted));
}

function partsF1(predicted: string, gold: string): number {
  const given = predicted.split(",").map(locomoWords);
  const wanted = gold.split(",").map(locomoWords);
  const best = wanted.map((part) => Math.max(0, ...given.map((each) => wordF1(each, part))));
  return best.reduce((sum, each) => sum + each, 0) / Math.max(1, best.length);
}
