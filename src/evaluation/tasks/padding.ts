/**
 * Adds distractors to tasks that have few: similar passages of other tasks, checked so that none gives the answer away.
 *
 * Owns what may be a distractor: a passage without gold titles, gold facts and the answer. Pure.
 */
import { createRandom } from "../../lib/random.js";
import { words } from "../../text/words.js";
import type { MemoryTask, Passage } from "../../types.js";
import { Bm25 } from "./bm25.js";

/** A distractor that contains what only the context should contain. */
export interface Leak {
  taskId: string;
  /** What the distractor contains. */
  kind: "gold title" | "answer" | "gold fact";
  found: string;
  /** Title of the distractor, or else the beginning of its text. */
  distractor: string;
}

/**
 * Fills the distractors of each task up to `size` with the most similar passages of other tasks (by BM25 with the
 * question and gold titles), then shuffles all of them by the seed. A task that has enough is not changed.
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
 * Finds distractors that contain a gold title, the answer or a gold fact. Answers of up to three characters (yes, no,
 * small numbers) occur in any text and are not looked for.
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

/** The words between single spaces, so that whole words match whatever separates them. */
function spaced(text: string): string {
  return ` ${words(text).join(" ")} `;
}
