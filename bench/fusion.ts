/**
 * Could the two halves of a hybrid search be combined better? Each rule over the same scores of LoCoMo's turns, with its
 * settings chosen on the other conversations (leave one conversation out).
 * `npm run -s bench -- fusion --data locomo_conv1-5.json [--embeddings hf:.agemem/models/all-MiniLM-L6-v2]`
 *
 * `one_share` is the store's rule (`src/store/search/fuse.ts`) with one share for all questions. The rules `by_…` choose a
 * share per kind of question, told apart by what is known before ranking: its first word, its number of terms, how much of its terms'
 * weight the best turn covers, how far the best is above the tenth, and how many of the first ten both halves name.
 * `learned` is a linear model of both scores and their products with these figures, fitted to rank evidence first (softmax
 * over the candidates). `oracle` chooses each question's share knowing the evidence: no rule of this kind can be better.
 * Differences are in recall@10, with the interval over conversations.
 */
import { parseArgs } from "node:util";
import type { FaissStore } from "../src/store/faiss-store.js";
import { fuse } from "../src/store/search/fuse.js";
import { words } from "../src/text/words.js";
import { fitted } from "./fusion-learned.js";
import {
  type Answer,
  answerable,
  difference,
  embeddedOnce,
  leaveOneOut,
  type Question,
  readLocomo,
  recallOf,
  storeOf,
} from "./locomo.js";

/** A question with both scores of each candidate, and what is known of it before ranking. */
export interface Scored extends Question {
  keys: string[];
  keyword: number[];
  cosine: number[];
  kinds: { first_word: string; terms: number; coverage: number; lead: number; agreement: number };
}

const SHARES = [0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.7, 0.8, 1];
/** How many candidates each half contributes, as in the store. */
const POOL = 100;
/** First words that are told apart; all others are one kind. */
const FIRST_WORDS = new Set(["what", "when", "who", "where", "which", "how", "why"]);

export async function run(args: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args,
    options: { data: { type: "string" }, embeddings: { type: "string" }, json: { type: "boolean" } },
  });
  if (!values.data) throw new TypeError("Give the conversations: --data locomo_conv1-5.json");
  const locomo = await readLocomo(values.data);
  const model = await embeddedOnce(values.embeddings ?? "lexical", locomo);
  await using store = await storeOf(model, locomo);
  const scored: Scored[] = [];
  for (const question of answerable(locomo.questions)) scored.push(await scoredBy(store, question));

  const by = (shares: readonly number[], rule: (one: Scored, share: number) => number[]) =>
    new Map(shares.map((share) => [`${share}`, scored.map((one) => ranked(one, rule(one, share)))]));
  const keyword = scored.map((one) => ranked(one, one.keyword));
  const vector = scored.map((one) => ranked(one, one.cosine));
  const better = recall(vector) > recall(keyword) ? vector : keyword;
  const mean = by(SHARES, weighted);
  const one = leaveOneOut(mean);
  const result: Record<string, unknown> = {
    embeddings: model.name,
    questions: scored.length,
    keyword: recall(keyword),
    vector: recall(vector),
  };
  const tell = (name: string, { answers, chosen }: { answers: Answer[]; chosen?: unknown }) => {
    result[name] = {
      recall_at_10: recall(answers),
      above_better_half: difference(answers, better),
      above_one_share: difference(answers, one.answers),
      ...(chosen === undefined ? {} : { chosen }),
    };
  };
  tell("one_share", one);
  tell("z_scores", leaveOneOut(by(SHARES, standardized)));
  for (const k of [5, 10, 20, 60]) {
    tell(`reciprocal_ranks_${k}`, leaveOneOut(by(SHARES, (each, share) => reciprocal(each, share, k))));
  }
  for (const kind of ["first_word", "terms", "coverage", "lead", "agreement"] as const) {
    tell(`by_${kind}`, { answers: byKind(scored, mean, kind) });
  }
  tell("learned", { answers: leftOut(scored, false) });
  tell("learned_by_kind", { answers: leftOut(scored, true) });
  tell("oracle", { answers: best([...mean.values()]) });
  return result;
}

