/**
 * HotpotQA as a memory benchmark: the paragraphs of a row are shown in a seeded order, then its question is asked.
 *
 * Rows of the distractor setting contain their evidence; rows of the fullwiki setting often only a part, or none.
 * Questions without evidence are asked too, but have no retrieval metrics. Leaves out HotpotQA as training tasks
 * (`datasets/hotpotqa.ts`).
 */
import { z } from "zod";
import { readJson, readJsonl } from "../../lib/jsonl.js";
import { createRandom } from "../../lib/random.js";
import { collapseSpace } from "../../text/text.js";
import { formatError } from "../datasets/format-error.js";
import { bestF1, exactMatch } from "../metrics/answers.js";
import { evidenceRecall, recallAll } from "../metrics/retrieval.js";
import type { Suite, SuiteCase } from "./suite.js";

const row = z.object({
  _id: z.string().optional(),
  id: z.string().optional(),
  question: z.string().min(1),
  answer: z.string(),
  type: z.string().optional(),
  context: z.array(z.tuple([z.string(), z.array(z.string())])),
  supporting_facts: z.array(z.tuple([z.string(), z.int()])),
});

/**
 * Reads the official files (`.json` array) or the same rows as JSON Lines.
 *
 * @throws InputError `AGEMEM_INPUT_FILE`; `AGEMEM_INPUT_FORMAT` with path, row and field
 * @example
 * const suite = await loadHotpotQaSuite("hotpot_dev_distractor_v1.json");
 */
export async function loadHotpotQaSuite(path: string, seed: number | string = 0): Promise<Suite> {
  const values = /\.(jsonl|ndjson)$/i.test(path) ? await linesOf(path) : await readJson(path);
  const rows = z.array(z.unknown()).safeParse(values);
  if (!rows.success) throw formatError(path, 0, rows.error);
  const cases = rows.data.map((value, index) => {
    const parsed = row.safeParse(value);
    if (!parsed.success) throw formatError(path, index, parsed.error);
    return toCase(parsed.data, index, seed);
  });
  return {
    name: "hotpotqa",
    cases,
    k: 3,
    depth: 5,
    instruction: "",
    grade(question, { answer, memories }) {
      const { evidence, answers } = question;
      const found: Record<string, number> = evidence.length
        ? {
            "recall@3": evidenceRecall(memories, evidence, 3),
            "recall_all@5": recallAll(memories, evidence, 5),
          }
        : {};
      if (answer === null) return found;
      return { f1: bestF1(answer, answers), exact_match: exactMatch(answer, answers), ...found };
    },
  };
}

async function linesOf(path: string): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const { value } of readJsonl(path)) values.push(value);
  return values;
}

function toCase(asked: z.infer<typeof row>, index: number, seed: number | string): SuiteCase {
  const id = asked._id ?? asked.id ?? `row-${index}`;
  const paragraphs = createRandom(`${seed}/${id}`).shuffle(asked.context);
  const titles = new Set(asked.context.map(([title]) => title));
  const sentences = new Map(asked.context);
  const facts = asked.supporting_facts.flatMap(([title, at]) => {
    const sentence = sentences.get(title)?.[at];
    return sentence === undefined ? [] : [`${title}: ${collapseSpace(sentence)}`];
  });
  const evidence = new Set(
    asked.supporting_facts.map(([title]) => title).filter((title) => titles.has(title)),
  );
  return {
    id,
    // Each paragraph is a session of its own, as in the paper's first stage.
    sessions: paragraphs.map(([title, sentences]) => [
      { role: "user", content: `${title}: ${collapseSpace(sentences.join(" "))}`, id: title },
    ]),
    questions: [
      {
        id,
        text: collapseSpace(asked.question),
        answers: [collapseSpace(asked.answer)],
        evidence: [...evidence],
        category: asked.type ?? "all",
        facts,
      },
    ],
  };
}
