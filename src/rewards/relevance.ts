/** Relevance part of R_memory: did the retrieved items fit the query? (AgeMem, appendix A.2) Pure. */
import { type RewardPart, retrieved, type ScoringInput } from "./scoring.js";

/** The judge's score of the retrieved set against q, in [0, 1]; 0 when nothing was retrieved. */
export function relevanceReward({ steps, episode, verdicts }: ScoringInput): RewardPart {
  const items = retrieved(steps, episode);
  if (items.length === 0) return { value: 0, basis: "nothing was retrieved" };
  if (verdicts.relevance === null) return { value: null, basis: `${verdicts.judge} gave no relevance` };
  return {
    value: verdicts.relevance,
    basis: `${verdicts.judge}: ${items.length} retrieved items against the query`,
  };
}
