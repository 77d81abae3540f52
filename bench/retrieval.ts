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
 * `held_out_neighbors` does so with the share of the neighbors as well, `held_out_keyword_neighbors` with neighbors and
 * keywords only. All say by how much recall@10 is above that of the
 * better half, with the interval over conversations. The number of results is the same; `tokens_at_10` are their tokens.
 */
import { parseArgs } from "node:util";
import type { SearchMode } from "../src/store/search/search-options.js";
import {
  type Answer,
  answerable,
  answersOf,
  byCategory,
  difference,
  embeddedOnce,
  evidenceRanks,
  leaveOneOut,
  readLocomo,
  score,
  storeOf,
} from "./locomo.js";

/** Shares of the vectors that `held_out` chooses among. */
const SHARES = [0.05, 0.15, 0.3, 0.4, 0.5, 0.55, 0.65];
/** Shares of the neighbors among which `held_out_neighbors` chooses, together with those of the vectors. */
const NEIGHBORS = [0.2, 0.3, 0.4, 0.5];
const NEIGHBOR_SHARES = [0.15, 0.4, 0.5];
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
  const locomo = await readLocomo(values.data, values.captions);
  const model = await embeddedOnce(values.embeddings ?? "lexical", locomo);
  const result: Record<string, unknown> = { embeddings: model.name };
  const halves: Answer[][] = [];
  {
    await using store = await storeOf(model, locomo);
    for (const mode of MODES) {
      const answers = await answersOf(store, locomo.questions, { mode });
      if (mode !== "hybrid") halves.push(answerable(answers));
      result[mode] = {
        ...score(answerable(answers), locomo),
        all_with_evidence: score(answers, locomo),
        by_category: byCategory(answers, locomo),
        ...(mode === "hybrid" && { evidence: evidenceRanks(answers, locomo) }),
      };
    }
  }
  const [first, second] = halves.map((half) => ({ half, recall: score(half, locomo).recall_at_10 }));
  const better = (first && second && second.recall > first.recall ? second : first)?.half ?? [];
  const questions = answerable(locomo.questions);
  const byNeighbors = new Map<string, Answer[]>();
  {
    await using store = await storeOf(model, locomo, 0);
    for (const neighbors of NEIGHBORS) {
      byNeighbors.set(`${neighbors}`, await answersOf(store, questions, { mode: "hybrid", neighbors }));
    }
  }
  const byShare = new Map<string, Answer[]>();
  const byBoth = new Map<string, Answer[]>();
  for (const share of SHARES) {
    await using store = await storeOf(model, locomo, share);
    byShare.set(`${share}`, await answersOf(store, questions, { mode: "hybrid" }));
    for (const neighbors of NEIGHBOR_SHARES.includes(share) ? NEIGHBORS : []) {
      const answers = await answersOf(store, questions, { mode: "hybrid", neighbors });
      byBoth.set(`${share}, neighbors ${neighbors}`, answers);
    }
  }
  for (const [name, settings] of Object.entries({
    held_out: byShare,
    held_out_neighbors: byBoth,
    held_out_keyword_neighbors: byNeighbors,
  })) {
    const { answers, chosen } = leaveOneOut(settings);
    result[name] = {
      ...score(answers, locomo),
      above_better_half: difference(answers, better),
      chosen,
      by_category: byCategory(answers, locomo),
      evidence: evidenceRanks(answers, locomo),
      recall_at_10_by_setting: Object.fromEntries(
        [...settings].map(([setting, found]) => [setting, score(found, locomo).recall_at_10]),
      ),
    };
  }
  return result;
}
