/**
 * Tasks of an environment as episodes of an evaluation.
 *
 * Owns the metrics (success, progress, grounding accuracy) and what a line keeps of an episode, by which a run with shared memory
 * is continued. Leaves out playing (`environments/`).
 */
import type { CallUsage } from "../../types.js";
import { type EpisodeResult, playEpisode } from "../environments/episode.js";
import type { MemoryScope, PlayedEpisode, Player } from "../environments/players.js";
import type { EnvironmentPool } from "../environments/pool.js";
import type { EnvironmentName, EnvironmentTask } from "../environments/task-environment.js";
import type { EvaluationEpisode } from "./record.js";
import type { EpisodeBatch, EpisodeOutcome, PlannedEpisode } from "./run.js";

/** One system on the tasks of an environment. */
export interface EnvironmentRun {
  suite: EnvironmentName;
  tasks: readonly EnvironmentTask[];
  system: string;
  seed: number;
  scope: MemoryScope;
  environments: EnvironmentPool;
  /** Makes the player of a batch. */
  player(batch: { case: string }): Player;
  /** Actions per episode. */
  maxSteps: number;
}

/** One batch per task, or one of all tasks in their order where they share memory. For `runEvaluation`. */
export function environmentBatches(run: EnvironmentRun): EpisodeBatch[] {
  if (run.scope === "per-suite") return [batchOf(run, run.suite, run.tasks)];
  return run.tasks.map((task) => batchOf(run, task.id, [task]));
}

function batchOf(run: EnvironmentRun, name: string, tasks: readonly EnvironmentTask[]): EpisodeBatch {
  const player = run.player({ case: name });
  return {
    suite: run.suite,
    system: run.system,
    seed: run.seed,
    case: name,
    check: (found) => player.check?.(found.flatMap(playedOf)),
    begin: async (found) => {
      await player.begin(found.flatMap(playedOf));
      return undefined;
    },
    episodes: tasks.map((task) => planned(run, player, task)),
    end: () => player.end(),
  };
}

function playedOf({ environment }: EvaluationEpisode): PlayedEpisode[] {
  return environment ? [environment] : [];
}

function planned(run: EnvironmentRun, player: Player, task: EnvironmentTask): PlannedEpisode {
  const { suite, system, seed, environments, maxSteps } = run;
  return {
    task: task.id,
    category: task.difficulty ?? "all",
    play: (signal) =>
      environments.use(async (environment) => {
        const actor = player.actor(`${suite}/${system}/${seed}/${task.id}`);
        const options = { environment, task, actor, maxSteps, ...(signal ? { signal } : {}) };
        return outcomeOf(await playEpisode(options), player);
      }),
  };
}

function outcomeOf(result: EpisodeResult, player: Player): EpisodeOutcome {
  const { success, progress, groundingAccuracy, error, cost, steps } = result;
  const metrics: Record<string, number> = { success: Number(success), progress };
  if (groundingAccuracy !== null) metrics.grounding_accuracy = groundingAccuracy;
  const operations: Record<string, number> = { act: steps.length };
  for (const [op, { calls, refused }] of Object.entries(cost?.operations ?? {})) {
    operations[op] = calls;
    if (refused > 0) operations[`${op} refused`] = refused;
  }
  return {
    metrics: error ? null : metrics,
    answer: null,
    recalled: cost?.recalled?.memories ?? 0,
    recalled_tokens: cost?.recalled?.tokens ?? 0,
    policy: usageOf(cost?.policy),
    auxiliary: usageOf(cost?.auxiliary),
    operations,
    environment: {
      ended: result.ended,
      turns: result.turns,
      score: result.score,
      format_errors: cost?.formatErrors ?? 0,
      start: result.start,
      steps: [...steps],
      memory: player.standing(),
    },
    ...(error ? { error } : {}),
  };
}

function usageOf(usage: CallUsage | undefined): EpisodeOutcome["policy"] {
  return {
    calls: usage?.calls ?? 0,
    prompt_tokens: usage ? usage.promptTokens : 0,
    response_tokens: usage ? usage.completionTokens : 0,
  };
}
