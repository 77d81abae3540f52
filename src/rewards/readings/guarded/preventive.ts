/** Was a context that would have filled up reduced in time? Pure. */
import type { StepRecord } from "../../../trajectory/schema.js";
import { contentText } from "../../../trajectory/trace/context-text.js";
import { operations, policySteps, type RewardPart, type ScoringInput } from "../../scoring.js";
import { toldMessages, toldPart, withoutLookUp } from "./told.js";

/** Share of T_max from which what was told is a load, and share that must be taken out of it. */
const LOAD = 1 / 2;
const REDUCTION = 1 / 10;

/** Stages that share a context: C is emptied after stage 1. */
const CONTEXTS = [[1], [2, 3]] as const;

/**
 * 1 if SUMMARY or FILTER took a tenth of T_max or more out of what was told, and no policy call reached T_max.
 *
 * Does not apply where the messages of the task, with system prompt and tools, would not have filled half of T_max.
 * Text that the policy itself wrote, summarized or looked up is no occasion, however long it is.
 */
export function reducedInTime({ steps, episode }: Pick<ScoringInput, "steps" | "episode">): RewardPart {
  const limit = episode.t_max;
  const loaded = CONTEXTS.flatMap((stages) => {
    const own = policySteps(steps).filter(({ stage }) => (stages as readonly number[]).includes(stage));
    const load = loadOf(own);
    return load && load.frame + load.told >= LOAD * limit ? [{ own, load }] : [];
  });
  if (loaded.length === 0) {
    return { value: null, applies: false, basis: "what was told would not have filled half of the context" };
  }
  const reached = policySteps(steps).find((step) => (step.context_tokens ?? 0) >= limit);
  if (reached) return { value: 0, basis: `the limit was reached at step ${reached.step_index}` };
  const late = loaded.find(({ own, load }) => !reduced(own, load, limit));
  if (late) return { value: 0, basis: `${Math.round(late.load.told)} tokens were told and not reduced` };
  return { value: 1, basis: "SUMMARY or FILTER reduced what was told before the limit" };
}

interface Load {
  /** Tokens of system prompt and tools. */
  frame: number;
  /** Tokens of all messages of the task. */
  told: number;
  /** Characters per token, from the recording's own counts. */
  ratio: number;
}

function loadOf(own: readonly StepRecord[]): Load | undefined {
  const counted = own.filter((step) => step.context_tokens);
  const first = counted[0];
  if (!first) return undefined;
  const ratio = charactersPerToken(first, counted);
  const shown = first.messages.filter(({ role }) => role !== "system" && role !== "developer");
  const frame = Math.max(0, (first.context_tokens ?? 0) - lengthOf(shown) / ratio);
  const told = toldMessages(own).reduce((sum, { text }) => sum + text.length, 0) / ratio;
  return { frame, told, ratio };
}

function reduced(own: readonly StepRecord[], load: Load, limit: number): boolean {
  const shrank = operations(own, ["SUMMARY", "FILTER"]).some(({ op }) => op.tokens_after < op.tokens_before);
  const last = own.at(-1);
  if (!shrank || !last) return false;
  const left = toldPart(last.messages).reduce((sum, message) => sum + withoutLookUp(message).length, 0);
  return load.told - left / load.ratio >= REDUCTION * limit;
}

/** By what the context grew: whether a server counts tools in its figure does not matter then. */
function charactersPerToken(first: StepRecord, counted: readonly StepRecord[]): number {
  const tokens = ({ context_tokens }: StepRecord): number => context_tokens ?? 0;
  const largest = counted.reduce((a, b) => (tokens(b) > tokens(a) ? b : a));
  const grown = lengthOf(largest.messages) - lengthOf(first.messages);
  if (grown > 0 && tokens(largest) > tokens(first)) return grown / (tokens(largest) - tokens(first));
  return (lengthOf(first.messages) + toolsLength(first)) / tokens(first);
}

function lengthOf(messages: StepRecord["messages"]): number {
  return messages.reduce((sum, { content, tool_calls }) => {
    const calls = (tool_calls ?? []).reduce(
      (length, call) => length + call.name.length + call.arguments.length,
      0,
    );
    return sum + contentText(content).length + calls;
  }, 0);
}

function toolsLength({ tools }: StepRecord): number {
  return tools.length > 0 ? JSON.stringify(tools).length : 0;
}
