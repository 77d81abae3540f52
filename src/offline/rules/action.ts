/**
 * What the offline policy may do, and choosing among it.
 *
 * Owns the shape of an action, the situation a rule sees, and the seeded choice. Leaves out: the rules.
 */
import type { Random } from "../../lib/random.js";
import type { MemoryOp } from "../../types.js";
import { PAPER_TOOL_NAMES } from "../../types.js";
import type { CallRecord, ConversationView } from "../reading/view.js";
import type { Habits } from "./habits.js";

/** One tool call to make. */
export interface PlannedCall {
  name: string;
  args: Record<string, unknown>;
}

/** Tool calls or the final answer, never both (AgeMem, section 3.1). */
export type Action =
  | { thought: string; calls: PlannedCall[]; answer?: undefined }
  | { thought: string; answer: string; calls?: undefined };

/** An applicable action; the rules prefer larger weights. */
export interface CandidateAction {
  action: Action;
  weight: number;
}

/** What a rule decides on. */
export interface Situation {
  view: ConversationView;
  /** Names of the tools at hand. */
  tools: ReadonlySet<string>;
  habits: Habits;
}

/** Looks at a situation and returns its candidates, best first; none when the rule does not apply. */
export type Rule = (situation: Situation) => CandidateAction[];

/** Marks each thought, and each answer in full sentences: this is no language model speaking. */
export const OFFLINE_MARK = "[offline rules]";

/** Whether an operation's tool is at hand. */
export function can(situation: Situation, op: MemoryOp): boolean {
  return situation.tools.has(PAPER_TOOL_NAMES[op]);
}

/** Calls of an operation made since the newest user message. */
export function made(situation: Situation, op: MemoryOp): CallRecord[] {
  return situation.view.calls.filter((call) => call.name === PAPER_TOOL_NAMES[op]);
}

export function call(op: MemoryOp, args: Record<string, unknown>): PlannedCall {
  return { name: PAPER_TOOL_NAMES[op], args };
}

export function act(weight: number, thought: string, calls: PlannedCall[]): CandidateAction {
  return { weight, action: { thought, calls } };
}

export function say(weight: number, thought: string, answer: string): CandidateAction {
  return { weight, action: { thought, answer } };
}

/** Candidates that the tools at hand allow; calls of absent tools are dropped. */
export function feasible(situation: Situation, candidates: readonly CandidateAction[]): CandidateAction[] {
  const out: CandidateAction[] = [];
  for (const candidate of candidates) {
    const { action } = candidate;
    if (action.calls === undefined) {
      out.push(candidate);
      continue;
    }
    const calls = action.calls.filter((planned) => situation.tools.has(planned.name));
    if (calls.length > 0) out.push({ ...candidate, action: { ...action, calls } });
  }
  return out;
}

/**
 * The heaviest candidate at temperature 0, otherwise one drawn with probability proportional to
 * `weight ** (1 / temperature)`. The first of equals wins.
 */
export function choose(
  candidates: readonly CandidateAction[],
  temperature: number,
  random: Random,
): Action | null {
  let best: CandidateAction | undefined;
  for (const candidate of candidates) if (!best || candidate.weight > best.weight) best = candidate;
  if (!best) return null;
  if (temperature <= 0) return best.action;
  const top = best.weight;
  const chances = candidates.map(({ weight }) => Math.max(0, weight / top) ** (1 / temperature));
  let left = random.next() * chances.reduce((sum, chance) => sum + chance, 0);
  for (const [index, chance] of chances.entries()) {
    left -= chance;
    if (left < 0) return candidates[index]?.action ?? best.action;
  }
  return best.action;
}
