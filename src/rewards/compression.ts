/** Compression part of R_context: how much of the token budget was left at the end? (AgeMem, appendix A.2) Pure. */
import { answerStep, type RewardPart, type ScoringInput } from "./scoring.js";

/**
 * `max(0, 1 - T_used / T_max)`, in [0, 1], where T_used is the context, tool schemas included, of the last policy call
 * that got a response. Null when its token count was not recorded.
 */
export function compressionReward({ steps, episode }: Pick<ScoringInput, "steps" | "episode">): RewardPart {
  const used = answerStep(steps)?.context_tokens ?? null;
  if (used === null) return { value: null, basis: "the context's tokens at answer time are not recorded" };
  const value = Math.max(0, 1 - used / episode.t_max);
  return { value, basis: `${used} of ${episode.t_max} tokens used at answer time` };
}
