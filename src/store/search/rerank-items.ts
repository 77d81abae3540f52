/**
 * Reranks the items of a search: gives the best of them to a reranker, and orders them by its scores.
 *
 * Runs after the transaction of the search, because a model may take seconds. Leaves out what a reranker is and its
 * limits (`reranker.ts`).
 */
import type { Corpus } from "./corpus.js";
import { leafTexts, textsAt } from "./field-paths.js";
import { failed, inTime, RERANK_TIMEOUT_MS, type Reranker, scoresOf } from "./reranker.js";
import type { ReorderItems, SearchItem } from "./search-options.js";

/** Fewest candidates where nothing says how many are wanted. */
const FEWEST = 50;

/** Items beside the candidates that no model scores, and come in by their neighbors' scores. */
export interface Beside {
  items: SearchItem[];
  /** The scores with neighbors of the candidates and these items, from the candidates' scores. */
  scored: (scores: readonly number[]) => number[];
}

/** How many candidates are usual where something else than the search orders them. */
export function usualPool(wanted: number): number {
  return Math.max(wanted * 4, FEWEST);
}

/** How many candidates a search collects, of which it returns `wanted` at most. */
export function poolOf(rerank: ReorderItems | Reranker | undefined, wanted: number): number {
  if (rerank === undefined) return wanted;
  const usual = usualPool(wanted);
  return typeof rerank === "function" ? usual : Math.max(wanted, rerank.candidates ?? usual);
}

/**
 * The items in the reranker's order. Items without a score follow, since the search could not rank them.
 *
 * @param beside makes neighbors count: those of the final scores, which are then from 0 to 1
 * @throws ModelError `AGEMEM_RERANK_FAILED`
 */
export async function rerankItems(
  { vectors, rerankCounts }: Corpus,
  rerank: ReorderItems | Reranker,
  query: string,
  items: SearchItem[],
  beside?: Beside,
): Promise<SearchItem[]> {
  if (typeof rerank === "function") {
    const reordered = await inTime(() => rerank(query, items), RERANK_TIMEOUT_MS);
    if (!Array.isArray(reordered)) throw failed("The function `rerank` must return a list of items");
    return reordered;
  }
  const ranked = items.filter(({ score }) => score !== undefined);
  const unranked = items.filter(({ score }) => score === undefined);
  const fields = vectors.embedder?.fields ?? ["$"];
  const texts = ranked.map(({ value }) => textOf(value, fields));
  const scores = await scoresOf(rerank, query, texts, rerankCounts);
  const own = ranked.map(({ score }) => score ?? 0);
  const { share = 1 } = rerank;
  const final = share === 1 && !beside ? scores : mixed(own, scores, share);
  const all = beside ? [...ranked, ...beside.items] : ranked;
  const finals = beside ? beside.scored(final) : final;
  const order = all.map((item, i) => ({ ...item, score: finals[i] as number }));
  // The sort is stable: equal scores keep the order of the search.
  return [...order.sort((a, b) => b.score - a.score), ...unranked];
}

/** `(1 - share) * own + share * scores`, each scaled to 0 to 1. */
function mixed(own: readonly number[], scores: readonly number[], share: number): number[] {
  const [a, b] = [scaled(own), scaled(scores)];
  return a.map((value, i) => (1 - share) * value + share * (b[i] as number));
}

/** Scores from 0 (lowest) to 1 (highest); all 0 if they are equal. */
function scaled(scores: readonly number[]): number[] {
  const [low, high] = scores.reduce(
    ([least, most], score) => [Math.min(least, score), Math.max(most, score)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
  return scores.map((score) => (high > low ? (score - low) / (high - low) : 0));
}

/** The texts of an item that are searched, one per line; of an item indexed otherwise, all its texts. */
function textOf(value: Record<string, unknown>, fields: readonly string[]): string {
  const chosen = fields.includes("$") ? [] : textsAt(value, fields).map(({ text }) => text);
  return (chosen.length > 0 ? chosen : leafTexts(value)).join("\n");
}
