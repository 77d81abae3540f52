/** Preventive part of R_context: was the context reduced in time? (AgeMem, appendix A.2) Pure. */
import { operations, policySteps, type RewardPart, type ScoringInput } from "./scoring.js";

/**
 * 1 if SUMMARY or FILTER succeeded before the context reached T_max for the first time, else 0.
 *
 * Departs from the paper: a refused call does not count as invoked, because it reduced nothing.
 */
export function preventiveReward({ steps, episode }: Pick<ScoringInput, "steps" | "episode">): RewardPart {
  const limit = episode.t_max;
  const reached = policySteps(steps).find((step) => (step.context_tokens ?? 0) >= limit)?.step_index;
  const end = reached ?? Number.POSITIVE_INFINITY;
  const inTime = operations(steps, ["SUMMARY", "FILTER"]).find(
    ({ op, step }) => step.step_index < end && op.tokens_before < limit,
  );
  if (inTime) return { value: 1, basis: `${inTime.op.op} at step ${inTime.step.step_index}` };
  const basis = reached === undefined ? "no SUMMARY or FILTER" : `none before the limit at step ${reached}`;
  return { value: 0, basis };
}
