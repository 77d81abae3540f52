/**
 * Your own tasks: a JSONL file of `{context, distractors, question, answer}`.
 *
 * `context` and `distractors` are lists of texts or of `{title, text}`. Optional: `id`, `gold_facts`, `metadata`.
 */
import { InputError } from "../../errors.js";
import { readJsonl } from "../../lib/jsonl.js";
import { taskRow, toTask } from "../../rollout/task-row.js";
import type { MemoryTask } from "../../types.js";
import { formatError } from "./format-error.js";

const fileRow = taskRow.partial({ id: true });

/**
 * Reads tasks from JSON Lines. A task without an `id` is named after its row: `row-0`.
 *
 * @param options.limit most tasks to load; default: all
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
    const parsed = fileRow.safeParse(value);
    if (!parsed.success) throw formatError(path, row, parsed.error);
    const { id = `row-${row}`, ...rest } = parsed.data;
    if (seen.has(id)) throw duplicate(path, row, id);
    seen.add(id);
    tasks.push(toTask({ ...rest, id }));
    row++;
  }
  return tasks;
}

function duplicate(path: string, row: number, id: string): InputError {
  return new InputError("AGEMEM_INPUT_FORMAT", `${path}, row ${row}, field id: "${id}" occurs twice`, {
    remedy: "Give each task a different id.",
    details: { path, row, field: "id" },
  });
}
