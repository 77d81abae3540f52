/** Storage part of R_memory: was what was stored worth storing? (AgeMem, appendix A.2) Pure. */
import { addedInStageOne, type RewardPart, type ScoringInput } from "./scoring.js";

/**
 * `N_high_quality / max(1, N_total)` over the items added in stage 1, in [0, 1]. The judge labels each item from q and
 * A_q. Items deleted later still count, because the reward is for what was stored.
 */
export function storageReward({ steps, episode, verdicts }: ScoringInput): RewardPart {
  const items = addedInStageOne(steps, episode);
  if (items.length === 0) return { value: 0, basis: "nothing was added in stage 1" };
  const labels = verdicts.storage;
  if (labels === null || items.some((item) => labels[item.id] === undefined)) {
    return { value: null, basis: `${verdicts.judge} did not label all items of stage 1` };
  }
  const good = items.filter((item) => labels[item.id]).length;
  return { value: good / items.length, basis: `${verdicts.judge}: ${good} of ${items.length} items useful` };
}
