/**
 * Rule for a text game that is played with the tool "act": looks up lessons of tasks like this one, acts, and at the end stores
 * what it learned.
 *
 * Leaves out which action is best (`acting/`).
 */

import { truncate } from "../../text/text.js";
import { rateActions } from "../acting/choose-action.js";
import { type Lesson, lessonOf, lessonsFor } from "../acting/lessons.js";
import { ACT, type Play, readPlay } from "../acting/play.js";
import { act, type CandidateAction, call, can, type PlannedCall, type Situation, say } from "./action.js";

/** Candidates in a game; none where no game is played. */
export function actingRule(situation: Situation): CandidateAction[] {
  const { view, tools } = situation;
  if (!tools.has(ACT)) return [];
  const play = readPlay(view);
  if (!play) return [];
  const lessons = lessonsFor(play.task, view.memories.values());
  if (play.outcome !== null) return [lesson(situation, play, lessons)];
  const lookUp = lookUps(situation, play);
  return rateActions(play, lessons)
    .slice(0, 3)
    .map(({ action }, at) => {
      const next = { name: ACT, args: { action } };
      return act(5 / (1 + at * 1.5), thoughtOf(lessons), [...lookUp, next]);
    });
}

/** Lessons are looked up once, beside the first action. */
function lookUps(situation: Situation, { task, played }: Play): PlannedCall[] {
  if (played.length > 0 || !can(situation, "RETRIEVE")) return [];
  const query = truncate(`Lesson for the task "${task}"`, 400);
  return [call("RETRIEVE", { query, top_k: 5 })];
}

function thoughtOf([best]: readonly Lesson[]): string {
  return best?.solved
    ? "A task like this one was solved before. I try what helped then."
    : "I try what has most to do with the task and is new.";
}

/** Stores what was learned; a task that is solved now replaces the lesson of one that was not. */
function lesson(situation: Situation, play: Play, lessons: readonly Lesson[]): CandidateAction {
  const content = lessonOf(play);
  const known = lessons.find(({ task }) => task === play.task);
  const done = situation.view.calls.length > 0;
  if (!content || done || known?.solved || (known && play.outcome !== "solved")) {
    return say(5, "There is nothing new to store.", "There is nothing new in it.");
  }
  if (known && can(situation, "UPDATE")) {
    return act(5, "Now I know how it is done.", [call("UPDATE", { memory_id: known.id, content })]);
  }
  return act(5, "This may help in a later task.", [call("ADD", { content, memory_type: "fact" })]);
}
