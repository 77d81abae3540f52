/**
 * A task as JSON: one line of a task file, or one task of a request to the rollout service. Names are snake_case.
 *
 * Owns the schema and the conversion to and from {@link MemoryTask}. Leaves out files
 * (`evaluation/datasets/jsonl-tasks.ts`) and the rest of the request (`service/request.ts`).
 */
import { z } from "zod";
import type { MemoryTask } from "../types.js";

/** A text, with or without a title. */
const passage = z.union([
  z
    .string()
    .min(1)
    .transform((text) => ({ title: "", text })),
  z.object({ title: z.string().default(""), text: z.string().min(1) }),
]);

export const taskRow = z.object({
  id: z.string().min(1),
  question: z.string().min(1),
  answer: z.string(),
  context: z.array(passage).min(1),
  distractors: z.array(passage).default([]),
  gold_facts: z.array(z.string()).default([]),
  outdated_facts: z.array(z.string()).default([]),
  metadata: z.record(z.string(), z.unknown()).default({}),
});

/** A parsed row. */
type TaskRow = z.infer<typeof taskRow>;

/** Converts a row to a task. */
export function toTask({ gold_facts: goldFacts, outdated_facts: outdated, ...row }: TaskRow): MemoryTask {
  return { ...row, goldFacts, ...(outdated.length > 0 ? { outdatedFacts: outdated } : {}) };
}

/**
 * Converts a task to a row.
 *
 * @example
 * const line = JSON.stringify(toTaskRow(task)); // one line of a file that `jsonl:FILE` reads
 */
export function toTaskRow({ goldFacts, outdatedFacts = [], ...task }: MemoryTask): TaskRow {
  return { ...task, gold_facts: goldFacts, outdated_facts: outdatedFacts };
}
