/**
 * One line of an evaluation's results: the settings of the run, what showing a case cost, or one episode.
 *
 * Owns the schema, published as `schemas/agemem.evaluation-1.json`. Leaves out writing (`results-file.ts`) and tables.
 */
import { z } from "zod";

export const EVALUATION_SCHEMA = "agemem.evaluation/1";

const count = z.number().nonnegative();
const usage = z.object({
  calls: count,
  /** Null where a server did not report tokens. */
  prompt_tokens: count.nullable(),
  response_tokens: count.nullable(),
  /** Tokens given to an embedding model over the network; absent for none. */
  embedding_tokens: count.optional(),
});
const failure = z.object({ code: z.string().nullable(), message: z.string() });
const judged = z.object({
  calls: count,
  prompt_tokens: count.nullable(),
  response_tokens: count.nullable(),
  latency_ms: count,
  cost: count.nullable(),
  /** Scores that it did not give, after all attempts; those are missing in `metrics`. */
  failures: z.array(failure),
});
/** Of the calls of a line, by the prices of the settings; null without prices or with tokens not reported. */
const cost = count.nullable().default(null);
const base = { schema: z.literal(EVALUATION_SCHEMA) };
const place = { ...base, suite: z.string(), system: z.string(), seed: z.number().int(), case: z.string() };

/** The first line: what has to be equal for two processes to write one file. */
export const settingsLine = z.object({
  ...base,
  type: z.literal("settings"),
  settings: z.record(z.string(), z.unknown()),
});

/** What a system did with the conversation of a case. After a resumed run there may be several; the last counts. */
export const observedLine = z.object({
  ...place,
  type: z.literal("observed"),
  messages: count,
  /** Calls of the system's own models. */
  auxiliary: usage,
  operations: z.record(z.string(), count),
  /** Memories it holds then, and their tokens. */
  stored: count,
  stored_tokens: count,
  latency_ms: count,
  cost,
});

/** One question answered, or one task of an environment played. */
export const episodeLine = z.object({
  ...place,
  type: z.literal("episode"),
  task: z.string(),
  category: z.string(),
  /** Figures by name; null in an episode that failed. */
  metrics: z.record(z.string(), z.number()).nullable(),
  answer: z.string().nullable(),
  /** Memories the model was shown, and the tokens they took. */
  recalled: count,
  recalled_tokens: count,
  /** Calls of the answering or acting model. */
  policy: usage,
  /** Calls of the system's own models, and of a summarizer. */
  auxiliary: usage,
  operations: z.record(z.string(), count),
  /** Without the judge's time. */
  latency_ms: count,
  cost,
  /** What judging took, apart from all else; null without a judge. */
  judge: judged.nullable().default(null),
  error: failure.nullable(),
});

export const evaluationLine = z.discriminatedUnion("type", [settingsLine, observedLine, episodeLine]);
export type ObservedRecord = z.infer<typeof observedLine>;
export type EvaluationEpisode = z.infer<typeof episodeLine>;
export type EvaluationRecord = z.infer<typeof evaluationLine>;

/** Which episode it is: equal keys are one episode. */
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
