/**
 * More distractors for tasks that have few: near passages of other tasks, and the check that none gives the task away.
 *
 * Owns what may be a distractor: no passage that holds a gold title or the answer. Pure.
 */
import { createRandom } from "../../lib/random.js";
import { words } from "../../text/words.js";
import type { MemoryTask, Passage } from "../../types.js";
import { Bm25 } from "./bm25.js";

/** A distractor that holds what only the context should. */
export interface Leak {
  taskId: string;
  /** What was found in the distractor. */
  kind: "gold title" | "answer" | "gold fact";
  found: string;
  /** Title of the distractor, or the beginning of its text. */
  distractor: string;
}

/**
 * Fills the distractors of each task up to `size` with its nearest neighbors (BM25 of question and gold titles)
 * among the passages of the other tasks, then shuffles all of them by the seed. A task that has enough keeps its own.
 *
 * @example
 * const padded = padDistractors(await loadHotpotQa(file), { size: 20, seed: 1 });
 */
export function padDistractors(
  tasks: readonly MemoryTask[],
  { size, seed = 0 }: { size: number; seed?: number | string },
): MemoryTask[] {
  const pool = tasks.flatMap((task) =>
    [...task.context, ...task.distractors].map((passage) => ({ passage, taskId: task.id })),
  );
  const index = new Bm25(pool.map(({ passage }) => `${passage.title} ${passage.text}`));
  return tasks.map((task) => {
    const missing = size - task.distractors.length;
    if (missing <= 0) return task;
    const taken = new Set([...task.context, ...task.distractors].map(({ text }) => text));
    const added: Passage[] = [];
    for (const hit of index.search(`${task.question} ${task.context.map(({ title }) => title).join(" ")}`)) {
      if (added.length >= missing) break;
      const candidate = pool[hit.index];
      if (!candidate || candidate.taskId === task.id || taken.has(candidate.passage.text)) continue;
      if (leaksOf(task, candidate.passage).length > 0) continue;
      taken.add(candidate.passage.text);
      added.push(candidate.passage);
    }
    const all = [...task.distractors, ...added];
    return {
      ...task,
      distractors: createRandom(`${seed}/pad/${task.id}`).shuffle(all),
      metadata: { ...task.metadata, padded: added.length },
    };
  });
}

/**
 * Distractors that hold a gold title, the answer or a gold fact. Answers of one short word (yes, no, a small number)
 * stand in any text and are not looked for.
 */
export function findLeaks(tasks: readonly MemoryTask[]): Leak[] {
  return tasks.flatMap((task) => task.distractors.flatMap((passage) => leaksOf(task, passage)));
}

function leaksOf(task: MemoryTask, passage: Passage): Leak[] {
  const held = spaced(`${passage.title} ${passage.text}`);
  const holds = (text: string): boolean => {
    const looked = spaced(text);
    return looked.trim() !== "" && held.includes(looked);
  };
  const distractor = passage.title || passage.text.slice(0, 60);
  const leak = (kind: Leak["kind"], found: string): Leak => ({ taskId: task.id, kind, found, distractor });
  return [
    ...task.context.filter(({ title }) => holds(title)).map(({ title }) => leak("gold title", title)),
    ...(telling(task.answer) && holds(task.answer) ? [leak("answer", task.answer)] : []),
    ...task.goldFacts.filter(holds).map((fact) => leak("gold fact", fact)),
  ];
}

function telling(answer: string): boolean {
  return answer.trim().length > 3;
}

/** Words between single spaces, so that whole words are found whatever stands between them. */
function spaced(text: string): string {
  return ` ${words(text).join(" ")} `;
}
