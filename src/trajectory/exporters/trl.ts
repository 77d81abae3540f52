/**
 * TRL: one `RolloutSample` of `trl.experimental.async_grpo` per policy step.
 *
 * The advantage is precomputed and the same for all steps of a rollout (AgeMem, eq. 5-6). Log-probabilities are those
 * of the generator, which TRL treats as the old policy.
 */
import { sha256 } from "../../lib/hash.js";
import {
  type Exported,
  type Exporter,
  type ExportRow,
  type Refusal,
  refuseRollout,
  tokenSteps,
} from "../exporter.js";
import type { TrajectoryRecord } from "../schema.js";
import { openAiMessage } from "./openai-messages.js";

export const trlExporter: Exporter = {
  name: "trl",
  description: "One RolloutSample of TRL's asynchronous GRPO trainer per policy step",
  export(rollout, { policyVersion } = {}): Exported {
    const { trajectory } = rollout;
    const { advantage } = trajectory;
    if (advantage === null) return refuseRollout(rollout, "no advantage: score the rollouts first");
    const { usable, refused } = tokenSteps(rollout);
    const rows: ExportRow[] = [];
    const refuse = (stepIndex: number, reason: string): Refusal => ({
      rolloutId: trajectory.rollout_id,
      stepIndex,
      reason,
    });
    for (const step of usable) {
      const version = step.policy_version ?? policyVersion;
      if (step.response_logprobs === null) {
        refused.push(refuse(step.step_index, "no log-probabilities from the server"));
        continue;
      }
      if (version === undefined) {
        refused.push(refuse(step.step_index, "no policy version: give one for the export"));
        continue;
      }
      const context = step.prompt_token_ids.map(() => 0);
      const mask = step.response_mask;
      rows.push({
        prompt: step.messages.map(openAiMessage),
        completion: step.response ? [openAiMessage(step.response)] : [],
        input_ids: [...step.prompt_token_ids, ...step.response_token_ids],
        completion_mask: [...context, ...mask],
        old_log_probs: [...context, ...step.response_logprobs.map((p, i) => (mask[i] === 1 ? p : 0))],
        advantage: step.advantage ?? advantage,
        model_version: version,
        group_id: groupNumber(trajectory),
        metrics: metricsOf(trajectory),
      });
    }
    return { rows, refused };
  },
};

/** A number for the group, as TRL wants it: 48 bits of a hash, equal for all rollouts of a group in any file. */
function groupNumber({ group_id: group, rollout_id: rollout }: TrajectoryRecord): number {
  return Number.parseInt(sha256(group ?? rollout).slice(0, 12), 16);
}

function metricsOf({ reward, reward_parts: parts }: TrajectoryRecord): Record<string, number> {
  const scored = Object.entries(parts).filter((entry): entry is [string, number] => entry[1] !== null);
  return {
    ...(reward === null ? {} : { reward }),
    ...Object.fromEntries(scored.map(([name, value]) => [`reward/${name}`, value])),
  };
}
