/**
 * HotpotQA (distractor setting) as memory tasks: supporting paragraphs are told in stage 1, the others distract in
 * stage 2 (AgeMem, section 4.1).
 *
 * Reads the official schema and the row form of Hugging Face `datasets`. Owns parsing and cleaning; downloads nothing.
 */
import { z } from "zod";
import { InputError } from "../../errors.js";
import { readJson, readJsonl } from "../../lib/jsonl.js";
import { createRandom } from "../../lib/random.js";
import { collapseSpace } from "../../text/text.js";
import type { MemoryTask, Passage } from "../../types.js";
import { formatError } from "./format-error.js";

/** Options of {@link loadHotpotQa}. */
export interface HotpotQaOptions {
  /** Most tasks to load, from the start of the file. Default: all. */
  limit?: number;
  /** Seed of the order of distractors; each task has its own order. Default 0. */
  seed?: number | string;
  /** Called for each oddity that was worked around, such as a supporting sentence that does not exist. */
  onNotice?: (notice: DataNotice) => void;
}

/** An oddity in the data that does not stop loading. */
export interface DataNotice {
  /** Position in the file, counted from 0. */
  row: number;
  taskId: string;
  message: string;
}

const paragraph = z.tuple([z.string(), z.array(z.string())]);
const fact = z.tuple([z.string(), z.int()]);
const base = {
  _id: z.string().optional(),
  id: z.string().optional(),
  question: z.string().min(1),
  answer: z.string(),
  type: z.string().optional(),
  level: z.string().optional(),
};
const officialRow = z.object({ ...base, context: z.array(paragraph), supporting_facts: z.array(fact) });
const columnRow = z.object({
  ...base,
  context: z.object({ title: z.array(z.string()), sentences: z.array(z.array(z.string())) }),
  supporting_facts: z.object({ title: z.array(z.string()), sent_id: z.array(z.int()) }),
});
type Row = z.infer<typeof officialRow>;

/**
 * Reads a HotpotQA file: a `.json` array, `.jsonl`, or `{rows: [{row}]}` of the datasets server.
 *
 * A supporting sentence that does not exist is left out of `goldFacts`, but its paragraph stays. A row without any of
 * its supporting paragraphs (which occurs in the fullwiki setting) is skipped. Both are reported to `onNotice`, and the
 * first is kept in `metadata.notices`.
 *
 * @throws InputError `AGEMEM_INPUT_FILE`; `AGEMEM_INPUT_FORMAT` with path, row and field
 * @example
 * const tasks = await loadHotpotQa("hotpotqa_train.json", { limit: 5, seed: 1 });
 */
export async function loadHotpotQa(path: string, options: HotpotQaOptions = {}): Promise<MemoryTask[]> {
  const limit = options.limit ?? Number.POSITIVE_INFINITY;
  const tasks: MemoryTask[] = [];
  let row = 0;
  for await (const value of rowsOf(path)) {
    if (tasks.length >= limit) break;
    const task = toTask(parseRow(value, path, row), row, options);
    if (task) tasks.push(task);
    row++;
  }
  if (tasks.length === 0 && limit > 0) {
    throw new InputError("AGEMEM_INPUT_FORMAT", `${path} holds no usable HotpotQA row`, {
      remedy: "Give a file of the distractor setting, with context and supporting_facts.",
      details: { path, rows: row },
    });
  }
  return tasks;
}

async function* rowsOf(path: string): AsyncGenerator<unknown> {
  if (/\.(jsonl|ndjson)$/i.test(path)) {
    for await (const { value } of readJsonl(path)) yield value;
    return;
  }
  const data = await readJson(path);
  if (Array.isArray(data)) {
    yield* data;
    return;
  }
  const served = z.object({ rows: z.array(z.object({ row: z.unknown() })) }).safeParse(data);
  if (!served.success) {
    throw new InputError("AGEMEM_INPUT_FORMAT", `${path} is not a JSON array of HotpotQA rows`, {
      remedy: "Give the official JSON file, or rows of Hugging Face's hotpot_qa as JSON or JSONL.",
      details: { path },
    });
  }
  for (const { row } of served.data.rows) yield row;
}

/** Checks a row of either form and converts it to the official form. */
function parseRow(value: unknown, path: string, row: number): Row {
  const columns =
    typeof value === "object" && value !== null && "context" in value && !Array.isArray(value.context);
  if (!columns) {
    const parsed = officialRow.safeParse(value);
    if (!parsed.success) throw formatError(path, row, parsed.error);
    return parsed.data;
  }
  const parsed = columnRow.safeParse(value);
  if (!parsed.success) throw formatError(path, row, parsed.error);
  const { context, supporting_facts, ...rest } = parsed.data;
  return {
    ...rest,
    context: context.title.map((title, i) => [title, context.sentences[i] ?? []]),
    supporting_facts: supporting_facts.title.map((title, i) => [title, supporting_facts.sent_id[i] ?? -1]),
  };
}

function toTask(row: Row, index: number, options: HotpotQaOptions): MemoryTask | undefined {
  const id = row._id ?? row.id ?? `row-${index}`;
  const notices: string[] = [];
  const notice = (message: string): void => {
    notices.push(message);
    options.onNotice?.({ row: index, taskId: id, message });
  };
  const supporting = new Set<string>();
  const goldFacts: string[] = [];
  for (const [title, sentence] of row.supporting_facts) {
    const found = row.context.find(([name]) => name === title);
    if (!found) {
      notice(`supporting paragraph "${title}" is not in the context`);
      continue;
    }
    supporting.add(title);
    const text = collapseSpace(found[1][sentence] ?? "");
    if (text) goldFacts.push(text);
    else notice(`supporting sentence ${sentence} of "${title}" does not exist`);
  }
  if (supporting.size === 0) {
    notice("skipped: none of its supporting paragraphs is in the context");
    return undefined;
  }
  if (row.context.length !== 10) notice(`has ${row.context.length} paragraphs instead of 10`);
  const distractors = row.context.filter(([title]) => !supporting.has(title)).map(toPassage);
  return {
    id,
    question: collapseSpace(row.question),
    answer: collapseSpace(row.answer),
    context: row.context.filter(([title]) => supporting.has(title)).map(toPassage),
    distractors: createRandom(`${options.seed ?? 0}/${id}`).shuffle(distractors),
    goldFacts,
    metadata: {
      dataset: "hotpotqa",
      row: index,
      ...(row.type === undefined ? {} : { type: row.type }),
      ...(row.level === undefined ? {} : { level: row.level }),
      ...(notices.length === 0 ? {} : { notices }),
    },
  };
}

function toPassage([title, sentences]: [string, string[]]): Passage {
  return { title, text: collapseSpace(sentences.join(" ")) };
}
