/**
 * The messages of a rollout's stages 1 and 2.
 *
 * Owns which passages come in which message. Leaves out running them (`stages.ts`). Pure.
 */
import { createRandom } from "../../lib/random.js";
import type { MemoryTask, Passage } from "../../types.js";
import type { RolloutSettings } from "../settings.js";
import { UNRELATED_TALK } from "./small-talk.js";

/** The messages of the two stages, in order. */
interface StageMessages {
  first: string[];
  second: string[];
}

/**
 * The messages of a task. The K rollouts of a group are told the same.
 *
 * - `passages`: each passage of the context, then each distractor.
 * - `together`: all passages in one message, the distractors among them; then lines of small talk. N_max does not apply
 *   to messages here: it is the rounds of the question.
 */
export function stageMessages(
  task: MemoryTask,
  { told, maxDistractors, maxTurns }: Pick<RolloutSettings, "told" | "maxDistractors" | "maxTurns">,
): StageMessages {
  if (told === "passages") {
    return {
      first: task.context.slice(0, maxTurns).map(textOf),
      second: task.distractors.slice(0, Math.min(maxDistractors, maxTurns)).map(textOf),
    };
  }
  const random = createRandom(`together/${task.id}`);
  const all = random.shuffle([...task.context, ...task.distractors]);
  const talk = random.shuffle(UNRELATED_TALK).slice(0, Math.min(maxDistractors, UNRELATED_TALK.length));
  return { first: [["A few notes on various subjects:", ...all.map(textOf)].join("\n")], second: talk };
}

function textOf({ title, text }: Passage): string {
  return title ? `${title}: ${text}` : text;
}
