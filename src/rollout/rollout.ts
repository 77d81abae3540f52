/**
 * One rollout from fork to record: run the stages, score the recording, describe it.
 *
 * A failed rollout is data: it becomes a record with status and error and does not stop its siblings. One whose context the
 * policy let grow until the endpoint refused it is no failure: it has earned its reward, penalty included. Leaves out
 * advantages, which need the whole group (`group.ts`).
 */
import { AgeMemError, messageOf } from "../errors.js";
import { CONTEXT_REFUSED } from "../lib/context-overflow.js";
import { judgeEpisode } from "../rewards/judge.js";
import { scoreEpisode } from "../rewards/reward.js";
import { policySteps } from "../rewards/scoring.js";
import { retrievalMode } from "../tools/search/search-mode.js";
import { createToolkit } from "../tools/toolkit.js";
import type { Rollout } from "../trajectory/file.js";
import { TrajectoryRecorder } from "../trajectory/recorder.js";
import type { EpisodeRecord, StepRecord, TrajectoryRecord } from "../trajectory/schema.js";
import { summaryRecord } from "../trajectory/summary-record.js";
import type { MemoryTask, VersionedStore } from "../types.js";
import { afterPrefix, type SharedPrefix } from "./branching/prefix.js";
import { DeadlineError, withSignal } from "./deadline.js";
import { StageAgents } from "./driver/stage-agents.js";
import { collectItems } from "./items.js";
import type { RolloutIdentity } from "./options.js";
import type { RolloutSettings } from "./settings.js";
import { ROLLOUT_NAMESPACE, runStages, type StagesResult } from "./stages.js";

/** Result of one rollout: its steps and its trajectory record, which has no advantage yet. */
export type RolloutResult = Rollout;

/**
 * Runs, scores and describes one rollout on its own fork of the store, which is discarded at the end.
 *
 * @param prefix a beginning to go on from, in place of an empty context and the base store
 * @param agents the run's agents, so that rollouts share them; default: new ones
 */
export async function runRollout(
  task: MemoryTask,
  identity: RolloutIdentity,
  settings: RolloutSettings,
  agents = new StageAgents(settings),
  prefix?: SharedPrefix,
): Promise<RolloutResult> {
  const startedAt = Date.now();
  const { counter, engine } = settings;
  const recorder = new TrajectoryRecorder({ counter, ...(engine ? { engine } : {}) });
  const fork = prefix
    ? await prefix.fork.fork(identity.rolloutId, { from: prefix.version })
    : await settings.store.fork(identity.rolloutId);
  try {
    const attempted = await attempt(task, identity, settings, recorder, fork, agents, prefix);
    const steps = afterPrefix(prefix, recorder.take(identity.rolloutId), identity);
    const outcome = overflowed(attempted, steps, settings);
    const episode = await describeEpisode(task, settings, steps, outcome.stages, fork);
    const counts = outcome.status === "ok" || outcome.status === "truncated";
    const scored = counts ? await score(settings, steps, episode) : null;
    const { branch, revision } = fork.version();
    const trajectory = summaryRecord(steps, {
      task_id: task.id,
      group_id: identity.groupId,
      rollout_id: identity.rolloutId,
      rollout_index: identity.index,
      k: settings.k,
      status: outcome.status,
      error: outcome.error,
      reward: scored?.reward ?? null,
      reward_parts: scored?.parts ?? {},
      verdicts: scored?.verdicts ?? null,
      branch,
      revision,
      episode,
      metadata: {
        ...task.metadata,
        seed: identity.seed,
        judge: settings.judge.name,
        preset: settings.preset,
        ...(prefix ? { branch_at: prefix.steps.length } : {}),
        // The retrieval of stage 1 is no recorded operation, so this is the only trace of its mode.
        search_mode: retrievalMode(settings.store, settings.searchMode) ?? null,
        ...(settings.embeddingName === undefined ? {} : { embeddings: settings.embeddingName }),
        ...scored?.metadata,
      },
      ts: new Date(startedAt).toISOString(),
      latency_ms: Date.now() - startedAt,
    });
    return { steps, trajectory };
  } finally {
    await fork.discard();
  }
}

