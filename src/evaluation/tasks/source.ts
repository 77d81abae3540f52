/**
 * Loads tasks by the source given on the command line: a file in some format, or a generator.
 *
 * Owns the names of sources, and padding after loading. Leaves out the formats (`datasets/`).
 */
import { existsSync } from "node:fs";
import { InputError } from "../../errors.js";
import type { MemoryTask } from "../../types.js";
import { loadHotpotQa } from "../datasets/hotpotqa.js";
import { loadJsonlTasks } from "../datasets/jsonl-tasks.js";
import { loadLocomo } from "../datasets/locomo.js";
import { generateCurriculum, withContradictions } from "./curriculum.js";
import { loadFactConsolidationTasks } from "./factconsolidation-tasks.js";
import { padDistractors } from "./padding.js";
import { generateTasks, type TaskShape } from "./synthetic.js";

/** For help texts. */
export const TASK_SOURCES =
  "hotpotqa:FILE, locomo:FILE, jsonl:FILE, synthetic:N[:DIFFICULTY][:hops=1,changes=1,distractors=2,talk=0], curriculum:N[:changes=3,distractors=10,words=330,facts=2], curriculum:hotpotqa:FILE, factconsolidation:FILE, or a file by its ending";

/** Options of {@link loadTasks}. */
interface TaskSourceOptions {
  limit?: number;
  /** Seed for shuffling and for the generator. Default 0. */
  seed?: number | string;
  /** Fills the distractors of each task up to this number, with passages of other tasks. Default: no filling. */
  padTo?: number;
  /** Called with a line for each oddity in the data. */
  onNotice?: (line: string) => void;
}

/**
 * Loads tasks. Without a prefix, `.jsonl` files hold your own tasks, and other files HotpotQA.
 *
 * @throws InputError `AGEMEM_INPUT_ARGUMENT` for an unknown source; as the loaders for their files
 * @example
 * const tasks = await loadTasks("synthetic:100:0.5", { seed: 1 });
 */
export async function loadTasks(source: string, options: TaskSourceOptions = {}): Promise<MemoryTask[]> {
  const tasks = await read(source, options);
  const { padTo, seed = 0 } = options;
  return padTo === undefined ? tasks : padDistractors(tasks, { size: padTo, seed });
}

async function read(source: string, options: TaskSourceOptions): Promise<MemoryTask[]> {
  const { seed = 0, limit, onNotice } = options;
  const most = limit === undefined ? {} : { limit };
  const named = /^(hotpotqa|locomo|jsonl|synthetic|curriculum|factconsolidation):(.+)$/.exec(source);
  if (!named && /^[a-z]+:/.test(source) && !existsSync(source)) {
    throw new InputError("AGEMEM_INPUT_ARGUMENT", `There is no task source ${source}`, {
      remedy: `Give ${TASK_SOURCES}.`,
    });
  }
  const kind = named?.[1] ?? (/\.(jsonl|ndjson)$/i.test(source) ? "jsonl" : "hotpotqa");
  const rest = named?.[2] ?? source;
  const told = onNotice && {
    onNotice: ({ taskId, message }: { taskId: string; message: string }) => onNotice(`${taskId}: ${message}`),
  };
  switch (kind) {
    case "hotpotqa":
      return loadHotpotQa(rest, { seed, ...most, ...told });
    case "locomo":
      return loadLocomo(rest, { seed, ...most, ...told });
    case "jsonl":
      return loadJsonlTasks(rest, most);
    case "curriculum":
      return curriculum(rest, options);
    case "factconsolidation":
      return loadFactConsolidationTasks(rest, limit);
    default:
      return synthetic(rest, options);
  }
}

/** A number of generated tasks, or those of a file with a fact that goes out of date. */
async function curriculum(text: string, { seed = 0, limit }: TaskSourceOptions): Promise<MemoryTask[]> {
  const most = limit ?? Number.POSITIVE_INFINITY;
  const path = /^hotpotqa:(.+)$/.exec(text)?.[1];
  if (path !== undefined) return withContradictions(await loadHotpotQa(path, { seed }), seed).slice(0, most);
  const [, count, shape] = /^(\d+)(?::((?:,?(?:changes|distractors|words|facts)=\d+)+))?$/.exec(text) ?? [];
  if (count !== undefined) {
    const shaped = shape === undefined ? {} : { shape: readShape(shape) };
    return generateCurriculum({ count: Math.min(Number(count), most), seed, ...shaped });
  }
  throw new InputError(
    "AGEMEM_INPUT_ARGUMENT",
    `curriculum:${text} is neither curriculum:N nor curriculum:hotpotqa:FILE`,
    {
      remedy: "Give a number of tasks, such as curriculum:100, or HotpotQA rows to change.",
    },
  );
}

function synthetic(text: string, { seed = 0, limit }: TaskSourceOptions): MemoryTask[] {
  const [, count, difficulty, shape] =
    /^(\d+)(?::(0|1|0?\.\d+|1\.0+))?(?::((?:,?(?:hops|changes|distractors|talk)=\d+)+))?$/.exec(text) ?? [];
  if (count === undefined) {
    throw new InputError(
      "AGEMEM_INPUT_ARGUMENT",
      `synthetic:${text} is not synthetic:N or synthetic:N:DIFFICULTY`,
      {
        remedy:
          "Give a number of tasks and a difficulty from 0 to 1, such as synthetic:100:0.5, or single figures, such as synthetic:100:0.5:hops=1.",
      },
    );
  }
  return generateTasks({
    count: Math.min(Number(count), limit ?? Number.POSITIVE_INFINITY),
    seed,
    ...(difficulty === undefined ? {} : { difficulty: Number(difficulty) }),
    ...(shape === undefined ? {} : { shape: readShape(shape) as Partial<TaskShape> }),
  });
}

/** "hops=1,changes=1" */
function readShape(text: string): Record<string, number> {
  const figures = text.split(",").map((part) => part.split("="));
  return Object.fromEntries(figures.map(([name, value]) => [name, Number(value)]));
}
