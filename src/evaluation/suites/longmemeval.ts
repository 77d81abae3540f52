/**
 * LongMemEval: which session, and which turn, holds the answer to a question about a long history of chats.
 *
 * Reads the official files (`longmemeval_s.json` and its variants), and a derived subset of `source_input.jsonl` and
 * `target.jsonl`, which has one session per question, mixed into haystacks of the others. The subset is not the
 * benchmark itself, and its name says so. Grades retrieval; answers need a judge, and here get only word F1.
 */
import { dirname, join } from "node:path";
import { z } from "zod";
import { readJson, readJsonl } from "../../lib/jsonl.js";
import { createRandom } from "../../lib/random.js";
import { formatError } from "../datasets/format-error.js";
import { bestF1 } from "../metrics/answers.js";
import { ndcg, recallAll, recallAny } from "../metrics/retrieval.js";
import type { ObservedMessage } from "../systems/memory-system.js";
import type { Outcome, Suite, SuiteCase, SuiteQuestion } from "./suite.js";

const message = z.object({
  role: z.enum(["user", "assistant"]),
  content: z.string(),
  has_answer: z.boolean().nullish(),
});
const official = z.object({
  question_id: z.string(),
  question_type: z.string(),
  question: z.string().min(1),
  answer: z.union([z.string(), z.number()]),
  haystack_session_ids: z.array(z.string()),
  haystack_dates: z.array(z.string()).optional(),
  haystack_sessions: z.array(z.array(message)),
  answer_session_ids: z.array(z.string()),
});
const source = z.object({ id: z.number(), messages: z.array(message) });
const target = z.object({
  id: z.number(),
  question_id: z.string(),
  question_type: z.string(),
  question: z.string().min(1),
  answer: z.union([z.string(), z.number()]),
});

/** Sessions in a haystack of the derived subset, including the one with the answer. */
const HAYSTACK = 20;

/**
 * Reads an official `.json` file, or the `source_input.jsonl` of the derived subset, with its `target.jsonl` beside it.
 *
 * @param seed for the haystacks of the derived subset
 * @throws InputError `AGEMEM_INPUT_FILE`; `AGEMEM_INPUT_FORMAT` with path, row and field
 * @example
 * const suite = await loadLongMemEval("longmemeval_s.json");
 */
export async function loadLongMemEval(path: string, seed: number | string = 0): Promise<Suite> {
  const derived = path.endsWith(".jsonl");
  return {
    name: derived ? "longmemeval-derived" : "longmemeval",
    cases: derived ? await derivedCases(path, seed) : await officialCases(path),
    k: 10,
    depth: 50,
    instruction: "",
    grade,
  };
}

/** Grades both levels. A turn's id is `SESSION#INDEX`; sessions are ranked by their best turn. */
function grade({ evidence, answers }: SuiteQuestion, { answer, memories }: Outcome): Record<string, number> {
  const sessionOf = (id: string): string => id.slice(0, id.lastIndexOf("#"));
  const sessions = [...new Set(memories.flatMap(({ sources }) => sources.map(sessionOf)))];
  const ranked = sessions.map((id) => ({ sources: [id] }));
  const wanted = [...new Set(evidence.map(sessionOf))];
  const figures: Record<string, number> = answer === null ? {} : { f1: bestF1(answer, answers) };
  if (evidence.length === 0) return figures;
  const levels = [
    ["session", ranked, wanted],
    ["turn", memories, evidence],
  ] as const;
  for (const [level, found, ids] of levels) {
    for (const k of [5, 10]) {
      figures[`${level}_recall_any@${k}`] = recallAny(found, ids, k);
      figures[`${level}_recall_all@${k}`] = recallAll(found, ids, k);
      figures[`${level}_ndcg@${k}`] = ndcg(found, ids, k);
    }
  }
  return figures;
}

async function officialCases(path: string): Promise<SuiteCase[]> {
  const rows = z.array(z.unknown()).safeParse(await readJson(path));
  if (!rows.success) throw formatError(path, 0, rows.error);
  return rows.data.map((value, index) => {
    const parsed = official.safeParse(value);
    if (!parsed.success) throw formatError(path, index, parsed.error);
    const {
      haystack_sessions: haystack,
      haystack_session_ids: ids,
      haystack_dates: dates,
      ...asked
    } = parsed.data;
    const sessions = haystack.map((turns, i) => toSession(turns, ids[i] ?? `session-${i}`, dates?.[i]));
    const answering = new Set(asked.answer_session_ids);
    const evidence = haystack.flatMap((turns, i) =>
      answering.has(ids[i] ?? "") ? evidenceOf(turns, ids[i] ?? "") : [],
    );
    return { id: asked.question_id, sessions, questions: [toQuestion(asked, evidence)] };
  });
}

async function derivedCases(path: string, seed: number | string): Promise<SuiteCase[]> {
  const sources = await rowsOf(path, source);
  const targets = await rowsOf(join(dirname(path), "target.jsonl"), target);
  const byId = new Map(sources.map((each) => [each.id, each]));
  return targets.flatMap((asked) => {
    const own = byId.get(asked.id);
    if (!own) return [];
    const random = createRandom(`${seed}/${asked.question_id}`);
    const others = random.shuffle(sources.filter(({ id }) => id !== own.id)).slice(0, HAYSTACK - 1);
    const sessions = random
      .shuffle([own, ...others])
      .map(({ id, messages }) => toSession(messages, `s${id}`));
    return {
      id: asked.question_id,
      sessions,
      questions: [toQuestion(asked, evidenceOf(own.messages, `s${own.id}`))],
    };
  });
}

async function rowsOf<T>(path: string, schema: z.ZodType<T>): Promise<T[]> {
  const rows: T[] = [];
  for await (const { value } of readJsonl(path)) {
    const parsed = schema.safeParse(value);
    if (!parsed.success) throw formatError(path, rows.length, parsed.error);
    rows.push(parsed.data);
  }
  return rows;
}

function toSession(turns: readonly z.infer<typeof message>[], id: string, time?: string): ObservedMessage[] {
  const when = time === undefined ? {} : { time };
  return turns.map(({ role, content }, i) => ({ role, content, id: `${id}#${i}`, ...when }));
}

function evidenceOf(turns: readonly z.infer<typeof message>[], id: string): string[] {
  return turns.flatMap(({ has_answer }, i) => (has_answer ? [`${id}#${i}`] : []));
}

function toQuestion(
  asked: Pick<z.infer<typeof target>, "question_id" | "question_type" | "question" | "answer">,
  evidence: readonly string[],
): SuiteQuestion {
  return {
    id: asked.question_id,
    text: asked.question,
    answers: [String(asked.answer)],
    // Unanswerable questions, which their ids mark, have no evidence to find.
    evidence: asked.question_id.endsWith("_abs") ? [] : evidence,
    category: asked.question_type,
  };
}
