/**
 * Chat rows for supervised fine-tuning: the messages of a policy step and its response.
 *
 * Needs no token ids. `weight` follows OpenAI's fine-tuning format: 1 for the response to learn, 0 for earlier answers,
 * which are rows of their own.
 */
import { type Exported, type Exporter, type ExportRow, type Refusal, refuseRollout } from "../exporter.js";
import type { StepRecord } from "../schema.js";
import { openAiMessage } from "./openai-messages.js";

export const chatExporter: Exporter = {
  name: "chat",
  description: "One conversation with weights per policy step, for supervised fine-tuning",
  export(rollout, { minReward } = {}): Exported {
    const { trajectory, steps } = rollout;
    if (minReward !== undefined && (trajectory.reward === null || trajectory.reward < minReward)) {
      return refuseRollout(rollout, "reward below the minimum, or unscored");
    }
    const rows: ExportRow[] = [];
    const refused: Refusal[] = [];
    for (const step of steps) {
      if (step.call_role !== "policy") continue;
      const reason = unfit(step);
      if (reason !== null || step.response === null) {
        refused.push({ rolloutId: trajectory.rollout_id, stepIndex: step.step_index, reason: reason ?? "" });
        continue;
      }
      const prompt = step.messages
        .map(openAiMessage)
        .map((message) => (message.role === "assistant" ? { ...message, weight: 0 } : message));
      rows.push({
        messages: [...prompt, { ...openAiMessage(step.response), weight: 1 }],
        ...(step.tools.length > 0 ? { tools: step.tools } : {}),
        metadata: {
          rollout_id: trajectory.rollout_id,
          task_id: trajectory.task_id,
          stage: step.stage,
          step_index: step.step_index,
          reward: trajectory.reward,
          advantage: trajectory.advantage,
        },
      });
    }
    return { rows, refused };
  },
};

/** Why a step cannot or must not be imitated; null when it may. */
function unfit(step: StepRecord): string | null {
  if (step.response === null) return "the call failed";
  if (step.truncated) return "the response was cut at the length limit";
  return step.format_error === null ? null : "the response broke the format";
}
