/**
 * A group G_q: the K rollouts of one task, and their advantages (AgeMem, eq. 5, alg. 2). Pure apart from the clock-free
 * bookkeeping; running is `rollout.ts`.
 */
import { type AdvantageOptions, type AdvantagePreset, advantagesOf, type GroupAdvantages } from "../grpo.js";
import { shortHash } from "../lib/hash.js";
import type { RolloutStatus } from "../trajectory/schema.js";
import type { MemoryTask } from "../types.js";
import type { RolloutIdentity } from "./options.js";
import type { RolloutResult } from "./rollout.js";
import type { RolloutSettings } from "./settings.js";

/** A finished group with advantages on its trajectories. */
export interface GroupResult {
  taskId: string;
  groupId: string;
  /** In the order of their index. */
  rollouts: RolloutResult[];
  advantages: GroupAdvantages;
}

/** What is kept of a group when its rollouts are not. */
export interface GroupSummary {
  taskId: string;
  groupId: string;
  /** In the order of the rollouts, as the advantages. */
  rewards: (number | null)[];
  statuses: RolloutStatus[];
  advantages: GroupAdvantages;
}

/** A group without its rollouts. */
export function summarizeGroup({ taskId, groupId, rollouts, advantages }: GroupResult): GroupSummary {
  return {
    taskId,
    groupId,
    rewards: rollouts.map(({ trajectory }) => trajectory.reward),
    statuses: rollouts.map(({ trajectory }) => trajectory.status),
    advantages,
  };
}

/** Ids and seeds of the K rollouts of a task; equal settings give equal identities. */
export function groupIdentities(task: MemoryTask, settings: RolloutSettings): RolloutIdentity[] {
  const groupId = `g${shortHash(JSON.stringify([settings.runName, settings.seed, settings.k, task.id]), 12)}`;
  return Array.from({ length: settings.k }, (_, index) => ({
    taskId: task.id,
    groupId,
    rolloutId: `${groupId}-r${index}`,
    index,
    seed: `${settings.seed}/${task.id}/${index}`,
  }));
}

/** Puts the group's advantages on its trajectories. Unscored rollouts keep null and have no vote. */
export function finishGroup(
  rollouts: readonly RolloutResult[],
  options?: AdvantageOptions | AdvantagePreset,
): GroupResult {
  const [first] = rollouts;
  if (!first) throw new RangeError("A group needs at least one rollout");
  const { records, advantages } = advantagesOf(
    rollouts.map(({ trajectory }) => trajectory),
    options,
  );
  return {
    taskId: first.trajectory.task_id as string,
    groupId: first.trajectory.group_id as string,
    advantages,
    rollouts: rollouts.map((rollout, i) => ({
      steps: rollout.steps,
      trajectory: records[i] as RolloutResult["trajectory"],
    })),
  };
}
