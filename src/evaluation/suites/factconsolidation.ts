/**
 * MemoryAgentBench FactConsolidation: numbered facts, of which later ones override earlier ones, and questions about
 * what is true now.
 *
 * A public test of UPDATE and DELETE, scored by substring match without a judge. Owns the file's format.
 */
import { z } from "zod";
import { InputError } from "../../errors.js";
import { readJson } from "../../lib/jsonl.js";
import { formatError } from "../datasets/format-error.js";
import { bestF1, exactMatch, substringExactMatch } from "../metrics/answers.js";
import type { ObservedMessage } from "../systems/memory-system.js";
import type { Suite, SuiteQuestion } from "./suite.js";

const file = z.object({
  context: z.string().min(1),
  questions: z.array(z.string().min(1)).min(1),
  answers: z.array(z.array(z.string()).min(1)),
  metadata: z.object({ source: z.string().optional() }).loose().nullish(),
});

/** Facts per session. */
const SESSION = 20;
const FACT = /^(\d+)\. (.*\S)\s*$/;

/**
 * Reads one file as one case.
 *
 * @throws InputError `AGEMEM_INPUT_FILE`; `AGEMEM_INPUT_FORMAT` with the field, or when no line is a numbered fact
 * @example
 * const suite = await loadFactConsolidation("factconsolidation_sh_6k.json");
 */
export async function loadFactConsolidation(path: string): Promise<Suite> {
  const parsed = file.safeParse(await readJson(path));
  if (!parsed.success) throw formatError(path, 0, parsed.error);
  const { context, questions, answers, metadata } = parsed.data;
  const facts = context.split("\n").flatMap(toFact);
  if (facts.length === 0 || questions.length !== answers.length) {
    throw new InputError(
      "AGEMEM_INPUT_FORMAT",
      `${path} has ${facts.length} numbered facts, ${questions.length} questions and ${answers.length} lists of answers`,
      { remedy: "Give a FactConsolidation file with one list of answers per question.", details: { path } },
    );
  }
  const id = metadata?.source ?? "factconsolidation";
  const hops = /_mh_/.test(id) ? "multi-hop" : "single-hop";
  const asked: SuiteQuestion[] = questions.map((text, i) => ({
    id: `${id}-q${i}`,
    text,
    answers: answers[i] ?? [],
    evidence: [],
    category: hops,
  }));
  return {
    name: "factconsolidation",
    cases: [{ id, sessions: sessionsOf(facts), questions: asked }],
    k: 10,
    depth: 10,
    instruction: "Where facts contradict each other, the one with the highest number is true.",
    grade: (question, { answer }) => ({
      substring_exact_match: substringExactMatch(answer ?? "", question.answers),
      exact_match: exactMatch(answer ?? "", question.answers),
      f1: bestF1(answer ?? "", question.answers),
    }),
  };
}

function toFact(line: string): ObservedMessage[] {
  const [, number, text] = FACT.exec(line) ?? [];
  return number === undefined || text === undefined
    ? []
    : [{ role: "user", content: `${number}. ${text}`, id: number }];
}

function sessionsOf(facts: readonly ObservedMessage[]): ObservedMessage[][] {
  return Array.from({ length: Math.ceil(facts.length / SESSION) }, (_, i) =>
    facts.slice(i * SESSION, (i + 1) * SESSION),
  );
}
