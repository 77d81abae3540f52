/**
 * Why keyword search on LoCoMo is above the figures known for plain BM25: the same questions over indexes that differ in one thing
 * each. `npm run bench -- locomo-variants --data locomo.json`
 *
 * One document per turn, one index per conversation, BM25 with k1 1.2 and b 0.75. Recall of a question is the share of its evidence
 * turns among the first k; questions of all categories with evidence that is in the conversation. The first two rows are a plain
 * index of words, the others agemem's keyword search as `agemem evaluate locomo --systems keyword` uses it. No language model.
 */
import { parseArgs } from "node:util";
import { evidenceRecall, recallAll, recallAny } from "../src/evaluation/metrics/retrieval.js";
import { loadLocomoSuite } from "../src/evaluation/suites/locomo-suite.js";
import type { SuiteCase } from "../src/evaluation/suites/suite.js";
import type { ObservedMessage } from "../src/evaluation/systems/memory-system.js";
import { PassageStore } from "../src/evaluation/systems/passage-store.js";
import { inverseFrequency, termWeight } from "../src/text/bm25.js";
import { STOP_WORDS, words } from "../src/text/words.js";

const CUTS = [5, 10, 20];
const DEPTH = 20;
const SETTINGS = { k1: 1.2, b: 0.75 };
const CAPTION = / \[shows a picture: [^\]]*\]$/;

type Found = readonly { sources: readonly string[] }[];
/** Searches a conversation: what is found for each question, best first. */
type Search = (each: SuiteCase) => Promise<Found[]>;

const bare = ({ id, role, content }: ObservedMessage): ObservedMessage => ({
  role,
  content: content.replace(CAPTION, ""),
  ...(id === undefined ? {} : { id }),
});
const withSpeaker = (message: ObservedMessage): ObservedMessage => ({
  ...bare(message),
  ...(message.speaker === undefined ? {} : { speaker: message.speaker }),
});
const withCaption = (message: ObservedMessage): ObservedMessage => ({
  ...withSpeaker(message),
  content: message.content,
});

const VARIANTS: Readonly<Record<string, Search>> = {
  "words of the turn": plain(words),
  "words without stop words": plain((text) => words(text).filter((word) => !STOP_WORDS.has(word))),
  "ours, the turn alone": ours(bare),
  "with the speaker": ours(withSpeaker),
  "and the caption of a picture": ours(withCaption),
  "and the time of the session": ours((message) => message),
};

/** Runs the benchmark and returns what its last line prints. */
export async function run(args: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({ args, options: { data: { type: "string" } } });
  if (!values.data) throw new TypeError("Give the conversations: --data locomo_conv1-5.json");
  const { cases } = await loadLocomoSuite(values.data);
  const questions = cases.flatMap(answerable);
  const out: Record<string, unknown> = { conversations: cases.length, questions: questions.length };
  for (const [name, search] of Object.entries(VARIANTS)) {
    const found: Found[] = [];
    for (const each of cases) found.push(...(await search(each)));
    const mean = (of: (memories: Found, evidence: readonly string[], k: number) => number) =>
      CUTS.map((k) => {
        const sum = questions.reduce((all, { evidence }, i) => all + of(found[i] ?? [], evidence, k), 0);
        return Math.round((1000 * sum) / questions.length) / 10;
      });
    out[name] = { "recall@5,10,20": mean(evidenceRecall), any: mean(recallAny), all: mean(recallAll) };
  }
  return out;
}

function answerable({ questions }: SuiteCase): SuiteCase["questions"] {
  return questions.filter(({ evidence }) => evidence.length > 0);
}

/** A plain BM25 index of the turns' texts. */
function plain(termsOf: (text: string) => string[]): Search {
  return async (each) => {
    const turns = each.sessions.flat().map(bare);
    const documents = turns.map(({ content }) => termsOf(content));
    const mean = documents.reduce((sum, { length }) => sum + length, 0) / documents.length;
    return answerable(each).map(({ text }) => {
      const query = new Set(termsOf(text));
      const scores = documents.map((document, at) => ({
        at,
        score: scoreOf(document, query, documents, mean),
      }));
      return scores
        .filter(({ score }) => score > 0)
        .sort((a, b) => b.score - a.score || a.at - b.at)
        .slice(0, DEPTH)
        .map(({ at }) => ({ sources: [turns[at]?.id ?? ""] }));
    });
  };
}

const frequencies = new WeakMap<readonly string[][], Map<string, number>>();

function scoreOf(
  document: readonly string[],
  query: ReadonlySet<string>,
  documents: readonly string[][],
  mean: number,
): number {
  const matching = frequencies.get(documents) ?? documentCounts(documents);
  frequencies.set(documents, matching);
  let score = 0;
  for (const term of query) {
    const count = document.filter((word) => word === term).length;
    if (count === 0) continue;
    const weight = termWeight(count, document.length, mean, SETTINGS);
    score += inverseFrequency(documents.length, matching.get(term) ?? 0) * weight;
  }
  return score;
}

function documentCounts(documents: readonly string[][]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const document of documents) {
    for (const term of new Set(document)) counts.set(term, (counts.get(term) ?? 0) + 1);
  }
  return counts;
}

/** agemem's keyword search over what `shown` leaves of a turn. */
function ours(shown: (message: ObservedMessage) => ObservedMessage): Search {
  return async (each) => {
    const store = new PassageStore({ mode: "keyword" });
    await store.reset({ user: "user" });
    await store.observe(each.sessions.flat().map(shown));
    const found: Found[] = [];
    for (const { text } of answerable(each)) found.push((await store.recall(text, { k: DEPTH })).memories);
    await store.close();
    return found;
  };
}
