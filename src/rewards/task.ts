/** R_task: is the answer right? (AgeMem, appendix A.2) Pure. */
import { finalAnswer, type RewardPart, type ScoringInput } from "./scoring.js";

/**
 * The judge's score of the answer against A_q, in [0, 1]; -1 when no answer was given, null when the judge failed.
 *
 * @example
 * taskReward({ steps: [], episode: { ...episode, answer: null }, verdicts }).value; // -1
 */
export function taskReward({ episode, verdicts }: Pick<ScoringInput, "episode" | "verdicts">): RewardPart {
  if (finalAnswer(episode) === null) return { value: -1, basis: "no answer was given" };
  if (verdicts.answer === null)
    return { value: null, basis: `${verdicts.judge} gave no score for the answer` };
  return { value: verdicts.answer, basis: `${verdicts.judge}: answer against the expected one` };
}
