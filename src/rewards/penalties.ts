/** P_penalty: too many rounds, too many tokens. (AgeMem, appendix A.2) Pure. */
import { CONTEXT_REFUSED } from "../lib/context-overflow.js";
import { policySteps, type RewardPart, type ScoringInput } from "./scoring.js";

const ROUNDS_PENALTY = -1;
const TOKENS_PENALTY = -0.5;

/** -1 if any stage took more than N_max rounds, else 0. */
export function roundsPenalty({ episode }: Pick<ScoringInput, "episode">): RewardPart {
  const most = Math.max(0, ...episode.rounds);
  const basis = `at most ${most} rounds in a stage, ${episode.n_max} allowed`;
  return { value: most > episode.n_max ? ROUNDS_PENALTY : 0, basis };
}

/**
 * -0.5 if the context of any policy call was larger than T_max, or larger than the endpoint takes, else 0. Null when no token
 * count was recorded.
 */
export function tokensPenalty({ steps, episode }: Pick<ScoringInput, "steps" | "episode">): RewardPart {
  if (policySteps(steps).some((step) => step.error?.code === CONTEXT_REFUSED)) {
    return { value: TOKENS_PENALTY, basis: "the endpoint refused the context as too long" };
  }
  const known = policySteps(steps).flatMap((step) => step.context_tokens ?? []);
  if (known.length === 0) return { value: null, basis: "the context's tokens are not recorded" };
  const most = known.reduce((a, b) => Math.max(a, b));
  const basis = `at most ${most} tokens in the context, ${episode.t_max} allowed`;
  return { value: most > episode.t_max ? TOKENS_PENALTY : 0, basis };
}