interface Outcome {
  status: TrajectoryRecord["status"];
  error: TrajectoryRecord["error"];
  stages: StagesResult;
}

async function attempt(
  task: MemoryTask,
  identity: RolloutIdentity,
  settings: RolloutSettings,
  recorder: TrajectoryRecorder,
  fork: VersionedStore,
  agents: StageAgents,
  prefix: SharedPrefix | undefined,
): Promise<Outcome> {
  const act = async (signal: AbortSignal): Promise<Outcome> => {
    try {
      if (prefix?.failure !== undefined) throw prefix.failure;
      const agent = agents.of(settings.policy(identity), fork);
      const { topK, counter, searchMode } = settings;
      const kit = createToolkit({ store: fork, topK, counter, ...(searchMode ? { searchMode } : {}) });
      const run = { agent, kit, task, identity, settings, callbacks: [recorder], signal };
      const stages = await runStages(run, prefix?.snapshot);
      return { status: "ok", error: null, stages };
    } catch (error) {
      // Canceling the whole run is not a result of this rollout.
      settings.signal?.throwIfAborted();
      return failure(error, signal);
    }
  };
  return withSignal(settings.signal, act, settings.timeoutMs);
}

/** An aborted agent may throw any error, so the signal's reason decides first. */
function failure(error: unknown, { reason }: AbortSignal): Outcome {
  const stages: StagesResult = { answer: null, rounds: [0, 0, 0] };
  if (reason instanceof DeadlineError) {
    return { status: "timeout", error: { code: null, message: reason.message }, stages };
  }
  const code = AgeMemError.isInstance(error) ? error.code : null;
  return { status: "error", error: { code, message: messageOf(error) }, stages };
}

/**
 * A rollout that ended because the endpoint refused the context as too long: "truncated" and scored, if the context was the
 * policy's doing. A refused prompt that is within T_max and without a word of the policy is the set-up's, and stays an error.
 */
function overflowed(outcome: Outcome, steps: readonly StepRecord[], { budget }: RolloutSettings): Outcome {
  const last = policySteps(steps).at(-1);
  if (outcome.status !== "error" || last?.error?.code !== CONTEXT_REFUSED) return outcome;
  const own = last.messages.some(({ role }) => role === "assistant");
  if (!own && (last.context_tokens ?? 0) <= budget.maxTokens) return outcome;
  return { ...outcome, status: "truncated", stages: { answer: null, rounds: roundsOf(steps) } };
}

/** The rounds of a rollout that was broken off, the refused one included; a response that was asked again is none. */
function roundsOf(steps: readonly StepRecord[]): StagesResult["rounds"] {
  const shown = (stage: 1 | 2) =>
    new Set(policySteps(steps).flatMap((step) => (step.stage === stage ? step.root_run_id : []))).size;
  const calls = policySteps(steps).filter(({ stage, format_error }) => stage === 3 && format_error === null);
  return [shown(1), shown(2), calls.length];
}

async function describeEpisode(
  task: MemoryTask,
  settings: RolloutSettings,
  steps: readonly StepRecord[],
  stages: StagesResult,
  fork: VersionedStore,
): Promise<EpisodeRecord> {
  return {
    question: task.question,
    gold_answer: task.answer,
    gold_facts: task.goldFacts,
    outdated_facts: task.outdatedFacts ?? [],
    answer: stages.answer,
    rounds: [...stages.rounds],
    n_max: settings.maxTurns,
    t_max: settings.budget.maxTokens,
    items: await collectItems(steps, fork, ROLLOUT_NAMESPACE),
  };
}

async function score(settings: RolloutSettings, steps: readonly StepRecord[], episode: EpisodeRecord) {
  const { verdicts, problems } = await judgeEpisode(settings.judge, { steps, episode }, settings.reward);
  const { reward, parts } = scoreEpisode({ steps, episode, verdicts }, settings.reward);
  return { reward, parts, verdicts, metadata: problems.length ? { judge_problems: problems } : {} };
}
