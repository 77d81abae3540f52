/**
 * verl: one row per rollout, with the arguments of its `list[AgentLoopOutput]` in order of the steps.
 *
 * Only the last output carries the reward; verl's `compute_advantage_for_multi_trajectories` gives all outputs of a
 * session the advantage of the last. Steps of a counterfactual group have their own in `extra_fields`. docs/trajectory.md shows the loop that passes the list to verl.
 */
import { type Exported, type Exporter, refuseRollout, tokenSteps } from "../exporter.js";
import { scoredParts } from "./scored-parts.js";

export const verlExporter: Exporter = {
  name: "verl",
  description: "One row per rollout: the arguments of verl's AgentLoopOutput for each policy step",
  export(rollout): Exported {
    const { trajectory } = rollout;
    const { reward, rollout_index: session } = trajectory;
    if (reward === null) return refuseRollout(rollout, "no reward: score the rollouts first");
    if (session === null) return refuseRollout(rollout, "no task id or rollout index");
    const { usable, refused } = tokenSteps(rollout);
    if (usable.length === 0) return { rows: [], refused };
    // verl needs log-probabilities for all outputs of a batch or for none; without them it computes its own.
    const logprobs = usable.every((step) => step.response_logprobs !== null);
    const last = usable.length - 1;
    const outputs = usable.map((step, i) => ({
      prompt_ids: step.prompt_token_ids,
      response_ids: step.response_token_ids,
      response_mask: step.response_mask,
      response_logprobs: logprobs ? step.response_logprobs : null,
      reward_score: i === last ? reward : null,
      num_turns: step.messages.length + 1,
      metrics: {
        generate_sequences: step.latency_ms / 1000,
        tool_calls: step.tool_runs.reduce((sum, run) => sum + run.latency_ms, 0) / 1000,
      },
      extra_fields: {
        step_index: step.step_index,
        stage: step.stage,
        policy_version: step.policy_version,
        truncated: step.truncated,
        ...(step.advantage === null ? {} : { advantage: step.advantage }),
        // verl copies the last output's to the others, and fails without it.
        ...(i === last ? { reward_extra_info: scoredParts(trajectory) } : {}),
      },
    }));
    const row = {
      uid: trajectory.group_id ?? trajectory.task_id ?? trajectory.rollout_id,
      session_id: session,
      outputs,
    };
    return { rows: [row], refused };
  },
};
