/** `agemem tasks SOURCE --out FILE`: tasks of any source as a JSONL file, for trainers and for looking at them. */
import { existsSync } from "node:fs";
import { Command } from "commander";
import { InputError } from "../errors.js";
import { loadTasks, TASK_SOURCES } from "../evaluation/tasks/source.js";
import { JsonlWriter } from "../lib/jsonl.js";
import { toTaskRow } from "../rollout/task-row.js";
import { positive, wholeNumber } from "./arguments.js";

interface TasksArguments {
  out: string;
  limit?: number;
  seed: string;
  pad?: number;
}

/** The command, for the program of `main.ts`. */
export function tasksCommand(): Command {
  return new Command("tasks")
    .description("write tasks to a file: what `rollout jsonl:FILE` reads and the rollout service takes")
    .argument("<source>", `which tasks: ${TASK_SOURCES}`)
    .requiredOption("--out <file>", "JSON Lines file to make")
    .option("--limit <n>", "at most so many tasks", positive)
    .option("--seed <seed>", "seed of shuffles and of the generator", "0")
    .option("--pad <n>", "distractors per task, filled up with neighbors from other tasks", wholeNumber)
    .action(writeTasks);
}

async function writeTasks(source: string, { out, seed, limit, pad }: TasksArguments): Promise<void> {
  if (existsSync(out)) {
    throw new InputError("AGEMEM_INPUT_ARGUMENT", `${out} already exists`, {
      remedy: "Give the name of a new file.",
    });
  }
  const tasks = await loadTasks(source, {
    seed,
    ...(limit === undefined ? {} : { limit }),
    ...(pad === undefined ? {} : { padTo: pad }),
    onNotice: (notice) => console.error(notice),
  });
  const writer = await JsonlWriter.open(out);
  try {
    await writer.append(tasks.map(toTaskRow));
  } finally {
    await writer.close();
  }
  console.log(`${out}: ${tasks.length} tasks`);
}
