/**
 * LoCoMo: long conversations between two people, and questions with the turns that hold the answer.
 *
 * Owns turning a question into a task: stretches of the conversation with its evidence are the context, other stretches
 * the distractors. Evidence in the file is untidy ("D8:6; D9:17", "D"); whatever can be read is used.
 */
import { z } from "zod";
import { InputError } from "../../errors.js";
import { readJson } from "../../lib/jsonl.js";
import { createRandom } from "../../lib/random.js";
import { collapseSpace } from "../../text/text.js";
import type { MemoryTask, Passage } from "../../types.js";
import { formatError } from "./format-error.js";
import type { DataNotice } from "./hotpotqa.js";

/** Options of {@link loadLocomo}. */
export interface LocomoOptions {
  /** Most tasks to load, from the start of the file. Default: all. */
  limit?: number;
  /** Turns of conversation per passage. Default 6. */
  turns?: number;
  /** Distractors per task. Default 8. */
  distractors?: number;
  /** Includes questions that the conversation does not answer (category 5); their A_q is "not mentioned". */
  unanswerable?: boolean;
  /** Seed for choosing distractors. Default 0. */
  seed?: number | string;
  onNotice?: (notice: DataNotice) => void;
}

const turn = z.object({
  speaker: z.string(),
  dia_id: z.string(),
  text: z.string(),
  blip_caption: z.string().optional(),
});
const question = z.object({
  question: z.string(),
  answer: z.union([z.string(), z.number()]).optional(),
  evidence: z.array(z.string()).default([]),
  category: z.int(),
});
const conversation = z.object({
  sample_id: z.string().optional(),
  conversation: z.record(z.string(), z.unknown()),
  qa: z.array(question),
});
type Question = z.infer<typeof question>;

/** Names of the categories, by their number in the dataset. */
const CATEGORIES = ["", "multi-hop", "temporal", "open-domain", "single-hop", "adversarial"];

/** A stretch of one session. */
interface Stretch {
  passage: Passage;
  /** What was said, by id of the turn. */
  said: Map<string, string>;
}

/**
 * Reads `locomo10.json` or a part of it.
 *
 * A question without any of its evidence in the conversation is skipped and reported to `onNotice`.
 *
 * @throws InputError `AGEMEM_INPUT_FILE`; `AGEMEM_INPUT_FORMAT` with path, row and field
 * @example
 * const tasks = await loadLocomo("locomo10.json", { limit: 100, seed: 1 });
 */
export async function loadLocomo(path: string, options: LocomoOptions = {}): Promise<MemoryTask[]> {
  const data = await readJson(path);
  if (!Array.isArray(data)) {
    throw new InputError("AGEMEM_INPUT_FORMAT", `${path} is not a JSON array of LoCoMo conversations`, {
      remedy: "Give locomo10.json, or a part of its list.",
      details: { path },
    });
  }
  const tasks: MemoryTask[] = [];
  for (const [row, value] of data.entries()) {
    const parsed = conversation.safeParse(value);
    if (!parsed.success) throw formatError(path, row, parsed.error);
    const name = parsed.data.sample_id ?? `conversation-${row}`;
    const stretches = stretchesOf(parsed.data.conversation, options.turns ?? 6, (error) =>
      formatError(path, row, error),
    );
    for (const [i, asked] of parsed.data.qa.entries()) {
      if (tasks.length >= (options.limit ?? Number.POSITIVE_INFINITY)) return tasks;
      const task = toTask(asked, `${name}-q${i}`, stretches, options);
      if (typeof task === "string") options.onNotice?.({ row, taskId: `${name}-q${i}`, message: task });
      else if (task) tasks.push({ ...task, metadata: { ...task.metadata, conversation: name } });
    }
  }
  return tasks;
}

function stretchesOf(
  fields: Record<string, unknown>,
  turns: number,
  fail: (error: z.ZodError) => InputError,
): Stretch[] {
  const numbers = Object.keys(fields).flatMap((key) => /^session_(\d+)$/.exec(key)?.[1] ?? []);
  return numbers
    .map(Number)
    .sort((a, b) => a - b)
    .flatMap((number) => {
      const parsed = z.array(turn).safeParse(fields[`session_${number}`]);
      if (!parsed.success) throw fail(parsed.error);
      const date = fields[`session_${number}_date_time`];
      const title = typeof date === "string" ? `Conversation at ${date}` : `Conversation ${number}`;
      return cut(parsed.data, turns).map((part) => toStretch(title, part));
    });
}

function toStretch(title: string, turns: z.infer<typeof turn>[]): Stretch {
  const said = new Map(
    turns.map(({ speaker, dia_id, text, blip_caption: caption }) => [
      dia_id,
      `${speaker}: ${collapseSpace(text)}${caption ? ` [shows a picture: ${caption}]` : ""}`,
    ]),
  );
  return { passage: { title, text: [...said.values()].join("\n") }, said };
}

function cut<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}

/** The task; undefined for a category that is not wanted; or a text that says why the question was skipped. */
function toTask(
  asked: Question,
  id: string,
  stretches: readonly Stretch[],
  options: LocomoOptions,
): MemoryTask | string | undefined {
  const open = asked.category === 5;
  if (open && !options.unanswerable) return undefined;
  if (!open && asked.answer === undefined) return "skipped: it has no answer";
  const ids = [...new Set(asked.evidence.flatMap((text) => text.match(/D\d+:\d+/g) ?? []))];
  const evidence = ids.filter((each) => stretches.some(({ said }) => said.has(each)));
  if (evidence.length === 0) return "skipped: none of its evidence is in the conversation";
  const holds = ({ said }: Stretch): boolean => evidence.some((each) => said.has(each));
  const others = stretches.filter((stretch) => !holds(stretch)).map(({ passage }) => passage);
  const facts = evidence.flatMap(
    (each) => stretches.find(({ said }) => said.has(each))?.said.get(each) ?? [],
  );
  return {
    id,
    question: collapseSpace(asked.question),
    answer: open ? "not mentioned" : collapseSpace(String(asked.answer)),
    context: stretches.filter(holds).map(({ passage }) => passage),
    distractors: createRandom(`${options.seed ?? 0}/${id}`)
      .shuffle(others)
      .slice(0, options.distractors ?? 8),
    goldFacts: open ? [] : facts,
    metadata: { dataset: "locomo", category: CATEGORIES[asked.category] ?? String(asked.category), evidence },
  };
}
