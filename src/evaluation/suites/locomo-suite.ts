/**
 * LoCoMo as a memory benchmark: each conversation is shown turn by turn, then its questions are asked.
 *
 * Scored as by the benchmark's own scorer, plus the recall of the turns with the evidence. Leaves out LoCoMo as
 * training tasks (`datasets/locomo.ts`).
 */
import { z } from "zod";
import { InputError } from "../../errors.js";
import { readJson } from "../../lib/jsonl.js";
import { collapseSpace } from "../../text/text.js";
import { formatError } from "../datasets/format-error.js";
import { locomoScore } from "../metrics/answers.js";
import { evidenceRecall } from "../metrics/retrieval.js";
import type { ObservedMessage } from "../systems/memory-system.js";
import type { Suite, SuiteCase } from "./suite.js";

const turns = z.array(
  z.object({
    speaker: z.string(),
    dia_id: z.string(),
    text: z.string(),
    blip_caption: z.string().optional(),
  }),
);
const row = z.object({
  sample_id: z.string().optional(),
  conversation: z.record(z.string(), z.unknown()),
  qa: z.array(
    z.object({
      question: z.string(),
      answer: z.union([z.string(), z.number()]).optional(),
      evidence: z.array(z.string()).default([]),
      category: z.int().min(1).max(5),
    }),
  ),
});

/** By the number in the dataset. */
const CATEGORY_NAMES = ["", "multi-hop", "temporal", "open-domain", "single-hop", "adversarial"];
const ADVERSARIAL = CATEGORY_NAMES.indexOf("adversarial");
const CUTS = [5, 10, 20];

/** Options of {@link loadLocomoSuite}. */
export interface LocomoSuiteOptions {
  /**
   * Ids of questions to leave out, because their gold answers are known to be wrong. An id is `CONVERSATION-qINDEX`.
   */
  exclude?: readonly string[];
}

/**
 * Reads `locomo10.json` or a part of it.
 *
 * @throws InputError `AGEMEM_INPUT_FILE`; `AGEMEM_INPUT_FORMAT` with path, row and field
 * @example
 * const suite = await loadLocomoSuite("locomo10.json");
 */
export async function loadLocomoSuite(path: string, options: LocomoSuiteOptions = {}): Promise<Suite> {
  const data = await readJson(path);
  if (!Array.isArray(data)) {
    throw new InputError("AGEMEM_INPUT_FORMAT", `${path} is not a JSON array of LoCoMo conversations`, {
      remedy: "Give locomo10.json, or a part of its list.",
      details: { path },
    });
  }
  const excluded = new Set(options.exclude);
  const cases = data.map((value, index) => {
    const parsed = row.safeParse(value);
    if (!parsed.success) throw formatError(path, index, parsed.error);
    return toCase(parsed.data, index, path, excluded);
  });
  return {
    name: "locomo",
    cases,
    k: 10,
    depth: 20,
    instruction: 'Answer "not mentioned" when you were not told.',
    grade(question, { answer, memories }) {
      const recalls = question.evidence.length
        ? CUTS.map((k) => [`recall@${k}`, evidenceRecall(memories, question.evidence, k)])
        : [];
      const [gold = ""] = question.answers;
      const f1 = answer === null ? {} : { f1: locomoScore(answer, gold, question.category) };
      return { ...f1, ...Object.fromEntries(recalls) };
    },
  };
}

function toCase(
  { sample_id, conversation, qa }: z.infer<typeof row>,
  index: number,
  path: string,
  excluded: ReadonlySet<string>,
): SuiteCase {
  const id = sample_id ?? `conversation-${index}`;
  const numbers = Object.keys(conversation).flatMap((key) => /^session_(\d+)$/.exec(key)?.[1] ?? []);
  const sessions = numbers
    .map(Number)
    .sort((a, b) => a - b)
    .map((number) => {
      const parsed = turns.safeParse(conversation[`session_${number}`]);
      if (!parsed.success) throw formatError(path, index, parsed.error);
      const time = conversation[`session_${number}_date_time`];
      return parsed.data.map((turn) => toMessage(turn, typeof time === "string" ? time : undefined));
    });
  const known = new Set(sessions.flat().map((message) => message.id));
  const questions = qa.map((asked, i) => ({
    id: `${id}-q${i}`,
    text: collapseSpace(asked.question),
    answers: asked.answer === undefined ? [] : [String(asked.answer)],
    // Evidence is untidy ("D8:6; D9:17", "D"): whatever can be read and is in the conversation counts.
    evidence: [...new Set(asked.evidence.flatMap((text) => text.match(/D\d+:\d+/g) ?? []))].filter((each) =>
      known.has(each),
    ),
    category: CATEGORY_NAMES[asked.category] ?? "",
    // An adversarial question has a wrong answer as a trap, and no right one.
    ...(asked.category === ADVERSARIAL ? { reference: "Not mentioned: the conversation does not say." } : {}),
  }));
  return { id, sessions, questions: questions.filter((question) => !excluded.has(question.id)) };
}

function toMessage(turn: z.infer<typeof turns>[number], time: string | undefined): ObservedMessage {
  const { speaker, dia_id: id, text, blip_caption: caption } = turn;
  const content = `${collapseSpace(text)}${caption ? ` [shows a picture: ${caption}]` : ""}`;
  return { role: "user", content, id, speaker, ...(time === undefined ? {} : { time }) };
}
