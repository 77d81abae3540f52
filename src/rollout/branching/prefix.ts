/**
 * Counterfactual groups: one beginning that is shared, then K continuations from the same context and the same version of long-term
 * memory, so that what follows is compared with its alternatives in the same state.
 *
 * Owns the beginning and how its steps are put before those of a continuation. Leaves out scoring (`../rollout.ts`).
 */
import { createToolkit } from "../../tools/toolkit.js";
import { TrajectoryRecorder } from "../../trajectory/recorder.js";
import type { StepRecord } from "../../trajectory/schema.js";
import type { MemoryTask, StoreVersion, VersionedStore } from "../../types.js";
import { withSignal } from "../deadline.js";
import type { StageAgents } from "../driver/stage-agents.js";
import type { RolloutIdentity } from "../options.js";
import type { RolloutSettings } from "../settings.js";
import { runStagesUntil, type StageSnapshot } from "../stages.js";

/** A beginning of a rollout, from which others go on. */
export interface SharedPrefix {
  /** What went wrong in it; the rollouts that would go on from it fail with the same. */
  failure: unknown;
  snapshot: StageSnapshot | undefined;
  /** Long-term memory at that moment. */
  version: StoreVersion;
  fork: VersionedStore;
  steps: StepRecord[];
}

/**
 * Runs a task's beginning on a fork of its own: `settings.branchAt` model calls. Where the task ends before, the continuations
 * go on from the question. The caller discards the fork.
 */
export async function runPrefix(
  task: MemoryTask,
  first: RolloutIdentity,
  settings: RolloutSettings,
  agents: StageAgents,
): Promise<SharedPrefix> {
  const rolloutId = `${first.groupId}-prefix`;
  const identity = { ...first, rolloutId, seed: `${settings.seed}/${task.id}/prefix` };
  const { counter, engine, topK, searchMode } = settings;
  const recorder = new TrajectoryRecorder({ counter, ...(engine ? { engine } : {}) });
  const fork = await settings.store.fork(rolloutId);
  const kit = createToolkit({ store: fork, topK, counter, ...(searchMode ? { searchMode } : {}) });
  const agent = agents.of(settings.policy(identity), fork);
  let question: { snapshot: StageSnapshot; version: StoreVersion } | undefined;
  const onQuestion = (snapshot: StageSnapshot): void => {
    question = { snapshot, version: fork.version() };
  };
  const act = async (
    signal: AbortSignal,
  ): Promise<{ snapshot: StageSnapshot | undefined; failure: unknown }> => {
    try {
      const run = { agent, kit, task, identity, settings, callbacks: [recorder], signal };
      return { snapshot: await runStagesUntil(run, settings.branchAt ?? 0, onQuestion), failure: undefined };
    } catch (failure) {
      settings.signal?.throwIfAborted();
      return { snapshot: undefined, failure };
    }
  };
  const { snapshot, failure } = await withSignal(settings.signal, act, settings.timeoutMs);
  const steps = recorder.take(rolloutId);
  if (snapshot || failure !== undefined || !question) {
    return { failure, snapshot, version: fork.version(), fork, steps };
  }
  return { failure, ...question, fork, steps: steps.filter(({ stage }) => stage < 3) };
}

/** The steps of a continuation with those of its beginning before them, as one rollout. */
export function afterPrefix(
  prefix: SharedPrefix | undefined,
  steps: readonly StepRecord[],
  { rolloutId, index }: RolloutIdentity,
): StepRecord[] {
  if (!prefix) return [...steps];
  const shared = prefix.steps.map((step) => ({ ...step, rollout_id: rolloutId, rollout_index: index }));
  return [...shared, ...steps.map((step) => ({ ...step, step_index: step.step_index + shared.length }))];
}
