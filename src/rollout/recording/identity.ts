/**
 * The settings that identify a run: resuming it with others would mix two experiments in one recording.
 *
 * Run name, seed and K are part of every id and name the run; the rest must not change under that name. Leaves out what
 * changes only how a run is carried out (concurrency, time limits, driver, processes). Pure.
 */
import { PROMPT_VERSION } from "../../prompts.js";
import type { RolloutSettings } from "../settings.js";

/** A run's name and its settings as JSON values. */
export interface RunIdentity {
  run: string;
  settings: Record<string, unknown>;
}

/** @param more what only the caller knows, such as sampling and the names of policy and embeddings */
export function runIdentity(s: RolloutSettings, more: Readonly<Record<string, unknown>> = {}): RunIdentity {
  const settings = {
    preset: s.preset,
    max_turns: s.maxTurns,
    early_answer: s.earlyAnswer,
    message_rounds: s.messageRounds,
    told: s.told,
    introspection: s.introspection,
    max_distractors: s.maxDistractors,
    branch_at: s.branchAt ?? null,
    t_max: s.budget.maxTokens,
    response_tokens: s.budget.responseTokens,
    top_k: s.topK,
    search_mode: s.searchMode ?? null,
    protocol: s.protocol,
    // Named only where it is on, so that runs begun before there was such a setting can go on.
    ...(s.think ? { think: true } : {}),
    prompt: s.promptVariant,
    prompt_version: PROMPT_VERSION,
    operations: s.operations,
    summarizer: s.summarizer?._llmType() ?? "policy",
    judge: s.judge.name,
    reward: s.reward,
    advantage: s.advantage,
    policy_version: s.policyVersion ?? null,
    ...more,
  };
  const run = JSON.stringify([s.runName, s.seed, s.k]);
  return { run, settings: JSON.parse(JSON.stringify(settings)) as Record<string, unknown> };
}

/** Describes each setting that differs: `t_max 8192, now 4096`. */
export function differences(
  before: Readonly<Record<string, unknown>>,
  now: Readonly<Record<string, unknown>>,
): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  const text = (value: unknown): string => JSON.stringify(value) ?? "not given";
  return names
    .filter((name) => text(before[name]) !== text(now[name]))
    .map((name) => `${name} ${text(before[name])}, now ${text(now[name])}`);
}
