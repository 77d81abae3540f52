/**
 * What the offline policy reads of a text game it plays: the task, the forms of the actions, what it did and saw.
 *
 * Generic: it knows no game. The tool is called "act", and the system prompt has a line with the task and one with the forms of the
 * actions. Leaves out choosing (`choose-action.ts`).
 */
import type { CallRecord, ConversationView } from "../reading/view.js";

/** The tool that takes an action. */
export const ACT = "act";

/** One action that was taken. */
export interface PlayedAction {
  action: string;
  observation: string;
  /** It was not understood, not possible, or changed nothing. */
  refused: boolean;
}

/** A game as far as it was played. */
export interface Play {
  task: string;
  /** Forms of actions that the instructions name, with X and Y for things. */
  forms: string[];
  /** The first observation. */
  start: string;
  played: PlayedAction[];
  /** How it ended; null while it goes on. */
  outcome: "solved" | "not solved" | null;
  /** Most actions; null if it is not said. */
  maxSteps: number | null;
}

const TASK = /^Task: ([^\n]{1,2000})/m;
const FORMS = /^Actions\b[^:\n]{0,100}: ([^\n]{1,3000})/m;
const STEPS = /\bYou have (\d{1,5}) actions\b/;
const OVER = /\bepisode is over\. The task is (not )?solved\b/;
const REFUSAL =
  /\b(?:nothing happens|not (?:valid|recognized|recognised|understood|possible)|no known action|no effect|unknown action|no change|can(?:no|')t|not clear)\b/i;

/** Reads a game; null if the system prompt sets none. */
export function readPlay(view: ConversationView): Play | null {
  const task = TASK.exec(view.system)?.[1]?.trim();
  if (!task) return null;
  const texts = [...view.earlierUserTexts, view.userText];
  const over = OVER.exec(view.userText);
  const start = texts[0] ?? "";
  return {
    task,
    forms: splitList(FORMS.exec(view.system)?.[1] ?? ""),
    start,
    played: playedIn([...view.earlierCalls, ...view.calls], start),
    outcome: over ? (over[1] ? "not solved" : "solved") : null,
    maxSteps: Number(STEPS.exec(view.system)?.[1]) || null,
  };
}

function playedIn(calls: readonly CallRecord[], start: string): PlayedAction[] {
  const out: PlayedAction[] = [];
  let before = start;
  for (const { name, args, ok, result } of calls) {
    if (name !== ACT || ok === null) continue;
    const observation = result.trim();
    const refused = !ok || REFUSAL.test(observation) || observation === before;
    out.push({ action: String(args.action ?? ""), observation, refused });
    before = observation;
  }
  return out;
}

/** Asks what is possible and changes nothing. */
export function isInquiry(action: string): boolean {
  return /\b(?:valid|available) actions\b/i.test(action);
}

const LIST = /\bactions\b[^:\n]{0,60}:[ \n]/i;

/** The actions that an observation lists, as they are written; empty if it lists none. */
export function listedActions(observation: string): string[] {
  const found = LIST.exec(observation);
  if (!found) return [];
  const rest = observation.slice(found.index + found[0].length).trimStart();
  return splitList(rest.split("\n", 1)[0] ?? "");
}

/** Items between commas, or else sentences. */
function splitList(text: string): string[] {
  const line = text.trim();
  const items = line.includes(", ") ? line.replace(/\.$/, "").split(", ") : line.split(/\.(?: |$)/);
  return items.map((item) => item.trim()).filter(Boolean);
}
