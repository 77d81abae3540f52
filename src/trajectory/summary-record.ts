/** Builds a trajectory record from steps: sums what they contain, and leaves null what nobody scored. Pure. */
import { addCalls, NO_CALLS } from "../lib/call-usage.js";
import type { CallRole, CallUsage } from "../types.js";
import { type StepRecord, TRAJECTORY_SCHEMA, type TrajectoryRecord } from "./schema.js";
import { recordedTokens } from "./usage.js";

/** Facts that the steps do not contain. */
type TrajectoryFacts = Partial<TrajectoryRecord> & Pick<TrajectoryRecord, "rollout_id" | "status" | "ts">;

/**
 * Builds the record that ends a rollout.
 *
 * @example
 * summaryRecord(steps, { rollout_id: "r1", status: "ok", ts: new Date().toISOString() });
 */
export function summaryRecord(steps: readonly StepRecord[], facts: TrajectoryFacts): TrajectoryRecord {
  const versions = steps.flatMap((step) => (step.policy_version === null ? [] : [step.policy_version]));
  return {
    kind: "trajectory",
    schema: TRAJECTORY_SCHEMA,
    task_id: null,
    group_id: null,
    rollout_index: null,
    attempt: 1,
    k: null,
    error: null,
    reward: null,
    reward_parts: {},
    verdicts: null,
    advantage: null,
    advantage_meta: null,
    n_steps: steps.length,
    policy_version_min: versions.length ? Math.min(...versions) : null,
    policy_version_max: versions.length ? Math.max(...versions) : null,
    policy_usage: usageOf(steps, "policy"),
    aux_usage: usageOf(steps, "aux"),
    branch: null,
    revision: null,
    episode: null,
    metadata: {},
    latency_ms: steps.reduce((sum, step) => sum + step.latency_ms, 0),
    ...facts,
  };
}

function usageOf(steps: readonly StepRecord[], role: CallRole): TrajectoryRecord["policy_usage"] {
  let total: CallUsage = NO_CALLS;
  for (const step of steps) {
    if (step.call_role !== role) continue;
    total = addCalls(total, { ...recordedTokens(step), latencyMs: step.latency_ms });
  }
  return {
    calls: total.calls,
    prompt_tokens: total.promptTokens,
    completion_tokens: total.completionTokens,
    latency_ms: total.latencyMs,
  };
}
