/**
 * What late interaction gains as a reranker on LoCoMo, and what it costs.
 * `npm run -s bench -- rerank --data locomo_conv1-5.json --reranker hf:.agemem/models/all-MiniLM-L6-v2 [--embeddings …]`
 *
 * Hybrid search without and with it, once alone and once with `neighbors`; recall@10 of the answerable questions. The share
 * of the reranker is the default, and held out: for each conversation the best on the others. `cost` compares a search with
 * a search without the reranker, with no token vectors kept (`cold`) and with those of all turns kept (`warm`).
 */
import { parseArgs } from "node:util";
import { HfEmbeddings } from "../src/models/hf/embeddings.js";
import { LateInteractionReranker } from "../src/models/hf/late-interaction.js";
import type { FaissStore } from "../src/store/faiss-store.js";
import type { Reranker } from "../src/store/search/reranker.js";
import {
  type Answer,
  answerable,
  answersOf,
  byCategory,
  difference,
  embeddedOnce,
  leaveOneOut,
  type Question,
  readLocomo,
  score,
  storeOf,
} from "./locomo.js";

const SHARES = [0.2, 0.35, 0.5, 0.65, 0.8, 1];
/** Tokens of all turns of LoCoMo's ten conversations fit. */
const ALL_TOKENS = 400_000;
/** Questions whose searches are timed. */
const TIMED = 20;

export async function run(args: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args,
    options: {
      data: { type: "string" },
      embeddings: { type: "string" },
      reranker: { type: "string" },
      candidates: { type: "string", default: "50" },
      neighbors: { type: "string", default: "0.4" },
      json: { type: "boolean" },
    },
  });
  const folder = /^hf:(.+)$/.exec(values.reranker ?? "")?.[1];
  if (!values.data || !folder) {
    throw new TypeError("Give --data locomo_conv1-5.json and --reranker hf:FOLDER");
  }
  const locomo = await readLocomo(values.data);
  const model = await embeddedOnce(values.embeddings ?? "lexical", locomo);
  const questions = answerable(locomo.questions);
  const embeddings = new HfEmbeddings({ model: folder, localOnly: true, maxTokens: 256 });
  const candidates = Number(values.candidates);
  const reranker = new LateInteractionReranker(embeddings, { candidates, cacheTokens: ALL_TOKENS });
  await using store = await storeOf(model, locomo);
  const result: Record<string, unknown> = { embeddings: model.name, candidates };
  result.cost = await cost(store, questions, embeddings, reranker);
  for (const [name, options] of Object.entries({
    hybrid: { mode: "hybrid" },
    [`hybrid_neighbors_${values.neighbors}`]: { mode: "hybrid", neighbors: Number(values.neighbors) },
  })) {
    const before = await answersOf(store, questions, { ...options, limit: 20 });
    const byShare = new Map<string, Answer[]>();
    const remembered = new Remembered(reranker);
    for (const share of SHARES) {
      const rerank = { score: remembered.score, candidates, share };
      byShare.set(`${share}`, await answersOf(store, questions, { ...options, limit: 20, rerank }));
      console.error(name, share, score(byShare.get(`${share}`) ?? [], locomo).recall_at_10);
    }
    const { answers, chosen } = leaveOneOut(byShare);
    const usual = byShare.get(`${reranker.share}`) ?? [];
    result[name] = {
      before: score(before, locomo),
      [`after_with_share_${reranker.share}`]: {
        ...score(usual, locomo),
        above_before: difference(usual, before),
      },
      held_out: {
        ...score(answers, locomo),
        above_before: difference(answers, before),
        chosen,
        by_category: byCategory(answers, locomo),
      },
      recall_at_10_by_share: Object.fromEntries(
        [...byShare].map(([share, found]) => [share, score(found, locomo).recall_at_10]),
      ),
    };
  }
  return result;
}

/** Median times of a search as multiples of one without the reranker, and the tokens read. */
async function cost(
  store: FaissStore,
  questions: readonly Question[],
  embeddings: HfEmbeddings,
  warm: LateInteractionReranker,
): Promise<Record<string, unknown>> {
  const asked = questions.filter((_, i) => i % Math.ceil(questions.length / TIMED) === 0);
  const timed = async (rerank?: Reranker) => {
    const times: number[] = [];
    const before = (await store.stats()).reranked.tokens;
    for (const { namespace, text } of asked) {
      const start = performance.now();
      await store.search(namespace, { query: text, mode: "hybrid", limit: 10, ...(rerank && { rerank }) });
      times.push(performance.now() - start);
    }
    const tokens = ((await store.stats()).reranked.tokens - before) / asked.length;
    return { median: times.sort((a, b) => a - b)[Math.floor(times.length / 2)] as number, tokens };
  };
  await timed();
  const { median: without } = await timed();
  const { candidates } = warm;
  const cold = await timed(new LateInteractionReranker(embeddings, { candidates, cacheTokens: 1 }));
  await timed(warm);
  const kept = await timed(warm);
  return {
    search_ms: without,
    cold: { ms: cold.median, times_a_search: cold.median / without, tokens_per_query: cold.tokens },
    warm: { ms: kept.median, times_a_search: kept.median / without, tokens_per_query: kept.tokens },
  };
}

/** A reranker that is asked about the same query and texts once, since its share changes nothing about its scores. */
class Remembered {
  readonly #known = new Map<string, Promise<number[]>>();

  constructor(readonly inner: LateInteractionReranker) {}

  readonly score: Reranker["score"] = (query, texts) => {
    const key = JSON.stringify([query, texts]);
    const known = this.#known.get(key) ?? this.inner.score(query, texts).then(({ scores }) => scores);
    this.#known.set(key, known);
    return known;
  };
}
