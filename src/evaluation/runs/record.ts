/**
 * The lines of an evaluation's results: settings of the run, cost of showing a case, or one episode.
 *
 * Owns the schema, which is published as `schemas/agemem.evaluation-1.json`. Leaves out writing (`results-file.ts`) and
 * tables (`reporting/`).
 */
import { z } from "zod";

export const EVALUATION_SCHEMA = "agemem.evaluation/1";

const count = z.number().nonnegative();
const usage = z.object({
  calls: count,
  /** Null if a server did not report tokens. */
  prompt_tokens: count.nullable(),
  response_tokens: count.nullable(),
  /** Tokens embedded over the network; absent if there were none. */
  embedding_tokens: count.optional(),
});
const failure = z.object({ code: z.string().nullable(), message: z.string() });
const judged = z.object({
  calls: count,
  prompt_tokens: count.nullable(),
  response_tokens: count.nullable(),
  latency_ms: count,
  cost: count.nullable(),
  /** Scores that the judge did not give after all attempts; they are missing in `metrics`. */
  failures: z.array(failure),
});
/** An episode in an environment, beside its metrics. */
const environment = z.object({
  ended: z.enum(["won", "lost", "stopped", "steps", "turns", "error"]),
  turns: count,
  /** The environment's own score; null if it has none. */
  score: z.number().nullable(),
  format_errors: count,
  /** The first observation; null if the task could not be set up. */
  start: z.string().nullable(),
  steps: z.array(
    z.object({ action: z.string(), observation: z.string(), valid: z.boolean(), progress: z.number() }),
  ),
  /** Where long-term memory stood afterwards, which a continued run begins from; null without versions. */
  memory: z.object({ branch: z.string(), revision: count }).nullable(),
});
/** Cost of a line's calls by the prices of the settings; null without prices, or if tokens were not reported. */
const cost = count.nullable().default(null);
const base = { schema: z.literal(EVALUATION_SCHEMA) };
const place = { ...base, suite: z.string(), system: z.string(), seed: z.number().int(), case: z.string() };

/** The first line: settings that must be equal for a run to continue the file. */
export const settingsLine = z.object({
  ...base,
  type: z.literal("settings"),
  settings: z.record(z.string(), z.unknown()),
});

/** What a system did when it was shown a case. A resumed run may add another such line; the last one counts. */
export const observedLine = z.object({
  ...place,
  type: z.literal("observed"),
  messages: count,
  /** Calls of the system's own models. */
  auxiliary: usage,
  operations: z.record(z.string(), count),
  /** Memories that it then holds, and their tokens. */
  stored: count,
  stored_tokens: count,
  latency_ms: count,
  cost,
});

/** One answered question, or one played task of an environment. */
export const episodeLine = z.object({
  ...place,
  type: z.literal("episode"),
  task: z.string(),
  category: z.string(),
  /** Metrics by name; null in a failed episode. */
  metrics: z.record(z.string(), z.number()).nullable(),
  answer: z.string().nullable(),
  /** Memories that the model was shown, and their tokens. */
  recalled: count,
  recalled_tokens: count,
  /** Calls of the answering or acting model. */
  policy: usage,
  /** Calls of the system's own models, including a summarizer. */
  auxiliary: usage,
  operations: z.record(z.string(), count),
  /** Without the time of the judge. */
  latency_ms: count,
  cost,
  /** Cost of judging, which is not in the other fields; null without a judge. */
  judge: judged.nullable().default(null),
  error: failure.nullable(),
  environment: environment.optional(),
});

export const evaluationLine = z.discriminatedUnion("type", [settingsLine, observedLine, episodeLine]);
export type ObservedRecord = z.infer<typeof observedLine>;
export type EvaluationEpisode = z.infer<typeof episodeLine>;
export type EvaluationRecord = z.infer<typeof evaluationLine>;

/** Identifies an episode. */
export function episodeKey({
  suite,
  system,
  seed,
  task,
}: Pick<EvaluationEpisode, "suite" | "system" | "seed" | "task">) {
  return JSON.stringify([suite, system, seed, task]);
}

/** JSON Schema (draft 2020-12) of one line. */
export function evaluationJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(evaluationLine, { io: "input", target: "draft-2020-12" });
  return { $schema, $id: `${EVALUATION_SCHEMA}.json`, title: EVALUATION_SCHEMA, ...schema };
}
