/**
 * The parts as in the authors' released code, but computed from recorded operations. Pure.
 *
 * That code reads strings of the final context, so that erased, refused or only mentioned operations count differently.
 * `docs/rewards.md` lists the differences.
 */
import type { StepRecord } from "../../trajectory/schema.js";
import { contentText } from "../../trajectory/trace/context-text.js";
import type { MemoryOp } from "../../types.js";
import { relevanceReward } from "../relevance.js";
import {
  answerStep,
  finalAnswer,
  itemsById,
  operations,
  policySteps,
  type RewardPart,
  type RewardReading,
  type ScoringInput,
} from "../scoring.js";
import { taskReward } from "../task.js";
import { composed } from "./composed.js";

const CHARS_PER_TOKEN = 4;
const GRADED_ITEMS = 10;

export const officialReading: RewardReading = {
  missingAnswer: -1,
  clip: [-1, 1],
  parts: (input, weights) => {
    const used = finalTokens(input.steps);
    const overflow = used > input.episode.t_max;
    return {
      ...composed(weights, {
        task: taskReward(input),
        context: [
          {
            value: Math.max(0, 1 - used / input.episode.t_max),
            basis: `${used} tokens at the end, by characters`,
          },
          preventive(input, overflow),
          preservation(input),
        ],
        memory: [storage(input), maintenance(input), relevanceReward(input)],
        penalty: [
          rounds(input),
          { value: overflow ? -0.5 : 0, basis: `${used} tokens at the end, ${input.episode.t_max} allowed` },
        ],
      }),
      tool: toolUse(input),
    };
  },
};

/** A quarter of the characters of the final context, including the answer and the tools. */
function finalTokens(steps: readonly StepRecord[]): number {
  const step = answerStep(steps);
  if (!step) return 0;
  const texts = [
    ...step.messages.map(({ content }) => contentText(content)),
    contentText(step.response?.content ?? ""),
  ];
  const tools = step.tools.length > 0 ? JSON.stringify(step.tools).length : 0;
  return (texts.reduce((sum, text) => sum + text.length, 0) + tools) / CHARS_PER_TOKEN;
}

function preventive({ steps }: ScoringInput, overflow: boolean): RewardPart {
  const done = afterReset(steps, ["SUMMARY", "FILTER"]).length;
  const basis = overflow ? "the context overflowed" : `${done} SUMMARY or FILTER`;
  return { value: done > 0 && !overflow ? 1 : 0, basis };
}

function preservation({ steps }: ScoringInput): RewardPart {
  const kept = answerStep(steps)?.messages.some(({ role }) => role === "user") ?? false;
  return {
    value: kept ? 1 : 0,
    basis: kept ? "a user message is in the context" : "no user message is left",
  };
}

/** Useful ones among the first ten items added, in any stage. */
function storage({ steps, episode, verdicts }: ScoringInput): RewardPart {
  const ids = operations(steps, ["ADD"]).flatMap(({ op }) => op.memory_ids);
  const items = itemsById(ids, episode).slice(0, GRADED_ITEMS);
  if (items.length === 0) return { value: 0, basis: "nothing was added" };
  const labels = verdicts.useful;
  if (!labels || items.some((item) => labels[item.id] === undefined)) {
    return { value: null, basis: `${verdicts.judge} did not label all items; judge the recording again` };
  }
  const good = items.filter((item) => labels[item.id]).length;
  return { value: good / items.length, basis: `${verdicts.judge}: ${good} of ${items.length} items useful` };
}

function maintenance({ steps }: ScoringInput): RewardPart {
  const done = operations(steps, ["UPDATE", "DELETE"]).length;
  return { value: done > 0 ? 1 : 0, basis: `${done} UPDATE or DELETE` };
}

/** -1 when stage 3 took all its rounds, counted as that code counts its training samples. */
function rounds({ steps, episode }: ScoringInput): RewardPart {
  const samples = stageThreeSamples(steps, episode.n_max);
  return {
    value: samples >= episode.n_max ? -1 : 0,
    basis: `${samples} samples in stage 3, ${episode.n_max} allowed`,
  };
}

/**
 * Rounds of stage 3 that called a tool on the context, except the last allowed one, and the round that ended the stage.
 */
function stageThreeSamples(steps: readonly StepRecord[], allowed: number): number {
  const own = policySteps(steps).filter(({ stage }) => stage === 3);
  const sampled = own.filter((step, i) => i === own.length - 1 || (i < allowed - 1 && usesContext(step)));
  return sampled.length;
}

function usesContext(step: StepRecord): boolean {
  return step.memory_ops.some(({ op }) => op === "SUMMARY" || op === "FILTER" || op === "RETRIEVE");
}

/** The tool term: how many, which, and how soon; in [-0.5, 1]. */
function toolUse(input: ScoringInput): RewardPart {
  const { steps, episode } = input;
  const kinds: MemoryOp[] = ["ADD", "UPDATE", "DELETE", "RETRIEVE", "SUMMARY", "FILTER"];
  const used = new Map(kinds.map((kind) => [kind, roundsWith(steps, kind)]));
  const count = (...of: MemoryOp[]): number => of.reduce((sum, kind) => sum + (used.get(kind) ?? 0), 0);
  const finished = stageThreeSamples(steps, episode.n_max);
  const ratio = count(...kinds) / Math.max(1, finished);
  const scale = ratio >= 0.3 && ratio <= 2 ? 0.2 : ratio > 3 ? -0.1 : 0;
  const kindsUsed =
    (count("RETRIEVE") > 0 ? 0.2 : 0) +
    (count("SUMMARY", "FILTER") > 0 ? 0.2 : 0) +
    (count("ADD") > 0 ? 0.1 : 0);
  const soon = (1 - finished / episode.n_max) * 0.2;
  const value = Math.max(-0.5, Math.min(1, scale + kindsUsed + soon));
  const answered = finalAnswer(episode) === null ? "without answer" : "to the answer";
  return { value, basis: `${count(...kinds)} calls, ${finished} samples of stage 3 ${answered}` };
}

/** Rounds since the context was emptied that used an operation: two calls of one kind in a round count once. */
function roundsWith(steps: readonly StepRecord[], kind: MemoryOp): number {
  return new Set(afterReset(steps, [kind]).map(({ step }) => step.step_index)).size;
}

function afterReset(steps: readonly StepRecord[], kinds: readonly MemoryOp[]) {
  return operations(steps, kinds).filter(({ step }) => step.stage !== 1);
}
