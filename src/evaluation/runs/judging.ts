/**
 * A judge's scores of an episode, each 0 to 1: J for the answer, MQ (memory quality) for what the memory holds.
 *
 * Owns what the judge is shown, and what a failure of the judge means: no score, and an entry in the record, because a
 * 0 would be blamed on the system. Leaves out prompts and retries (`rewards/judges/llm.ts`).
 */
import { AgeMemError, messageOf } from "../../errors.js";
import type { Judge } from "../../rewards/judge.js";
import type { SuiteCase, SuiteQuestion } from "../suites/suite.js";
import { Bm25 } from "../tasks/bm25.js";
import type { EvaluationEpisode } from "./record.js";

/** Scores by name, and the cost of getting them. */
export interface Judgement {
  metrics: { j?: number; mq?: number };
  judge: Omit<NonNullable<EvaluationEpisode["judge"]>, "cost">;
}

/** Most memories that a judge is shown; AgeMem's authors show 20. */
const SHOWN = 20;

/**
 * Asks for J if there is an answer, and for MQ if the facts behind the right answer are known. An empty answer scores 0
 * without a call.
 *
 * @param judge must not be shared with episodes that run at the same time, so that its usage is that of this episode
 * @param held everything that the memory holds; of more than 20 items the judge is shown those most similar to the
 * question (by BM25 for every system, whatever it recalls)
 */
export async function judgeAnswer(
  judge: Judge,
  { question, facts }: { question: SuiteQuestion; facts: readonly string[] },
  { answer, held }: { answer: string | null; held: readonly string[] },
): Promise<Judgement> {
  const before = { ...judge.usage };
  const failures: Judgement["judge"]["failures"] = [];
  const ask = async (work: () => Promise<number>): Promise<number | undefined> => {
    try {
      return await work();
    } catch (error) {
      failures.push({ code: AgeMemError.isInstance(error) ? error.code : null, message: messageOf(error) });
      return undefined;
    }
  };
  const gold = referenceOf(question);
  const j =
    answer === null
      ? undefined
      : answer.trim() === ""
        ? 0
        : await ask(() => judge.answer(question.text, gold, answer));
  const mq = facts.length
    ? await ask(() =>
        judge.memoryQuality(facts, nearest(held, question.text), { question: question.text, gold }),
      )
    : undefined;
  return {
    metrics: { ...(j === undefined ? {} : { j }), ...(mq === undefined ? {} : { mq }) },
    judge: { ...usedSince(before, judge.usage), failures },
  };
}

/** The facts behind a question: as the suite words them, or else the messages with the evidence. */
export function factsOf({ sessions }: SuiteCase, { facts, evidence }: SuiteQuestion): string[] {
  if (facts) return [...facts];
  const wanted = new Set(evidence);
  return sessions.flat().flatMap(({ id, content }) => (id !== undefined && wanted.has(id) ? [content] : []));
}

function referenceOf({ reference, answers }: SuiteQuestion): string {
  return reference ?? [...new Set(answers)].join("; or: ");
}

function nearest(held: readonly string[], question: string): readonly string[] {
  if (held.length <= SHOWN) return held;
  const ranked = new Bm25(held).search(question).slice(0, SHOWN);
  return ranked.map(({ index }) => held[index] ?? "");
}

function usedSince(
  before: Partial<NonNullable<Judge["usage"]>>,
  now: Judge["usage"],
): Omit<Judgement["judge"], "failures"> {
  const since = (a: number | null | undefined, b: number | null | undefined): number | null =>
    a === null || b === null ? null : (b ?? 0) - (a ?? 0);
  return {
    calls: since(before.calls, now?.calls) ?? 0,
    prompt_tokens: since(before.promptTokens, now?.promptTokens),
    response_tokens: since(before.completionTokens, now?.completionTokens),
    latency_ms: since(before.latencyMs, now?.latencyMs) ?? 0,
  };
}
