/**
 * What rewards are computed from: a recorded trajectory, its episode facts and the judge's verdicts.
 *
 * Owns the input and output of the components and the queries they share. Because everything is in the recording, it
 * can be scored again later with other weights or another judge. Pure.
 */
import type { EpisodeRecord, StepRecord, VerdictsRecord } from "../trajectory/schema.js";
import type { MemoryItemRecord, MemoryOpRecord } from "../trajectory/schema-parts.js";
import { type MemoryOp, OVERFLOW_CALL_ID } from "../types.js";

/** Everything that a reward may use. */
export interface ScoringInput {
  /** Steps of one rollout, in order, auxiliary calls included. */
  steps: readonly StepRecord[];
  episode: EpisodeRecord;
  verdicts: VerdictsRecord;
}

/** One component: its value (null when the evidence is missing) and its basis in words. */
export interface RewardPart {
  value: number | null;
  basis: string;
  /** False where the episode gave no occasion for it: its weight goes to the other parts of its term. */
  applies?: false;
}

/** Names of the parts, as in `reward_parts` of a trajectory record. */
export const REWARD_PART_NAMES = [
  "task",
  "context",
  "context.compression",
  "context.preventive",
  "context.preservation",
  "memory",
  "memory.storage",
  "memory.maintenance",
  "memory.relevance",
  "penalty",
  "penalty.rounds",
  "penalty.tokens",
] as const;

/** Every part of the paper's reward, by name, and the tool term where a reading has one. */
export type PartsByName<T> = Record<(typeof REWARD_PART_NAMES)[number], T> & { tool?: T };

/** The weights inside the composed terms. */
export interface PartWeights {
  alpha: readonly number[];
  beta: readonly number[];
}

/** How the parts of a reward are computed from a recording. */
export interface RewardReading {
  parts(input: ScoringInput, weights: PartWeights): PartsByName<RewardPart>;
  /** What a missing answer adds to the reward as it is, in place of the weighted task term. */
  missingAnswer?: number;
  /** Bounds of R(tau). */
  clip?: readonly [number, number];
}

/** The policy calls, in order. */
export function policySteps(steps: readonly StepRecord[]): StepRecord[] {
  return steps.filter((step) => step.call_role === "policy");
}

/** The policy call at answer time: the last one that got a response. */
export function answerStep(steps: readonly StepRecord[]): StepRecord | undefined {
  return policySteps(steps).findLast((step) => step.response !== null);
}

/**
 * Successful operations of the given kinds that the policy asked for, each with its step. Refused operations changed
 * nothing, and the policy gets no credit for what the overflow guard did.
 */
export function operations(
  steps: readonly StepRecord[],
  kinds: readonly MemoryOp[],
): { op: MemoryOpRecord; step: StepRecord }[] {
  return policySteps(steps).flatMap((step) =>
    step.memory_ops
      .filter((op) => op.ok && kinds.includes(op.op) && op.tool_call_id !== OVERFLOW_CALL_ID)
      .map((op) => ({ op, step })),
  );
}

/** The agent's final answer; null when it gave none or an empty one. */
export function finalAnswer(episode: EpisodeRecord): string | null {
  return episode.answer?.trim() ? episode.answer.trim() : null;
}

/** Items that the policy added in stage 1, including those deleted later. */
export function addedInStageOne(steps: readonly StepRecord[], episode: EpisodeRecord): MemoryItemRecord[] {
  const added = operations(steps, ["ADD"]).filter(({ step }) => step.stage === 1);
  return itemsById(
    added.flatMap(({ op }) => op.memory_ids),
    episode,
  );
}

/** Items that the policy itself retrieved, in any stage, each once. */
export function retrieved(steps: readonly StepRecord[], episode: EpisodeRecord): MemoryItemRecord[] {
  return itemsById(
    operations(steps, ["RETRIEVE"]).flatMap(({ op }) => op.memory_ids),
    episode,
  );
}

/**
 * Weighted sum; a part without weight may be unscored. What does not apply leaves its weight to the others, so that a
 * term keeps its range; a term of which nothing applies is 0.
 */
export function weigh(parts: readonly RewardPart[], weights: readonly number[], basis: string): RewardPart {
  let sum = 0;
  let counted = 0;
  let all = 0;
  for (const [i, part] of parts.entries()) {
    const weight = weights[i] ?? 0;
    all += weight;
    if (weight === 0 || part.applies === false) continue;
    if (part.value === null) return { value: null, basis: part.basis };
    counted += weight;
    sum += weight * part.value;
  }
  // Without the comparison a rounding error would enter a sum that needs no scaling.
  return { value: counted === all ? sum : counted === 0 ? 0 : (sum * all) / counted, basis };
}

/** The items of some ids, each once, in the order of the ids. */
export function itemsById(ids: readonly string[], episode: EpisodeRecord): MemoryItemRecord[] {
  const byId = new Map(episode.items.map((item) => [item.id, item]));
  return [...new Set(ids)].flatMap((id) => byId.get(id) ?? []);
}
