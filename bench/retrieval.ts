/**
 * Evidence recall on LoCoMo: are the dialogue turns that answer a question among the first k found?
 *
 * One item per turn ("speaker: text", with `--captions` also what its image shows), one namespace per conversation, one
 * search per question. No language model.
 * Answerable questions are those of categories 1 to 4 with evidence; `all_with_evidence` adds the adversarial ones
 * (category 5), as some published figures do. Recall of a question is the share of its evidence turns found.
 *
 * The vectors' share in a hybrid score was chosen on these conversations, so `held_out` repeats hybrid search with, for
 * each conversation, the share that has the best recall@10 on the others (leave one conversation out).
 * `held_out_neighbors` does so with the share of the neighbors as well. The number of results, and so of tokens, is the same.
 */
import { parseArgs } from "node:util";
import { Embeddings, type EmbeddingsInterface } from "@langchain/core/embeddings";
import { readJson } from "../src/lib/jsonl.js";
import { resolveEmbeddings } from "../src/models/embeddings.js";
import { FaissStore } from "../src/store/faiss-store.js";
import type { SearchMode } from "../src/store/search/search-options.js";

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
interface Question {
  namespace: string[];
  text: string;
  evidence: Set<string>;
  conversation: string;
  category: number;
}
/** A question with the keys of what was found, best first. */
interface Answer extends Question {
  found: string[];
}
interface Scores {
  questions: number;
  recall_at_3: number;
  recall_at_5: number;
  recall_at_10: number;
  recall_at_20: number;
  mrr: number;
}

type Model = Awaited<ReturnType<typeof resolveEmbeddings>>;

const ADVERSARIAL = 5;
const CATEGORIES = { multi_hop: 1, temporal: 2, open_domain: 3, single_hop: 4 };
/** Shares of the vectors that `held_out` chooses among. */
const SHARES = [0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7];
/** Shares of the neighbors among which `held_out_neighbors` chooses, together with those of the vectors. */
const NEIGHBORS = [0.1, 0.2, 0.3, 0.4];
const NEIGHBOR_SHARES = [0.15, 0.3, 0.4, 0.5, 0.6];
const MODES: readonly SearchMode[] = ["keyword", "vector", "hybrid"];

/** Runs the benchmark and returns what its last line prints. */
export async function run(args: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args,
    options: {
      data: { type: "string" },
      embeddings: { type: "string" },
      captions: { type: "boolean", default: false },
      json: { type: "boolean" },
    },
  });
  if (!values.data) throw new TypeError("Give the conversations: --data locomo_conv1-5.json");
  const model = await resolveEmbeddings(values.embeddings ?? "lexical");
  const embeddings = new EmbeddedOnce(model.embeddings);
  const conversations = (await readJson(values.data)) as Conversation[];
  const contentOf = values.captions ? withCaption : withoutCaption;
  const searchBy = (mode: SearchMode, share?: number, neighbors?: number) =>
    searchAll(
      { ...model, embeddings },
      conversations,
      contentOf,
      { mode, ...(neighbors && { neighbors }) },
      share,
    );
  const result: Record<string, unknown> = { embeddings: model.name };
  for (const mode of MODES) {
    const answers = await searchBy(mode);
    const inCategory = (id: number) => answers.filter(({ category }) => category === id);
    result[mode] = {
      ...score(answerable(answers)),
      all_with_evidence: score(answers),
      by_category: Object.fromEntries(
        Object.entries(CATEGORIES).map(([name, id]) => [name, score(inCategory(id))]),
      ),
    };
  }
  const byShare = new Map<string, Answer[]>();
  for (const share of SHARES) byShare.set(`${share}`, answerable(await searchBy("hybrid", share)));
  result.held_out = leaveOneOut(byShare);
  const byBoth = new Map<string, Answer[]>();
  for (const share of NEIGHBOR_SHARES) {
    for (const neighbors of NEIGHBORS) {
      byBoth.set(`${share}, neighbors ${neighbors}`, answerable(await searchBy("hybrid", share, neighbors)));
    }
  }
  result.held_out_neighbors = leaveOneOut(byBoth);
  return result;
}

const withoutCaption = ({ speaker, text }: Turn): string => `${speaker}: ${text}`;

function withCaption(turn: Turn): string {
  const { blip_caption: caption } = turn;
  return caption ? `${withoutCaption(turn)} [shows ${caption}]` : withoutCaption(turn);
}

function answerable(answers: Answer[]): Answer[] {
  return answers.filter(({ category }) => category !== ADVERSARIAL);
}

