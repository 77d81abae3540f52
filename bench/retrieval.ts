/**
 * Evidence recall on LoCoMo: are the dialogue turns that answer a question among the first k found?
 *
 * One item per turn ("speaker: text"), one namespace per conversation, one search per question. No language model.
 * Answerable questions are those of categories 1 to 4 with evidence; `all_with_evidence` adds the adversarial ones
 * (category 5), as some published figures do. Recall of a question is the share of its evidence turns found.
 */
import { parseArgs } from "node:util";
import { readJson } from "../src/lib/jsonl.js";
import { resolveEmbeddings } from "../src/models/embeddings.js";
import { FaissStore } from "../src/store/faiss-store.js";
import type { SearchMode } from "../src/store/search/search-options.js";

interface Turn {
  speaker: string;
  dia_id: string;
  text: string;
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
  adversarial: boolean;
}
interface Scores {
  recall_at_3: number;
  recall_at_5: number;
  recall_at_10: number;
  recall_at_20: number;
  mrr: number;
}

const MODES: readonly SearchMode[] = ["keyword", "vector", "hybrid"];

/** Runs the benchmark and returns what its last line prints. */
export async function run(args: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args,
    options: { data: { type: "string" }, embeddings: { type: "string" }, json: { type: "boolean" } },
  });
  if (!values.data) throw new TypeError("Give the conversations: --data locomo_conv1-5.json");
  const { embeddings, name, dims } = await resolveEmbeddings(values.embeddings ?? "lexical");
  await using store = await FaissStore.open(":memory:", {
    index: {
      embeddings,
      embeddingName: name,
      fields: ["content"],
      cacheSize: 0,
      ...(dims ? { dims } : {}),
    },
  });
  const questions = await load(store, (await readJson(values.data)) as Conversation[]);
  const result: Record<string, unknown> = { embeddings: name };
  const answerable = questions.filter(({ adversarial }) => !adversarial);
  for (const mode of MODES) {
    const ranked = await Promise.all(questions.map((question) => search(store, question, mode)));
    const of = (some: Question[]) =>
      score(
        some,
        some.map((question) => ranked[questions.indexOf(question)] as string[]),
      );
    result[mode] = { ...of(answerable), questions: answerable.length, all_with_evidence: of(questions) };
  }
  return result;
}

/** Stores every turn; returns the questions with evidence among them. */
async function load(store: FaissStore, conversations: Conversation[]): Promise<Question[]> {
  const questions: Question[] = [];
  for (const { sample_id, conversation, qa } of conversations) {
    const namespace = ["locomo", sample_id];
    const sessions = Object.entries(conversation).filter(
      ([key, value]) => /^session_\d+$/.test(key) && Array.isArray(value),
    );
    const turns = sessions.flatMap(([, value]) => value as Turn[]);
    await store.batch(
      turns.map(({ dia_id, speaker, text }) => ({
        namespace,
        key: dia_id,
        value: { content: `${speaker}: ${text}` },
      })),
    );
    const known = new Set(turns.map(({ dia_id }) => dia_id));
    for (const { question, evidence = [], category } of qa) {
      const ids = evidence.flatMap((one) => one.match(/D\d+:\d+/g) ?? []).filter((id) => known.has(id));
      if (ids.length > 0)
        questions.push({ namespace, text: question, evidence: new Set(ids), adversarial: category === 5 });
    }
  }
  return questions;
}

async function search(store: FaissStore, { namespace, text }: Question, mode: SearchMode): Promise<string[]> {
  const found = await store.search(namespace, { query: text, mode, limit: 100 });
  return found.map(({ key }) => key);
}

function score(questions: Question[], ranked: string[][]): Scores {
  const mean = (f: (question: Question, keys: string[]) => number): number =>
    questions.reduce((sum, question, i) => sum + f(question, ranked[i] as string[]), 0) / questions.length;
  const recallAt = (k: number): number =>
    mean(({ evidence }, keys) => keys.slice(0, k).filter((key) => evidence.has(key)).length / evidence.size);
  const reciprocal = ({ evidence }: Question, keys: string[]): number => {
    const rank = keys.findIndex((key) => evidence.has(key));
    return rank === -1 ? 0 : 1 / (rank + 1);
  };
  return {
    recall_at_3: recallAt(3),
    recall_at_5: recallAt(5),
    recall_at_10: recallAt(10),
    recall_at_20: recallAt(20),
    mrr: mean(reciprocal),
  };
}
