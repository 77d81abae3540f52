/**
 * FactConsolidation as rollout tasks: numbered facts, told one by one, of which later ones override earlier ones.
 *
 * Meant for evaluation: no task of it is generated for training. A task tells the facts nearest to its question, in their order, and
 * the next nearest as distractors; the whole list would take hundreds of messages. Leaves out the file's format (`suites/`).
 */
import { contentStems } from "../../text/words.js";
import type { MemoryTask } from "../../types.js";
import { loadFactConsolidation } from "../suites/factconsolidation.js";

const TOLD = 8;
const DISTRACTORS = 6;

/**
 * One task per question whose answer stands in a fact.
 *
 * @throws InputError as `loadFactConsolidation`
 * @example
 * const heldOut = await loadFactConsolidationTasks("factconsolidation_sh_6k.json");
 */
export async function loadFactConsolidationTasks(
  path: string,
  limit = Number.POSITIVE_INFINITY,
): Promise<MemoryTask[]> {
  const { cases } = await loadFactConsolidation(path);
  const [only] = cases;
  if (!only) return [];
  const facts = only.sessions
    .flat()
    .map(({ content }, order) => ({ content, order, stems: new Set(contentStems(content)) }));
  const tasks = only.questions.flatMap(({ id, text, answers }): MemoryTask[] => {
    const asked = contentStems(text);
    const near = facts
      .map((fact) => ({
        ...fact,
        score: asked.filter((stem) => fact.stems.has(stem)).length / Math.sqrt(fact.stems.size),
      }))
      .sort((a, b) => b.score - a.score || b.order - a.order);
    const told = near.slice(0, TOLD).sort((a, b) => a.order - b.order);
    const best = near[0]?.score ?? 0;
    const about = told.filter(({ score }) => score >= 0.9 * best);
    const gold = about.findLast(({ content }) => answers.some((answer) => content.includes(answer)));
    if (!gold) return [];
    const outdated = about.filter(({ order }) => order < gold.order).map(({ content }) => bareFact(content));
    return [
      {
        id,
        question: text,
        answer: answers[0] as string,
        context: told.map(({ content }) => ({ title: "", text: content })),
        distractors: near
          .slice(TOLD, TOLD + DISTRACTORS)
          .map(({ content }) => ({ title: "", text: content })),
        goldFacts: [bareFact(gold.content)],
        ...(outdated.length > 0 ? { outdatedFacts: outdated } : {}),
        metadata: { dataset: "factconsolidation", turn: outdated.length > 0 ? "contradicted" : "none" },
      },
    ];
  });
  return tasks.slice(0, limit);
}

/** Without its number. */
function bareFact(content: string): string {
  return content.replace(/^\d+\. /, "");
}
