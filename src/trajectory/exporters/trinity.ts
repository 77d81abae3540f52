/**
 * Trinity-RFT: the keyword arguments of one `Experience` per policy step.
 *
 * Trinity stores pickled bytes, so a few lines of Python make the objects: see docs/trajectory.md. Every step carries
 * the reward; `multi_step_grpo` takes the last one of each run and computes the advantages itself. Steps of a counterfactual
 * group bring their own, which an algorithm with an advantage function overwrites.
 */
import { type Exported, type Exporter, refuseRollout, type TokenStep, tokenSteps } from "../exporter.js";
import type { Rollout } from "../file.js";
import { openAiMessage } from "./openai-messages.js";
import { scoredParts } from "./scored-parts.js";

export const trinityExporter: Exporter = {
  name: "trinity",
  description: "The keyword arguments of one Trinity-RFT Experience per policy step",
  export(rollout, { batch = 0, policyVersion } = {}): Exported {
    const { trajectory } = rollout;
    const { reward, task_id: task, rollout_index: run } = trajectory;
    if (reward === null) return refuseRollout(rollout, "no reward: score the rollouts first");
    if (task === null || run === null) return refuseRollout(rollout, "no task id or rollout index");
    const question = groupName(rollout, policyVersion);
    const { usable, refused } = tokenSteps(rollout);
    const rows = usable.flatMap((step) => {
      if (step.response_logprobs === null) {
        const reason = "no log-probabilities from the server";
        refused.push({ rolloutId: trajectory.rollout_id, stepIndex: step.step_index, reason });
        return [];
      }
      const masked = step.response_mask.some((bit) => bit === 0);
      return [
        {
          eid: { batch, task: question, run, step: step.step_index, suffix: step.response_id ?? step.run_id },
          tokens: [...step.prompt_token_ids, ...step.response_token_ids],
          prompt_length: step.prompt_token_ids.length,
          logprobs: step.response_logprobs,
          ...(masked ? { action_mask: step.response_mask.map((bit) => bit === 1) } : {}),
          reward,
          ...ownAdvantages(step),
          ...(step.truncated ? { truncate_status: "response_truncated" } : {}),
          info: { model_version: step.policy_version ?? policyVersion ?? null, stage: step.stage },
          metrics: scoredParts(trajectory),
          messages: [...step.messages, ...(step.response ? [step.response] : [])].map(openAiMessage),
          tools: step.tools,
        },
      ];
    });
    return { rows, refused };
  },
};

/** The step's advantage on each token that is trained on, where the step has one. */
function ownAdvantages({ advantage, response_mask: mask }: TokenStep): { advantages?: number[] } {
  return advantage === null ? {} : { advantages: mask.map((bit) => (bit === 1 ? advantage : 0)) };
}

/**
 * The name by which Trinity groups rollouts. The task's id is not enough: one buffer may hold rows of several runs,
 * seeds and policy versions, and Trinity takes rows with equal `batch/task/run` for one rollout.
 */
function groupName({ trajectory, steps }: Rollout, policyVersion: number | undefined): string {
  const { task_id: task, group_id: group, rollout_id: rollout, attempt } = trajectory;
  const version =
    trajectory.policy_version_max ?? steps.find((step) => step.policy_version !== null)?.policy_version;
  const known = version ?? policyVersion;
  const parts = [task, group ?? rollout, ...(known === undefined ? [] : [`v${known}`])];
  return [...parts, ...(attempt > 1 ? [`attempt${attempt}`] : [])].join("@");
}