/** Both scores of the candidates of either half. */
async function scoredBy(store: FaissStore, question: Question): Promise<Scored> {
  const search = (mode: "keyword" | "vector") =>
    store.search(question.namespace, { query: question.text, mode, limit: 10_000 });
  const [texts, vectors] = [await search("keyword"), await search("vector")];
  const keyword = new Map(texts.map(({ key, score = 0 }) => [key, score]));
  const cosine = new Map(vectors.map(({ key, score = 0 }) => [key, score]));
  const keys = [...new Set([...texts.slice(0, POOL), ...vectors.slice(0, POOL)].map(({ key }) => key))];
  const topTen = new Set(texts.slice(0, 10).map(({ key }) => key));
  const [first = 0, tenth = 0] = [texts[0]?.score, texts[9]?.score];
  return {
    ...question,
    keys,
    keyword: keys.map((key) => keyword.get(key) ?? 0),
    cosine: keys.map((key) => cosine.get(key) ?? 0),
    kinds: {
      first_word: firstWord(question.text),
      terms: new Set(words(question.text)).size,
      coverage: first / Math.max(1, new Set(words(question.text)).size),
      lead: first > 0 ? (first - tenth) / first : 0,
      agreement: vectors.slice(0, 10).filter(({ key }) => topTen.has(key)).length,
    },
  };
}

function firstWord(text: string): string {
  const [first = ""] = words(text);
  return FIRST_WORDS.has(first) ? first : "other";
}

/** The candidates by score, best first; equals in the order of creation, as in the store. */
export function ranked(question: Scored, scores: readonly number[]): Answer {
  const order = question.keys.map((key, i) => ({ key, score: scores[i] as number }));
  return { ...question, found: order.sort((a, b) => b.score - a.score).map(({ key }) => key) };
}

function weighted({ keyword, cosine }: Scored, share: number): number[] {
  return fuse(
    keyword.map((score, i) => ({ keyword: score, cosine: cosine[i] })),
    share,
  );
}

function standardized({ keyword, cosine }: Scored, share: number): number[] {
  const [a, b] = [zScores(keyword), zScores(cosine)];
  return a.map((value, i) => (1 - share) * value + share * (b[i] as number));
}

function zScores(scores: readonly number[]): number[] {
  const mean = scores.reduce((sum, one) => sum + one, 0) / scores.length;
  const spread = Math.sqrt(scores.reduce((sum, one) => sum + (one - mean) ** 2, 0) / scores.length) || 1;
  return scores.map((one) => (one - mean) / spread);
}

/** Reciprocal rank fusion (Cormack, Clarke and Büttcher 2009), with a weight. */
function reciprocal({ keyword, cosine }: Scored, share: number, k: number): number[] {
  const ranks = (scores: readonly number[]): number[] => {
    const order = scores.map((_, i) => i).sort((a, b) => (scores[b] as number) - (scores[a] as number));
    const out = new Array<number>(scores.length);
    order.forEach((i, rank) => {
      out[i] = rank + 1;
    });
    return out;
  };
  const [a, b] = [ranks(keyword), ranks(cosine)];
  return a.map((rank, i) => {
    const own = keyword[i] === 0 ? 0 : (1 - share) / (k + rank);
    return own + share / (k + (b[i] as number));
  });
}

/** Each question in the share that is best for its kind in the other conversations. */
function byKind(
  scored: readonly Scored[],
  shares: ReadonlyMap<string, Answer[]>,
  kind: keyof Scored["kinds"],
): Answer[] {
  const values = scored.map(({ kinds }) => kinds[kind]);
  const middle = [...values].sort((a, b) => Number(a) - Number(b))[Math.floor(values.length / 2)] as number;
  const labels = values.map((value) => (typeof value === "string" ? value : `${value >= middle}`));
  return [...new Set(labels)].flatMap((label) => {
    const mine = new Map(
      [...shares].map(([share, answers]) => [share, answers.filter((_, i) => labels[i] === label)]),
    );
    return leaveOneOut(mine).answers;
  });
}

/** Each conversation ranked by the model that was fitted to the others. */
function leftOut(scored: readonly Scored[], byKinds: boolean): Answer[] {
  return [...new Set(scored.map(({ conversation }) => conversation))].flatMap((name) => {
    const model = fitted(
      scored.filter(({ conversation }) => conversation !== name),
      byKinds,
    );
    return scored.filter(({ conversation }) => conversation === name).map((one) => ranked(one, model(one)));
  });
}

function best(settings: readonly Answer[][]): Answer[] {
  const [first = []] = settings;
  return first.map((_, i) =>
    settings
      .map((answers) => answers[i] as Answer)
      .reduce((most, each) => (recallOf(each) > recallOf(most) ? each : most)),
  );
}

function recall(answers: readonly Answer[]): number {
  return answers.reduce((sum, one) => sum + recallOf(one), 0) / answers.length;
}
