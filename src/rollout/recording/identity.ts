/**
 * The settings that make a run what it is: another try with other ones would mix two experiments in one recording.
 *
 * Run name, seed and K are part of every id and name the run; the rest must not change under that name. What decides speed
 * only (concurrency, time limits, processes) is left out. Pure.
 */
import { PROMPT_VERSION } from "../../prompts.js";
import type { RolloutSettings } from "../settings.js";

/** A run by name, with its settings as JSON values. */
export interface RunIdentity {
  run: string;
  settings: Record<string, unknown>;
}

/** @param more what only the caller knows: names of policy and embeddings, sampling */
export function runIdentity(s: RolloutSettings, more: Readonly<Record<string, unknown>> = {}): RunIdentity {
  const settings = {
    max_turns: s.maxTurns,
    early_answer: s.earlyAnswer,
    message_rounds: s.messageRounds,
    t_max: s.budget.maxTokens,
    response_tokens: s.budget.responseTokens,
    top_k: s.topK,
    search_mode: s.searchMode ?? null,
    protocol: s.protocol,
    prompt: s.promptVariant,
    prompt_version: PROMPT_VERSION,
    operations: s.operations,
    summarizer: s.summarizer?._llmType() ?? "policy",
    judge: s.judge.name,
    reward: s.reward ?? null,
    advantage: s.advantage ?? null,
    policy_version: s.policyVersion ?? null,
    ...more,
  };
  const run = JSON.stringify([s.runName, s.seed, s.k]);
  return { run, settings: JSON.parse(JSON.stringify(settings)) as Record<string, unknown> };
}

/** One text per setting that differs: `t_max 8192, now 4096`. */
export function differences(
  before: Readonly<Record<string, unknown>>,
  now: Readonly<Record<string, unknown>>,
): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  const text = (value: unknown): string => JSON.stringify(value) ?? "not said";
  return names
    .filter((name) => text(before[name]) !== text(now[name]))
    .map((name) => `${name} ${text(before[name])}, now ${text(now[name])}`);
}
