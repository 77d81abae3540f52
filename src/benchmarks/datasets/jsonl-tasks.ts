/**
 * Tasks of one's own: a JSONL file of `{context, distractors, question, answer}`.
 *
 * `context` and `distractors` are lists of texts or of `{title, text}`. Optional: `id`, `gold_facts`, `metadata`.
 */
import { z } from "zod";
import { InputError } from "../../errors.js";
import { readJsonl } from "../../lib/jsonl.js";
import type { MemoryTask, Passage } from "../../types.js";
import { formatError } from "./format-error.js";

const passage = z.union([z.string().min(1), z.object({ title: z.string(), text: z.string().min(1) })]);
const taskRow = z.object({
  id: z.string().min(1).optional(),
  question: z.string().min(1),
  answer: z.string(),
  context: z.array(passage).min(1),
  distractors: z.array(passage).default([]),
  gold_facts: z.array(z.string()).default([]),
  metadata: z.record(z.string(), z.unknown()).default({}),
});

/**
 * Reads tasks from JSON Lines. Without an `id` a task is named after its row: `row-0`.
 *
 * @param options.limit at most so many tasks. Default: all
 * @throws InputError `AGEMEM_INPUT_FILE`; `AGEMEM_INPUT_FORMAT` with path, row (from 0) and field, or for an id
 * that occurs twice
 * @example
 * const tasks = await loadJsonlTasks("tasks.jsonl");
 */
export async function loadJsonlTasks(path: string, options: { limit?: number } = {}): Promise<MemoryTask[]> {
  const tasks: MemoryTask[] = [];
  const seen = new Set<string>();
  let row = 0;
  for await (const { value } of readJsonl(path)) {
    if (tasks.length >= (options.limit ?? Number.POSITIVE_INFINITY)) break;
    const parsed = taskRow.safeParse(value);
    if (!parsed.success) throw formatError(path, row, parsed.error);
    const { id = `row-${row}`, context, distractors, gold_facts: goldFacts, ...rest } = parsed.data;
    if (seen.has(id)) throw duplicate(path, row, id);
    seen.add(id);
    tasks.push({
      ...rest,
      id,
      goldFacts,
      context: context.map(toPassage),
      distractors: distractors.map(toPassage),
    });
    row++;
  }
  return tasks;
}

function toPassage(value: string | Passage): Passage {
  return typeof value === "string" ? { title: "", text: value } : value;
}

function duplicate(path: string, row: number, id: string): InputError {
  return new InputError("AGEMEM_INPUT_FORMAT", `${path}, row ${row}, field id: "${id}" occurs twice`, {
    remedy: "Give each task an id of its own.",
    details: { path, row, field: "id" },
  });
}
