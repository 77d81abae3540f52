/**
 * What the offline policy writes down of a game for the next one, and reads again. Generic: a lesson is a task and actions.
 */
import { truncate } from "../../text/text.js";
import { similarity } from "../reading/terms.js";
import { isInquiry, type Play } from "./play.js";

const MAX_ACTIONS = 40;
const LESSON = /^Lesson for the task "([^"\n]{1,2000})": (solved by|not solved; avoid): ([^\n]*)$/;
/** From this likeness of two tasks the lesson of one is used in the other. */
const ALIKE = 0.5;

/** A lesson of an earlier game. */
export interface Lesson {
  id: string;
  task: string;
  solved: boolean;
  /** The actions that solved the task, or those that were refused or lost it. */
  actions: string[];
}

/** The lesson of a game that is over; null if there is nothing to learn. */
export function lessonOf({ task, played, outcome, maxSteps }: Play): string | null {
  const moves = played.filter(({ action }) => !isInquiry(action));
  const solved = outcome === "solved";
  // What ended the game before its time was as bad as what was refused.
  const fatal = !solved && maxSteps !== null && played.length < maxSteps ? played.at(-1) : undefined;
  const learned = moves.filter((move) => move.refused !== solved || move === fatal);
  const actions = learned.map(({ action }) => action);
  if (actions.length === 0) return null;
  const listed = (solved ? actions : [...new Set(actions)]).slice(-MAX_ACTIONS);
  const head = `Lesson for the task "${truncate(task.replaceAll('"', "'"), 600)}"`;
  return `${head}: ${solved ? "solved by" : "not solved; avoid"}: ${listed.join("; ")}`;
}

/** The lessons among memories that are about tasks like this one, the most alike first, solved ones before the others. */
export function lessonsFor(
  task: string,
  memories: Iterable<{ id: string; content: string }>,
): (Lesson & { alike: number })[] {
  const out: (Lesson & { alike: number })[] = [];
  for (const { id, content } of memories) {
    const found = LESSON.exec(content.trim());
    if (!found) continue;
    const [, about = "", kind, actions = ""] = found;
    const alike = similarity(task, about);
    if (alike < ALIKE) continue;
    out.push({ id, task: about, solved: kind === "solved by", actions: actions.split("; "), alike });
  }
  return out.sort((a, b) => Number(b.solved) - Number(a.solved) || b.alike - a.alike);
}
