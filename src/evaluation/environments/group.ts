/**
 * A group of K episodes of one environment task, for a trainer: each has its own fork of long-term memory and a
 * recording, is rewarded by the environment, and gets the group's advantages (AgeMem, eq. 5).
 *
 * The reward is success (1 or 0) or progress (0 to 1), without a judge. A failed episode is recorded with its error and
 * does not count in the group. All steps are of stage 3, because the agent acts on the task with both memories. The
 * environment's steps are in the record's metadata. Leaves out three-stage rollouts of memory tasks (`rollout/`).
 */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import type { AdvantageOptions, AdvantagePreset } from "../../grpo.js";
import { shortHash } from "../../lib/hash.js";
import { finishGroup, type GroupResult } from "../../rollout/group.js";
import type { Rollout } from "../../trajectory/file.js";
import { TrajectoryRecorder } from "../../trajectory/recorder.js";
import { summaryRecord } from "../../trajectory/summary-record.js";
import { METADATA, type VersionedStore } from "../../types.js";
import { type AgentActorOptions, agentActor } from "./actors/agent.js";
import { type EpisodeResult, playEpisode } from "./episode.js";
import type { EnvironmentTask, TaskEnvironment } from "./task-environment.js";

/** How an episode is rewarded. */
export type EnvironmentReward = "success" | "progress";

/** Options of {@link rolloutEnvironment}. */
export interface EnvironmentGroupOptions {
  environment: TaskEnvironment;
  task: EnvironmentTask;
  /** Makes the policy of an episode. */
  policy: (episode: { index: number; seed: string }) => BaseChatModel;
  /** What the forks start from; it is not changed. */
  store: VersionedStore;
  /** Episodes of the group; default 8. */
  k?: number;
  /** Default "progress". */
  reward?: EnvironmentReward;
  /** Default 0. */
  seed?: number | string;
  /** Actions per episode; default 30. */
  maxSteps?: number;
  /** Further options of the agent, such as `budget`, `protocol` and `summarizer`. */
  agent?: Omit<AgentActorOptions, "model" | "store" | "run" | "runKey">;
  /** How advantages are computed; default: as for rollouts. */
  advantages?: AdvantageOptions | AdvantagePreset;
  signal?: AbortSignal;
}

/**
 * Plays and scores the group, one episode after the other.
 *
 * @throws the reason of `signal`; StoreError when long-term memory cannot be forked
 * @example
 * const { rollouts } = await rolloutEnvironment({ environment, task, policy: () => model, store, k: 4 });
 */
export async function rolloutEnvironment(options: EnvironmentGroupOptions): Promise<GroupResult> {
  const { task, k = 8, seed = 0 } = options;
  const groupId = `e${shortHash(JSON.stringify([seed, k, task.id]), 12)}`;
  const rollouts: Rollout[] = [];
  for (let index = 0; index < k; index++) rollouts.push(await oneEpisode(options, groupId, index, k, seed));
  return finishGroup(rollouts, options.advantages);
}

async function oneEpisode(
  options: EnvironmentGroupOptions,
  groupId: string,
  index: number,
  k: number,
  seed: number | string,
): Promise<Rollout> {
  const { environment, task, store, agent = {}, maxSteps, signal } = options;
  const started = new Date();
  const rolloutId = `${groupId}-r${index}`;
  const recorder = new TrajectoryRecorder(agent.counter ? { counter: agent.counter } : {});
  const fork = await store.fork(rolloutId);
  try {
    const metadata = {
      [METADATA.stage]: 3,
      [METADATA.taskId]: task.id,
      [METADATA.groupId]: groupId,
      [METADATA.rolloutId]: rolloutId,
      [METADATA.rolloutIndex]: index,
    };
    const actor = agentActor({
      ...agent,
      model: options.policy({ index, seed: `${seed}/${task.id}/${index}` }),
      store: fork,
      run: { callbacks: [recorder], metadata },
      runKey: rolloutId,
    });
    const episode = await playEpisode({
      environment,
      task,
      actor,
      ...(maxSteps === undefined ? {} : { maxSteps }),
      ...(signal ? { signal } : {}),
    });
    const steps = recorder.take(rolloutId);
    const { branch, revision } = fork.version();
    const trajectory = summaryRecord(steps, {
      task_id: task.id,
      group_id: groupId,
      rollout_id: rolloutId,
      rollout_index: index,
      k,
      ...scored(episode, options.reward ?? "progress"),
      branch,
      revision,
      metadata: { environment: environment.name, ended: episode.ended, environment_steps: episode.steps },
      ts: started.toISOString(),
      latency_ms: episode.latencyMs,
    });
    return { steps, trajectory };
  } finally {
    await fork.discard();
  }
}

function scored({ error, success, progress }: EpisodeResult, reward: EnvironmentReward) {
  if (error) return { status: "error" as const, error };
  const value = reward === "success" ? Number(success) : progress;
  return { status: "ok" as const, reward: value, reward_parts: { success: Number(success), progress } };
}
