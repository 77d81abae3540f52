/**
 * LoCoMo for the benchmarks of search: its turns as items, its questions with the turns that answer them, and recall.
 *
 * Owns reading, storing and scoring, and choosing a setting without the conversation it is judged on. Leaves out what is
 * searched how (`retrieval.ts`, `fusion.ts`, `rerank.ts`).
 */
import { Embeddings, type EmbeddingsInterface } from "@langchain/core/embeddings";
import { estimate } from "../src/evaluation/reporting/estimate.js";
import { readJson } from "../src/lib/jsonl.js";
import { resolveEmbeddings } from "../src/models/embeddings.js";
import { tokenCounter } from "../src/models/tokens.js";
import { FaissStore } from "../src/store/faiss-store.js";
import { embedded } from "./embedded.js";

interface Turn {
  speaker: string;
  dia_id: string;
  text: string;
  /** What a model says that the turn's image shows. */
  blip_caption?: string;
}
interface Conversation {
  sample_id: string;
  conversation: Record<string, unknown>;
  qa: { question: string; evidence?: string[]; category: number }[];
}

/** A question and the keys of the turns that answer it. */
export interface Question {
  namespace: string[];
  text: string;
  evidence: Set<string>;
  conversation: string;
  category: number;
}
/** A question with the keys of what was found, best first. */
export interface Answer extends Question {
  found: string[];
}

/** The conversations: their turns in order, and all questions with evidence. */
export interface Locomo {
  turns: { namespace: string[]; key: string; value: { content: string } }[];
  questions: Question[];
  /** Tokens of the turns with some keys of a conversation. */
  tokensOf(namespace: readonly string[], keys: readonly string[]): number;
}

export interface Scores {
  questions: number;
  recall_at_3: number;
  recall_at_5: number;
  recall_at_10: number;
  recall_at_20: number;
  mrr: number;
  /** Mean tokens of the first ten results. */
  tokens_at_10: number;
}

export const CATEGORIES = { multi_hop: 1, temporal: 2, open_domain: 3, single_hop: 4 };
const ADVERSARIAL = 5;

/** Reads the conversations. With captions a turn says what its image shows. */
export async function readLocomo(path: string, captions = false): Promise<Locomo> {
  const turns: Locomo["turns"] = [];
  const questions: Question[] = [];
  for (const { sample_id, conversation, qa } of (await readJson(path)) as Conversation[]) {
    const namespace = ["locomo", sample_id];
    const sessions = Object.entries(conversation).filter(
      ([key, value]) => /^session_\d+$/.test(key) && Array.isArray(value),
    );
    const own = sessions.flatMap(([, value]) => value as Turn[]);
    turns.push(
      ...own.map((turn) => ({ namespace, key: turn.dia_id, value: { content: contentOf(turn, captions) } })),
    );
    const known = new Set(own.map(({ dia_id }) => dia_id));
    for (const { question, evidence = [], category } of qa) {
      const ids = evidence.flatMap((one) => one.match(/D\d+:\d+/g) ?? []).filter((id) => known.has(id));
      if (ids.length === 0) continue;
      questions.push({
        conversation: sample_id,
        namespace,
        text: question,
        evidence: new Set(ids),
        category,
      });
    }
  }
  const counter = tokenCounter();
  const tokens = new Map(
    turns.map(({ namespace, key, value }) => [
      `${namespace.join("/")} ${key}`,
      counter.countText(value.content),
    ]),
  );
  const tokensOf: Locomo["tokensOf"] = (namespace, keys) =>
    keys.reduce((sum, key) => sum + (tokens.get(`${namespace.join("/")} ${key}`) ?? 0), 0);
  return { turns, questions, tokensOf };
}

function contentOf({ speaker, text, blip_caption: caption }: Turn, captions: boolean): string {
  return captions && caption ? `${speaker}: ${text} [shows ${caption}]` : `${speaker}: ${text}`;
}

/** The questions of categories 1 to 4, whose answers are in the conversation. */
export function answerable<T extends Question>(questions: T[]): T[] {
  return questions.filter(({ category }) => category !== ADVERSARIAL);
}

