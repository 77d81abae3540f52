/**
 * A group G_q: the K rollouts of one task, and their advantages (AgeMem, eq. 5, alg. 2). Pure. Leaves out running a
 * rollout (`rollout.ts`).
 */
import {
  type AdvantageOptions,
  type AdvantagePreset,
  advantagesOf,
  type GroupAdvantages,
  withStepAdvantages,
} from "../grpo.js";
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
  /** Ordered by index. */
  rollouts: RolloutResult[];
  advantages: GroupAdvantages;
}

/** What stays in memory of a group once its rollouts are handed over. */
export interface GroupSummary {
  taskId: string;
  groupId: string;
  /** In the order of the rollouts, like the advantages. */
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

/** Id of a task's group. */
export function groupIdOf(
  taskId: string,
  { runName, seed, k }: Pick<RolloutSettings, "runName" | "seed" | "k">,
): string {
  return `g${shortHash(JSON.stringify([runName, seed, k, taskId]), 12)}`;
}

/** Ids and seeds of a task's K rollouts. The same task, run name, seed and K give the same ones. */
export function groupIdentities(task: MemoryTask, settings: RolloutSettings): RolloutIdentity[] {
  const groupId = groupIdOf(task.id, settings);
  return Array.from({ length: settings.k }, (_, index) => ({
    taskId: task.id,
    groupId,
    rolloutId: `${groupId}-r${index}`,
    index,
    seed: `${settings.seed}/${task.id}/${index}`,
  }));
}

/**
 * Adds the group's advantages to its trajectories. Unscored rollouts keep null and do not count in mean and deviation.
 */
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
      steps: withStepAdvantages(records[i] as RolloutResult["trajectory"], rollout.steps),
      trajectory: records[i] as RolloutResult["trajectory"],
    })),
  };
}
