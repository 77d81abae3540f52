/**
 * Runs episodes of any kind in parallel, each once, and writes them as they end.
 *
 * Owns what is skipped on resuming and what a failure does: it becomes the episode's error, and the run goes on. Leaves out how
 * an episode is played (`memory-episodes.ts`, environments).
 */
import pLimit from "p-limit";
import { AgeMemError, messageOf } from "../../errors.js";
import { EVALUATION_SCHEMA, type EvaluationEpisode, episodeKey, type ObservedRecord } from "./record.js";
import { ResultsFile } from "./results-file.js";

/** What an episode came to. */
export type EpisodeOutcome = Pick<
  EvaluationEpisode,
  "metrics" | "answer" | "recalled" | "recalled_tokens" | "policy" | "auxiliary" | "operations"
> & {
  /** For a player that reports failures in place of throwing them. */
  error?: EvaluationEpisode["error"];
};

/** One episode of a batch. */
export interface PlannedEpisode {
  task: string;
  category: string;
  play(signal?: AbortSignal): Promise<EpisodeOutcome>;
}

/** Episodes that share something that has to be made first, such as a memory that was shown a conversation. */
export interface EpisodeBatch {
  suite: string;
  system: string;
  seed: number;
  case: string;
  episodes: readonly PlannedEpisode[];
  /** Called before the first episode that is still to be played; a failure fails all of them. */
  begin?(): Promise<
    Omit<ObservedRecord, "schema" | "type" | "suite" | "system" | "seed" | "case" | "latency_ms">
  >;
  end?(): Promise<void>;
}

/** Options of {@link runEvaluation}. */
export interface EvaluationRun {
  /** Results go here; a file of the same settings is gone on with. */
  out: string;
  /** Everything that changes results. */
  settings: Record<string, unknown>;
  /** Batches at once; default 1. */
  concurrency?: number;
  signal?: AbortSignal;
  onEpisode?: (record: EvaluationEpisode) => void;
}

/**
 * Plays what is not in the file yet.
 *
 * @returns how many episodes were played, were there already, and failed
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
  const running = batches.map((batch) =>
    limit(async () => {
      run.signal?.throwIfAborted();
      const isDone = ({ task }: PlannedEpisode): boolean => file.done.has(episodeKey({ ...batch, task }));
      const missing = batch.episodes.filter((episode) => !isDone(episode));
      counts.found += batch.episodes.length - missing.length;
      if (missing.length > 0) await playBatch(batch, missing, file, tell, run.signal);
    }),
  );
  try {
    await Promise.all(running);
  } finally {
    // After a failure nothing new is begun, and what is under way must not write to a closed file.
    limit.clearQueue();
    await file.close();
  }
  return counts;
}

async function playBatch(
  batch: EpisodeBatch,
  missing: readonly PlannedEpisode[],
  file: ResultsFile,
  tell: (record: EvaluationEpisode) => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { suite, system, seed } = batch;
  const place = { schema: EVALUATION_SCHEMA, suite, system, seed, case: batch.case } as const;
  const started = Date.now();
  try {
    const broken = await failureOf(async () => {
      const observed = await batch.begin?.();
      if (observed)
        await file.append({ ...place, type: "observed", ...observed, latency_ms: Date.now() - started });
    }, signal);
    for (const { task, category, play } of missing) {
      signal?.throwIfAborted();
      const begun = Date.now();
      let outcome: EpisodeOutcome = FAILED;
      const error =
        broken ??
        (await failureOf(async () => {
          outcome = await play(signal);
        }, signal));
      const latency_ms = Date.now() - begun;
      await tell({
        ...place,
        type: "episode",
        task,
        category,
        latency_ms,
        ...outcome,
        error: outcome.error ?? error,
      });
    }
  } finally {
    await batch.end?.();
  }
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

/** What went wrong, as a record has it; an abortion is thrown. */
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
