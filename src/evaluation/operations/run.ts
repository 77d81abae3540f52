/**
 * Runs a model over many situations and writes each verdict as a line of JSON, so that an interrupted run can be
 * resumed.
 *
 * Owns the file's schema and what is skipped when resuming. Leaves out statistics (`report.ts`).
 */
import { existsSync } from "node:fs";
import type { BaseStore } from "@langchain/langgraph";
import pLimit from "p-limit";
import { z } from "zod";
import { InputError } from "../../errors.js";
import { JsonlWriter, readJsonl } from "../../lib/jsonl.js";
import { askForDecision, type Decided, type Subject } from "./decide.js";
import { grade, rightMoveOf } from "./grade.js";
import { type OperationSituation, SITUATION_KINDS, type SituationKind } from "./situation.js";

const kinds = Object.keys(SITUATION_KINDS) as [SituationKind, ...SituationKind[]];

/** One line of the file: the situation, the subject, the decision and its cost. */
export const operationResult = z.object({
  schema: z.literal("agemem.operations/1"),
  /** Names model, protocol and prompt, because a file may hold lines of several subjects. */
  subject: z.string(),
  situation: z.string(),
  kind: z.enum(kinds),
  split: z.enum(["dev", "test"]),
  /** The first right move. */
  wanted: z.string(),
  move: z.string(),
  valid: z.boolean(),
  right_operation: z.boolean(),
  right_arguments: z.boolean(),
  /** The model's first response. */
  response: z.string(),
  format_error: z.string().nullable(),
  model_calls: z.number().int(),
  prompt_tokens: z.number().int().nullable(),
  response_tokens: z.number().int().nullable(),
  latency_ms: z.number(),
});
export type SituationResult = z.infer<typeof operationResult>;

/** Options of {@link runSituations}. */
export interface SituationRun {
  /** Name of the subject in the results. */
  name: string;
  /** Holds the memories of the situations. */
  store: BaseStore;
  /** File to append results to. Situations that it has for this subject are skipped. */
  out?: string;
  /** Concurrent situations; default 1. */
  concurrency?: number;
  signal?: AbortSignal;
  onResult?: (result: SituationResult) => void;
}

/**
 * Returns every situation's result, in the order of the situations.
 *
 * @throws InputError `AGEMEM_INPUT_FORMAT` when `out` holds something else; ModelError when the model fails (earlier
 * results are in the file)
 * @example
 * const results = await runSituations(makeSituations({ split: "test" }), { model }, { name: "rules", store });
 */
export async function runSituations(
  situations: readonly OperationSituation[],
  subject: Subject,
  run: SituationRun,
): Promise<SituationResult[]> {
  const { name, out, store, signal, onResult } = run;
  const before = out && existsSync(out) ? await readResults(out) : [];
  const known = new Map(
    before.filter((result) => result.subject === name).map((result) => [result.situation, result]),
  );
  const writer = out ? await JsonlWriter.open(out) : undefined;
  const limit = pLimit(run.concurrency ?? 1);
  try {
    return await Promise.all(
      situations.map((situation) =>
        limit(async () => {
          const done = known.get(situation.id);
          if (done) return done;
          signal?.throwIfAborted();
          const result = toResult(name, situation, await askForDecision(situation, subject, store));
          await writer?.append([result]);
          onResult?.(result);
          return result;
        }),
      ),
    );
  } finally {
    // After a failure, start nothing new.
    limit.clearQueue();
    await writer?.close();
  }
}

/** Reads a file of results. Errors: `AGEMEM_INPUT_FILE`, `AGEMEM_INPUT_FORMAT` with the line. */
export async function readResults(path: string): Promise<SituationResult[]> {
  const results: SituationResult[] = [];
  for await (const { line, value } of readJsonl(path)) {
    const parsed = operationResult.safeParse(value);
    if (!parsed.success) {
      throw new InputError("AGEMEM_INPUT_FORMAT", `${path}:${line} is not a result of the operations test`, {
        remedy: "Give a file that agemem evaluate operations wrote, or another name.",
        details: { path, line },
      });
    }
    results.push(parsed.data);
  }
  return results;
}

function toResult(subject: string, situation: OperationSituation, decided: Decided): SituationResult {
  const verdict = grade(situation, decided);
  return {
    schema: "agemem.operations/1",
    subject,
    situation: situation.id,
    kind: situation.kind,
    split: situation.split,
    wanted: rightMoveOf(situation),
    move: verdict.move,
    valid: verdict.valid,
    right_operation: verdict.rightOperation,
    right_arguments: verdict.rightArguments,
    response: decided.first,
    format_error: decided.formatError ?? null,
    model_calls: decided.modelCalls,
    prompt_tokens: decided.promptTokens,
    response_tokens: decided.responseTokens,
    latency_ms: decided.latencyMs,
  };
}
