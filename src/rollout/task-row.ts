/**
 * A task as JSON: one line of a task file, and one task of a request to the rollout service. Names are snake_case.
 *
 * Owns the form and the way from and to {@link MemoryTask}. Leaves out files (`evaluation/datasets/jsonl-tasks.ts`)
 * and the rest of the request (`service/request.ts`).
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
  metadata: z.record(z.string(), z.unknown()).default({}),
});

/** A row that was read. */
type TaskRow = z.infer<typeof taskRow>;

/** The task of a row. */
export function toTask({ gold_facts: goldFacts, ...row }: TaskRow): MemoryTask {
  return { ...row, goldFacts };
}

/**
 * The row of a task.
 *
 * @example
 * const line = JSON.stringify(toTaskRow(task)); // a line that `jsonl:FILE` reads and the rollout service takes
 */
export function toTaskRow({ goldFacts, ...task }: MemoryTask): TaskRow {
  return { ...task, gold_facts: goldFacts };
}
