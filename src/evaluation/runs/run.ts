/**
 * Runs episodes of any kind in parallel, each once, and writes each one as it ends.
 *
 * Owns what is skipped when resuming, and that a failure becomes the episode's error while the run continues. Leaves
 * out how an episode is played (`memory-episodes.ts`, `environments/`).
 */
import { setMaxListeners } from "node:events";
import pLimit from "p-limit";
import { AgeMemError, messageOf } from "../../errors.js";
import { type EvaluationPrice, priceOf } from "../metrics/price.js";
import type { Judgement } from "./judging.js";
import { EVALUATION_SCHEMA, type EvaluationEpisode, episodeKey, type ObservedRecord } from "./record.js";
import { ResultsFile } from "./results-file.js";

/** Result of an episode. */
export type EpisodeOutcome = Pick<
  EvaluationEpisode,
  | "metrics"
  | "answer"
  | "recalled"
  | "recalled_tokens"
  | "policy"
  | "auxiliary"
  | "operations"
  | "environment"
> & {
  /** Set by players that report failures instead of throwing them. */
  error?: EvaluationEpisode["error"];
};

/** One episode of a batch. */
export interface PlannedEpisode {
  task: string;
  category: string;
  play(signal?: AbortSignal): Promise<EpisodeOutcome>;
  /** Scores the outcome. Its time and calls are counted separately. */
  judge?(outcome: EpisodeOutcome): Promise<Judgement>;
}

/** Episodes that share something that must be made first, such as a memory that was shown a conversation. */
export interface EpisodeBatch {
  suite: string;
  system: string;
  seed: number;
  case: string;
  episodes: readonly PlannedEpisode[];
  /** Called before anything is played, with the batch's episodes that are in the file. Throws if the run cannot be continued. */
  check?(found: readonly EvaluationEpisode[]): void;
  /** Called before the first episode that is still to be played. If it fails, all of them fail. */
  begin?(
    found: readonly EvaluationEpisode[],
  ): Promise<
    | Omit<ObservedRecord, "schema" | "type" | "suite" | "system" | "seed" | "case" | "latency_ms" | "cost">
    | undefined
  >;
  end?(): Promise<void>;
}

/** Options of {@link runEvaluation}. */
export interface EvaluationRun {
  /** Results file. A file with the same settings is continued. */
  out: string;
  /** Everything that affects results. */
  settings: Record<string, unknown>;
  /** Concurrent batches; default 1. */
  concurrency?: number;
  /** Prices per million tokens of the tested model, which a system's own calls use too, and of the judge. */
  prices?: { model?: EvaluationPrice; judge?: EvaluationPrice };
  signal?: AbortSignal;
  onEpisode?: (record: EvaluationEpisode) => void;
}

/**
 * Plays the episodes that are not in the file yet.
 *
 * @returns how many episodes were played, were found in the file, and failed
 * @throws InputError as {@link ResultsFile}; the reason of `signal`
 * @example
 * await runEvaluation(batches, { out: "results.jsonl", settings: { suite: "locomo" }, concurrency: 4 });
 */
export async function runEvaluation(
  batches: readonly EpisodeBatch[],
  run: EvaluationRun,
): Promise<{ played: number; found: number; failed: number }> {
  const file = await ResultsFile.open(run.out, run.settings);
  const limit = pLimit(run.concurrency ?? 1);
  const counts = { played: 0, found: 0, failed: 0 };
  const tell = async (record: EvaluationEpisode): Promise<void> => {
    await file.append(record);
    counts.played++;
    if (record.error) counts.failed++;
    run.onEpisode?.(record);
  };
  const stop = new AbortController();
  const signal = run.signal ? AbortSignal.any([run.signal, stop.signal]) : stop.signal;
  const started: Promise<void>[] = [];
  try {
    const plans = batches.map((batch) => planOf(batch, file));
    for (const { batch, found } of plans) batch.check?.(found);
    const play = async (plan: BatchPlan): Promise<void> => {
      signal.throwIfAborted();
      counts.found += plan.found.length;
      if (plan.missing.length > 0) await playBatch(plan, file, tell, { ...run, signal });
    };
    const running = plans.map((plan) =>
      limit(() => {
        const playing = play(plan);
        started.push(playing);
        return playing;
      }),
    );
    await Promise.all(running);
  } catch (error) {
    limit.clearQueue();
    stop.abort(error);
    // The batches under way release what they hold before the run ends.
    await Promise.allSettled(started);
    throw error;
  } finally {
    await file.close();
  }
  return counts;
}

