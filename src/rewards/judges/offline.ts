/**
 * A rule-based judge: word overlap, no language model. Free, fast and repeatable; blind to paraphrase.
 *
 * Owns the rules. For figures comparable with the paper's, use `llm.ts`.
 */
import { LRUCache } from "lru-cache";
import { contentStems as stemsOf } from "../../text/words.js";
import { answerF1 } from "../answer-match.js";
import type { Judge } from "../judge.js";

/**
 * The offline judge.
 *
 * - answer: HotpotQA's answer F1; where A_q is yes or no and the prediction begins with either, only that word counts.
 * - storage: useful if the item holds all content words of the answer (unless it is yes or no), or two of the
 *   question's (one if the question has only one). Given gold facts: if it holds half of the words of one, and half of
 *   those that the question does not have.
 * - relevance: harmonic mean of two shares: the question's content words found in the set, and the items that have one.
 * - memoryQuality: harmonic mean of how fully the items cover the gold facts, and how fully the facts cover the items.
 *
 * @example
 * await createOfflineJudge().answer("Is it red?", "yes", "Yes, it is."); // 1
 */
export function createOfflineJudge(): Judge {
  return {
    name: "offline judge (rules, not a language model)",
    answer: async (_question, gold, predicted) => answerScore(gold, predicted),
    storage: async (question, gold, items, facts = []) =>
      items.map((item) =>
        facts.length > 0 ? statesFact(question, facts, item) : isUseful(question, gold, item),
      ),
    relevance: async (question, items) => relevanceScore(question, items),
    memoryQuality: async (goldFacts, items) => qualityScore(goldFacts, items),
  };
}

function answerScore(gold: string, predicted: string): number {
  const closed = /^\s*(yes|no)\W*$/i.test(gold);
  const lead = closed ? /^\W*(yes|no)\b/i.exec(predicted)?.[1] : undefined;
  return answerF1(lead ?? predicted, gold);
}

function isUseful(question: string, gold: string, item: string): boolean {
  const held = factStems(item);
  const answer = /^(yes|no)$/i.test(gold.trim()) ? new Set<string>() : factStems(gold);
  if (answer.size > 0 && shared(answer, held) === answer.size) return true;
  const asked = factStems(question);
  return asked.size > 0 && shared(asked, held) >= Math.min(2, asked.size);
}

function statesFact(question: string, facts: readonly string[], item: string): boolean {
  const asked = factStems(question);
  const held = factStems(item);
  return facts.map(factStems).some((fact) => {
    const fresh = new Set([...fact].filter((stem) => !asked.has(stem)));
    return halfOf(fact, held) && (fresh.size === 0 || halfOf(fresh, held));
  });
}

function halfOf(wanted: ReadonlySet<string>, held: ReadonlySet<string>): boolean {
  return wanted.size > 0 && shared(wanted, held) >= wanted.size / 2;
}

function relevanceScore(question: string, items: readonly string[]): number {
  const asked = factStems(question);
  if (asked.size === 0 || items.length === 0) return 0;
  const held = items.map(factStems);
  const found = [...asked].filter((stem) => held.some((stems) => stems.has(stem))).length;
  const fitting = held.filter((stems) => shared(asked, stems) > 0).length;
  return harmonicMean(found / asked.size, fitting / items.length);
}

function qualityScore(goldFacts: readonly string[], items: readonly string[]): number {
  const facts = goldFacts.map(factStems).filter((stems) => stems.size > 0);
  const held = items.map(factStems).filter((stems) => stems.size > 0);
  if (facts.length === 0 || held.length === 0) return 0;
  const coverage = mean(facts.map((fact) => Math.max(...held.map((h) => shared(fact, h) / fact.size))));
  const precision = mean(held.map((h) => Math.max(...facts.map((fact) => shared(h, fact) / h.size))));
  return harmonicMean(coverage, precision);
}

/** Stems by text: the rollouts of a group are judged by the same facts and store much the same items. */
const known = new LRUCache<string, ReadonlySet<string>>({ max: 1000 });

/** Stems of the content words. */
export function factStems(text: string): ReadonlySet<string> {
  const seen = known.get(text);
  if (seen) return seen;
  const stems = new Set(stemsOf(text));
  known.set(text, stems);
  return stems;
}

function shared(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let n = 0;
  for (const stem of a) if (b.has(stem)) n++;
  return n;
}

function harmonicMean(a: number, b: number): number {
  return a + b === 0 ? 0 : (2 * a * b) / (a + b);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