/**
 * An embedding model for stores that are opened again and again: each text is embedded once, and the vectors of an `hf:`
 * model, which embeds questions and texts alike, are kept in a folder (`embedded.ts`).
 */
export async function embeddedOnce(spec: string, { turns, questions }: Locomo): Promise<Model> {
  const model = await resolveEmbeddings(spec);
  const once = new EmbeddedOnce(model.embeddings);
  if (spec.startsWith("hf:")) {
    const texts = [...turns.map(({ value }) => value.content), ...questions.map(({ text }) => text)];
    const name = spec.replace(/^hf:.*\//, "hf:");
    once.know(texts, await embedded({ name, embeddings: model.embeddings }, texts));
  }
  return { ...model, embeddings: once };
}

export type Model = Awaited<ReturnType<typeof resolveEmbeddings>>;

/** A new store with all turns. */
export async function storeOf(
  { embeddings, name, dims }: Model,
  { turns }: Locomo,
  vectorWeight?: number,
): Promise<FaissStore> {
  const store = await FaissStore.open(":memory:", {
    index: {
      embeddings,
      embeddingName: name,
      fields: ["content"],
      cacheSize: 0,
      ...(dims ? { dims } : {}),
      ...(vectorWeight === undefined ? {} : { vectorWeight }),
    },
  });
  await store.batch(turns);
  return store;
}

/** Every question, searched in one way. */
export async function answersOf(
  store: FaissStore,
  questions: readonly Question[],
  options: object,
): Promise<Answer[]> {
  const out: Answer[] = [];
  for (const question of questions) {
    const found = await store.search(question.namespace, { query: question.text, limit: 100, ...options });
    out.push({ ...question, found: found.map(({ key }) => key) });
  }
  return out;
}

/** Share of a question's evidence among the first `k`. */
export function recallOf({ evidence, found }: Answer, k = 10): number {
  return found.slice(0, k).filter((key) => evidence.has(key)).length / evidence.size;
}

export function score(answers: readonly Answer[], { tokensOf }: Locomo): Scores {
  const mean = (f: (answer: Answer) => number): number =>
    answers.reduce((sum, answer) => sum + f(answer), 0) / answers.length;
  const reciprocal = ({ evidence, found }: Answer): number => {
    const rank = found.findIndex((key) => evidence.has(key));
    return rank === -1 ? 0 : 1 / (rank + 1);
  };
  return {
    questions: answers.length,
    recall_at_3: mean((one) => recallOf(one, 3)),
    recall_at_5: mean((one) => recallOf(one, 5)),
    recall_at_10: mean((one) => recallOf(one)),
    recall_at_20: mean((one) => recallOf(one, 20)),
    mrr: mean(reciprocal),
    tokens_at_10: mean(({ namespace, found }) => tokensOf(namespace, found.slice(0, 10))),
  };
}

/** Scores per kind of question. */
export function byCategory(answers: readonly Answer[], locomo: Locomo): Record<string, Scores> {
  return Object.fromEntries(
    Object.entries(CATEGORIES).map(([name, id]) => [
      name,
      score(
        answers.filter(({ category }) => category === id),
        locomo,
      ),
    ]),
  );
}

/** Where the evidence of a kind of question is ranked, and what more results would find. */
export interface EvidenceRanks {
  evidence_per_question: number;
  /** Share of questions with all of their evidence among the first ten. */
  all_at_10: number;
  recall_at_50: number;
  recall_at_100: number;
  tokens_at_100: number;
  /** Evidence turns that are not among the first ten, and how many of them are within two turns of one that is. */
  missed: number;
  missed_beside_a_result: number;
}

/** {@link EvidenceRanks} per kind of question. */
export function evidenceRanks(answers: readonly Answer[], locomo: Locomo): Record<string, EvidenceRanks> {
  const places = new Map(locomo.turns.map(({ namespace, key }, i) => [`${namespace.join("/")} ${key}`, i]));
  return Object.fromEntries(
    Object.entries(CATEGORIES).map(([name, id]) => {
      const mine = answers.filter(({ category }) => category === id);
      const mean = (f: (answer: Answer) => number) =>
        mine.reduce((sum, one) => sum + f(one), 0) / Math.max(1, mine.length);
      const missed = mine.flatMap(({ namespace, evidence, found }) => {
        const placeOf = (key: string) => places.get(`${namespace.join("/")} ${key}`) as number;
        const first = found.slice(0, 10).map(placeOf);
        const left = [...evidence].map(placeOf).filter((place) => !first.includes(place));
        return left.map((place) => first.some((one) => Math.abs(one - place) <= 2));
      });
      return [
        name,
        {
          evidence_per_question: mean(({ evidence }) => evidence.size),
          all_at_10: mean((one) => Number(recallOf(one) === 1)),
          recall_at_50: mean((one) => recallOf(one, 50)),
          recall_at_100: mean((one) => recallOf(one, 100)),
          tokens_at_100: mean(({ namespace, found }) => locomo.tokensOf(namespace, found)),
          missed: missed.length,
          missed_beside_a_result: missed.filter(Boolean).length,
        },
      ];
    }),
  );
}

/** By how much recall@10 of the same questions differs, with the 95 % interval over conversations. */
export function difference(
  answers: readonly Answer[],
  base: readonly Answer[],
): { mean: number; low: number; high: number } {
  const byQuestion = new Map(base.map((one) => [questionKey(one), recallOf(one)]));
  const { mean, low, high, grouped } = estimate(
    answers.map((one) => ({
      group: one.conversation,
      value: recallOf(one) - (byQuestion.get(questionKey(one)) as number),
    })),
  );
  return grouped ? { mean, low: grouped.low, high: grouped.high } : { mean, low, high };
}

const questionKey = ({ conversation, text, evidence }: Question): string =>
  [conversation, text, ...evidence].join("\n");

/** Each conversation's answers in the setting with the best recall@10 on all others, and which that is. */
export function leaveOneOut(bySetting: ReadonlyMap<string, readonly Answer[]>): {
  answers: Answer[];
  chosen: Record<string, string>;
} {
  const names = new Set([...bySetting.values()].flat().map(({ conversation }) => conversation));
  const chosen: Record<string, string> = {};
  const answers = [...names].flatMap((name) => {
    const settings = [...bySetting].map(([setting, answers]) => {
      const others = answers.filter(({ conversation }) => conversation !== name);
      return { setting, recall: others.reduce((sum, one) => sum + recallOf(one), 0) / others.length };
    });
    const { setting } = settings.reduce((best, each) => (each.recall > best.recall ? each : best));
    chosen[name] = setting;
    return (bySetting.get(setting) ?? []).filter(({ conversation }) => conversation === name);
  });
  return { answers, chosen };
}

/** Each text is embedded once, however many stores take it. */
class EmbeddedOnce extends Embeddings {
  readonly #known = new Map<string, Promise<number[]>>();

  constructor(readonly inner: EmbeddingsInterface) {
    super({});
  }

  /** Vectors of texts, as documents and as questions. */
  know(texts: readonly string[], vectors: readonly Float32Array[]): void {
    for (const [i, text] of texts.entries()) {
      const vector = Promise.resolve(Array.from(vectors[i] as Float32Array));
      this.#known.set(`query ${text}`, vector);
      this.#known.set(`document ${text}`, vector);
    }
  }

  override embedQuery(text: string): Promise<number[]> {
    const known = this.#known.get(`query ${text}`) ?? this.inner.embedQuery(text);
    this.#known.set(`query ${text}`, known);
    return known;
  }

  override async embedDocuments(texts: string[]): Promise<number[][]> {
    const missing = [...new Set(texts.filter((text) => !this.#known.has(`document ${text}`)))];
    const vectors = missing.length > 0 ? await this.inner.embedDocuments(missing) : [];
    for (const [i, text] of missing.entries()) {
      this.#known.set(`document ${text}`, Promise.resolve(vectors[i] as number[]));
    }
    return Promise.all(texts.map((text) => this.#known.get(`document ${text}`) as Promise<number[]>));
  }
}