/** Scores of each conversation's answers with the share that is best on all others. */
function leaveOneOut(byShare: ReadonlyMap<string, Answer[]>): Record<string, unknown> {
  const names = new Set([...byShare.values()].flat().map(({ conversation }) => conversation));
  const chosen: Record<string, string> = {};
  const heldOut = [...names].flatMap((name) => {
    const shares = [...byShare].map(([share, answers]) => {
      const others = answers.filter(({ conversation }) => conversation !== name);
      return { share, recall: score(others).recall_at_10 };
    });
    const { share } = shares.reduce((best, each) => (each.recall > best.recall ? each : best));
    chosen[name] = share;
    return (byShare.get(share) ?? []).filter(({ conversation }) => conversation === name);
  });
  return { ...score(heldOut), chosen };
}

/** Each text is embedded once, however many stores take it. */
class EmbeddedOnce extends Embeddings {
  readonly #known = new Map<string, Promise<number[]>>();

  constructor(readonly inner: EmbeddingsInterface) {
    super({});
  }

  override embedQuery(text: string): Promise<number[]> {
    return this.#once(`query ${text}`, () => this.inner.embedQuery(text));
  }

  override async embedDocuments(texts: string[]): Promise<number[][]> {
    const missing = [...new Set(texts.filter((text) => !this.#known.has(`document ${text}`)))];
    const vectors = missing.length > 0 ? await this.inner.embedDocuments(missing) : [];
    for (const [i, text] of missing.entries()) {
      this.#known.set(`document ${text}`, Promise.resolve(vectors[i] as number[]));
    }
    return Promise.all(texts.map((text) => this.#known.get(`document ${text}`) as Promise<number[]>));
  }

  #once(key: string, embed: () => Promise<number[]>): Promise<number[]> {
    const known = this.#known.get(key) ?? embed();
    this.#known.set(key, known);
    return known;
  }
}

/** Every question, searched in one mode in a new store of all conversations. */
async function searchAll(
  { embeddings, name, dims }: Model,
  conversations: Conversation[],
  contentOf: (turn: Turn) => string,
  options: { mode: SearchMode; neighbors?: number },
  vectorWeight?: number,
): Promise<Answer[]> {
  await using store = await FaissStore.open(":memory:", {
    index: {
      embeddings,
      embeddingName: name,
      fields: ["content"],
      cacheSize: 0,
      ...(dims ? { dims } : {}),
      ...(vectorWeight === undefined ? {} : { vectorWeight }),
    },
  });
  const questions = await load(store, conversations, contentOf);
  return await Promise.all(
    questions.map(async (question) => ({ ...question, found: await search(store, question, options) })),
  );
}

/** Stores every turn; returns the questions with evidence among them. */
async function load(
  store: FaissStore,
  conversations: Conversation[],
  contentOf: (turn: Turn) => string,
): Promise<Question[]> {
  const questions: Question[] = [];
  for (const { sample_id, conversation, qa } of conversations) {
    const namespace = ["locomo", sample_id];
    const sessions = Object.entries(conversation).filter(
      ([key, value]) => /^session_\d+$/.test(key) && Array.isArray(value),
    );
    const turns = sessions.flatMap(([, value]) => value as Turn[]);
    await store.batch(
      turns.map((turn) => ({ namespace, key: turn.dia_id, value: { content: contentOf(turn) } })),
    );
    const known = new Set(turns.map(({ dia_id }) => dia_id));
    for (const { question, evidence = [], category } of qa) {
      const ids = evidence.flatMap((one) => one.match(/D\d+:\d+/g) ?? []).filter((id) => known.has(id));
      if (ids.length > 0)
        questions.push({
          conversation: sample_id,
          namespace,
          text: question,
          evidence: new Set(ids),
          category,
        });
    }
  }
  return questions;
}

async function search(store: FaissStore, { namespace, text }: Question, options: object): Promise<string[]> {
  const found = await store.search(namespace, { query: text, limit: 100, ...options });
  return found.map(({ key }) => key);
}

function score(answers: Answer[]): Scores {
  const mean = (f: (answer: Answer) => number): number =>
    answers.reduce((sum, answer) => sum + f(answer), 0) / answers.length;
  const recallAt = (k: number): number =>
    mean(
      ({ evidence, found }) => found.slice(0, k).filter((key) => evidence.has(key)).length / evidence.size,
    );
  const reciprocal = ({ evidence, found }: Answer): number => {
    const rank = found.findIndex((key) => evidence.has(key));
    return rank === -1 ? 0 : 1 / (rank + 1);
  };
  return {
    questions: answers.length,
    recall_at_3: recallAt(3),
    recall_at_5: recallAt(5),
    recall_at_10: recallAt(10),
    recall_at_20: recallAt(20),
    mrr: mean(reciprocal),
  };
}