interface BatchPlan {
  batch: EpisodeBatch;
  /** In the order in which they were played. */
  found: readonly EvaluationEpisode[];
  missing: readonly PlannedEpisode[];
}

function planOf(batch: EpisodeBatch, { done }: ResultsFile): BatchPlan {
  const keyOf = ({ task }: PlannedEpisode): string => episodeKey({ ...batch, task });
  const keys = new Set(batch.episodes.map(keyOf));
  return {
    batch,
    found: [...done].flatMap(([key, episode]) => (keys.has(key) ? [episode] : [])),
    missing: batch.episodes.filter((episode) => !done.has(keyOf(episode))),
  };
}

async function playBatch(
  { batch, found, missing }: BatchPlan,
  file: ResultsFile,
  tell: (record: EvaluationEpisode) => Promise<void>,
  run: EvaluationRun,
): Promise<void> {
  const { suite, system, seed } = batch;
  const place = { schema: EVALUATION_SCHEMA, suite, system, seed, case: batch.case } as const;
  const started = Date.now();
  try {
    const broken = await failureOf(async () => {
      const observed = await batch.begin?.(found);
      if (!observed) return;
      const cost = priceOf([observed.auxiliary], run.prices?.model);
      await file.append({
        ...place,
        type: "observed",
        ...observed,
        latency_ms: Date.now() - started,
        cost,
      });
    }, run.signal);
    for (const episode of missing) {
      run.signal?.throwIfAborted();
      const { task, category } = episode;
      await tell({ ...place, type: "episode", task, category, ...(await playEpisode(episode, broken, run)) });
    }
  } finally {
    await batch.end?.();
  }
}

async function playEpisode(
  { play, judge }: PlannedEpisode,
  broken: EvaluationEpisode["error"],
  { prices, signal }: EvaluationRun,
): Promise<
  Omit<EvaluationEpisode, "schema" | "type" | "suite" | "system" | "seed" | "case" | "task" | "category">
> {
  const begun = Date.now();
  let outcome: EpisodeOutcome = FAILED;
  const thrown =
    broken ??
    (await failureOf(async () => {
      outcome = await play(signal && listenedTo(signal));
    }, signal));
  const latency_ms = Date.now() - begun;
  const error = outcome.error ?? thrown;
  const judged = error ? undefined : await judge?.(outcome);
  return {
    ...outcome,
    metrics: outcome.metrics && { ...outcome.metrics, ...judged?.metrics },
    latency_ms,
    cost: priceOf([outcome.policy, outcome.auxiliary], prices?.model),
    judge: judged ? { ...judged.judge, cost: priceOf([judged.judge], prices?.judge) } : null,
    error,
  };
}

/** The signal for one episode: each model call listens to it, and what listens ends with the episode and not with the run. */
function listenedTo(signal: AbortSignal): AbortSignal {
  const own = AbortSignal.any([signal]);
  setMaxListeners(0, own);
  return own;
}

const NO_CALL = { calls: 0, prompt_tokens: 0, response_tokens: 0 };
const FAILED: EpisodeOutcome = {
  metrics: null,
  answer: null,
  recalled: 0,
  recalled_tokens: 0,
  policy: NO_CALL,
  auxiliary: NO_CALL,
  operations: {},
};

/** The error of `work` as it is recorded; null if it succeeded. Throws only the signal's reason. */
async function failureOf(
  work: () => Promise<void>,
  signal?: AbortSignal,
): Promise<EvaluationEpisode["error"]> {
  try {
    await work();
    return null;
  } catch (error) {
    signal?.throwIfAborted();
    return { code: AgeMemError.isInstance(error) ? error.code : null, message: messageOf(error) };
  }
}
