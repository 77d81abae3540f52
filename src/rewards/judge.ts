/**
 * The interface of a judge, and how it is asked about a recorded episode.
 *
 * Leaves out the judges (`judges/`). Verdicts are plain values, so that rewards stay pure functions of them.
 */
import { AgeMemError, messageOf } from "../errors.js";
import type { EpisodeRecord, StepRecord, VerdictsRecord } from "../trajectory/schema.js";
import type { MemoryItemRecord } from "../trajectory/schema-parts.js";
import type { CallUsage } from "../types.js";
import { type RewardOptions, readsUsefulness } from "./reward.js";
import { addedInStageOne, finalAnswer, itemsById, operations, retrieved } from "./scoring.js";

/** Grades one episode. Every number lies in [0, 1]. */
export interface Judge {
  /** Describes the judge in records; a rule-based one says that it is not a language model. */
  readonly name: string;
  /** How well a predicted answer agrees with the gold answer. */
  answer(question: string, gold: string, predicted: string): Promise<number>;
  /**
   * For each memory item, whether storing it helps to answer q with A_q. With gold facts, an item helps only if it states one of
   * them, or what the answer rests on: words of the question say nothing.
   */
  storage(
    question: string,
    gold: string,
    items: readonly string[],
    goldFacts?: readonly string[],
  ): Promise<boolean[]>;
  /** How well a retrieved set fits q. */
  relevance(question: string, items: readonly string[]): Promise<number>;
  /**
   * Memory quality: coverage of the gold facts, relevance to them, absence of noise; with `asked`, as needed for that
   * question and its reference answer. A rule-based judge may ignore `asked`.
   */
  memoryQuality(
    goldFacts: readonly string[],
    items: readonly string[],
    asked?: { question: string; gold: string },
  ): Promise<number>;
  /** What the judge has spent so far; absent when it calls no model. */
  readonly usage?: Readonly<CallUsage>;
}

/** Verdicts, and what went wrong in getting them. */
export interface JudgedEpisode {
  verdicts: VerdictsRecord;
  /** One line per verdict that is missing because the judge failed. */
  problems: string[];
}

/**
 * Asks a judge what the rewards need to know about an episode. Skips an answer that was not given, an empty set of
 * added or retrieved items, memory quality without gold facts, and labels that the reward does not read. Where the judge
 * fails with an {@link AgeMemError}, that verdict is null and the others stand; any other error is thrown.
 *
 * @example
 * const { verdicts } = await judgeEpisode(createOfflineJudge(), { steps, episode });
 */
export async function judgeEpisode(
  judge: Judge,
  { steps, episode }: { steps: readonly StepRecord[]; episode: EpisodeRecord },
  reward: RewardOptions = {},
): Promise<JudgedEpisode> {
  const problems: string[] = [];
  const ask = async <T>(what: string, question: () => Promise<T>): Promise<T | null> => {
    try {
      return await question();
    } catch (error) {
      if (!AgeMemError.isInstance(error)) throw error;
      problems.push(`${what}: ${messageOf(error)}`);
      return null;
    }
  };
  const { question, gold_answer: gold, gold_facts: facts } = episode;
  const predicted = finalAnswer(episode);
  const added = addedInStageOne(steps, episode);
  const found = retrieved(steps, episode).map((item) => item.content);
  const kept = episode.items.filter((item) => item.present).map((item) => item.content);
  const all = readsUsefulness(reward)
    ? itemsById(
        operations(steps, ["ADD"]).flatMap(({ op }) => op.memory_ids),
        episode,
      )
    : null;
  const [answer, labels, relevance, quality, usefulness] = await Promise.all([
    predicted === null ? null : ask("answer", () => judge.answer(question, gold, predicted)),
    added.length === 0
      ? []
      : ask("storage", () =>
          judge.storage(
            question,
            gold,
            added.map((item) => item.content),
          ),
        ),
    found.length === 0 ? null : ask("relevance", () => judge.relevance(question, found)),
    facts.length === 0
      ? null
      : ask("memory quality", () => judge.memoryQuality(facts, kept, { question, gold })),
    all === null || all.length === 0
      ? []
      : ask("usefulness", () =>
          judge.storage(
            question,
            gold,
            all.map((item) => item.content),
            facts,
          ),
        ),
  ]);
  const storage = labels && byId(added, labels);
  const useful = all && usefulness && byId(all, usefulness);
  return {
    verdicts: { judge: judge.name, answer, storage, relevance, memory_quality: quality, useful },
    problems,
  };
}

function byId(items: readonly MemoryItemRecord[], labels: readonly boolean[]): Record<string, boolean> {
  return Object.fromEntries(items.map((item, i) => [item.id, labels[i] === true]));
}
