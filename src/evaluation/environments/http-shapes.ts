/**
 * Reads answers of environment servers. Ours give all fields; from AgentGym's, progress, success, validity and goal
 * must be derived: their ALFWorld rewards a won game with 1, ScienceWorld scores up to 100, BabyAI up to 1. Pure.
 */
import { z } from "zod";
import type { EnvironmentName, EnvironmentState, EnvironmentTask } from "./task-environment.js";

const text = z.string();
const share = z.number().min(0).max(1);
const actions = z.array(text);

/** Any answer; fields may be missing, but those present have the right type. */
export const serverAnswer = z.looseObject({
  id: z.union([z.int(), text]).optional(),
  observation: text.optional(),
  task_description: text.optional(),
  goal: text.nullish(),
  reward: z.number().nullish(),
  score: z.number().nullish(),
  progress: share.optional(),
  won: z.boolean().optional(),
  done: z.boolean().optional(),
  valid: z.boolean().optional(),
  available_actions: actions.optional(),
  possible_actions: actions.optional(),
  actions: actions.nullish(),
  error: text.optional(),
  kind: text.optional(),
});
export type ServerAnswer = z.infer<typeof serverAnswer>;

/** What is known beside an answer. */
interface Known {
  name: EnvironmentName;
  task: EnvironmentTask | undefined;
  before: EnvironmentState | undefined;
}

/** How environments say that an action was not understood or not possible, if no field says so. */
const REFUSALS =
  /^(Nothing happens|Nothing happened|No known action|Unknown action|Ambiguous request|The action is not recognized|You cannot|There is a barrier)/;

/** The state in an answer, or a text that says what the answer lacks. */
export function readState(answer: ServerAnswer, { name, task, before }: Known): EnvironmentState | string {
  if (answer.observation === undefined) return "no observation";
  // AgentGym's answers to `reset` may lack it.
  const done = answer.done ?? (before ? undefined : false);
  if (done === undefined) return "no done";
  const reached = answer.progress ?? progressOf(answer, name);
  const progress = Math.max(before?.progress ?? 0, reached);
  const won = answer.won ?? progress >= 1;
  if (won && progress < 1) return "won without progress 1";
  const told = answer.goal ?? answer.task_description ?? taskIn(answer.observation);
  return {
    observation: answer.observation,
    goal: before?.goal ?? task?.goal ?? told ?? "",
    progress,
    won: won || (before?.won ?? false),
    done: done || won,
    valid: answer.valid ?? !REFUSALS.test(answer.observation),
    ...(name === "scienceworld" && answer.score != null ? { score: answer.score } : {}),
  };
}

function progressOf({ score, reward }: ServerAnswer, name: EnvironmentName): number {
  const value = (name === "scienceworld" ? (score ?? 0) / 100 : (score ?? reward)) ?? 0;
  return Math.min(1, Math.max(0, value));
}

function taskIn(observation: string): string | undefined {
  const [, told] = observation.split("Your task is to: ");
  return told?.split("\n", 1)[0]?.trim();
}
