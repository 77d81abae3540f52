/**
 * What a judge is asked, and asking it about a recorded episode.
 *
 * Owns the interface; the judges are in `judges/`. Verdicts are values, so rewards stay pure functions of them.
 */
import { AgeMemError, messageOf } from "../errors.js";
import type { EpisodeRecord, StepRecord, VerdictsRecord } from "../trajectory/schema.js";
import type { CallUsage } from "../types.js";
import { addedInStageOne, finalAnswer, retrieved } from "./scoring.js";

/** Scores of one question each. Every number lies in [0, 1]. */
export interface Judge {
  /** Says what it is; rules say that they are not a language model. */
  readonly name: string;
  /** How well a predicted answer agrees with the gold answer. */
  answer(question: string, gold: string, predicted: string): Promise<number>;
  /** For each memory item, whether storing it helps to answer q with A_q. */
  storage(question: string, gold: string, items: readonly string[]): Promise<boolean[]>;
  /** How well a retrieved set fits q. */
  relevance(question: string, items: readonly string[]): Promise<number>;
  /**
   * MQ: coverage of the gold facts, relevance, absence of noise. With `asked`, for that question and its reference
   * answer; rules may leave it unused.
   */
  memoryQuality(
    goldFacts: readonly string[],
    items: readonly string[],
    asked?: { question: string; gold: string },
  ): Promise<number>;
  /** What the judge has spent so far; absent when it calls no model. */
  readonly usage?: Readonly<CallUsage>;
}

/** Verdicts with what went wrong in getting them. */
export interface JudgedEpisode {
  verdicts: VerdictsRecord;
  /** One line per verdict that is missing because the judge failed. */
  problems: string[];
}

/**
 * Asks a judge everything the rewards need about an episode, and nothing more: no call for an answer that was not
 * given or a set that is empty. A question at which the judge fails leaves its verdict null; the others stand.
 *
 * @example
 * const { verdicts } = await judgeEpisode(createOfflineJudge(), { steps, episode });
 */
export async function judgeEpisode(
  judge: Judge,
  { steps, episode }: { steps: readonly StepRecord[]; episode: EpisodeRecord },
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
  const [answer, labels, relevance, quality] = await Promise.all([
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
  ]);
  const storage = labels && Object.fromEntries(added.map((item, i) => [item.id, labels[i] === true]));
  return { verdicts: { judge: judge.name, answer, storage, relevance, memory_quality: quality }, problems };
}
