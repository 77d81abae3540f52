/**
 * Rollouts, records, rewards and advantages for an external GRPO trainer: the entry point for researchers.
 *
 * @module agemem/training
 */

// Tasks
export { loadHotpotQa } from "./evaluation/datasets/hotpotqa.js";
export { loadJsonlTasks } from "./evaluation/datasets/jsonl-tasks.js";
export { loadLocomo } from "./evaluation/datasets/locomo.js";
export { recordingStats } from "./evaluation/metrics/recording-stats.js";
export { findLeaks, padDistractors } from "./evaluation/tasks/padding.js";
export { generateTasks } from "./evaluation/tasks/synthetic.js";
// Advantages
export { ADVANTAGE_PRESETS, groupAdvantages, withAdvantages } from "./grpo.js";
// What a recording cost
export { costOf, totalUsage } from "./lib/usage.js";
// Rewards
export { type Judge, judgeEpisode } from "./rewards/judge.js";
export { DiskJudgeCache } from "./rewards/judges/disk-cache.js";
export { createLlmJudge, type JudgeCache, type LlmJudgeOptions } from "./rewards/judges/llm.js";
export { createOfflineJudge } from "./rewards/judges/offline.js";
export {
  REWARD_PRESETS,
  type RewardOptions,
  type RewardWeights,
  scoreEpisode,
  scoreTrajectory,
} from "./rewards/reward.js";
export { agentLightning } from "./rollout/adapters/agent-lightning.js";
export { trinityProxy } from "./rollout/adapters/trinity.js";
// Three-stage rollouts in groups of K
export type { GroupResult } from "./rollout/group.js";
export type { RunHooks } from "./rollout/hooks.js";
export { type PolicyEndpointOptions, policyEndpoint, rolloutsFor } from "./rollout/http/endpoint.js";
export { type PatienceOptions, PatientFetch } from "./rollout/http/patient-fetch.js";
export type { RolloutIdentity, RolloutOptions } from "./rollout/options.js";
export type { RolloutProgress } from "./rollout/progress.js";
export { rescoreFile } from "./rollout/rescore.js";
export { type RunSummary, runRollouts, streamRollouts } from "./rollout/runner.js";
export { createRolloutGraph, type RolloutGraphOptions } from "./rollout/service/graph.js";
export { createRolloutService, type RolloutServiceOptions } from "./rollout/service/http.js";
export { rolloutRequest } from "./rollout/service/request.js";
export type { WorkerSetup } from "./rollout/workers/messages.js";
export { type WorkerOptions, WorkerPool } from "./rollout/workers/pool.js";
// Exports to trainers
export { exportRollouts } from "./trajectory/exporter.js";
export { EXPORTERS } from "./trajectory/exporters/registry.js";
export { rowsJsonSchema } from "./trajectory/exporters/row-schemas.js";
// Records
export {
  type Rollout,
  readRollouts,
  readTrajectoryFile,
  TrajectoryWriter,
  validateFile,
} from "./trajectory/file.js";
export { trajectoryJsonSchema } from "./trajectory/json-schema.js";
export { sendRewardFeedback } from "./trajectory/langsmith-feedback.js";
export { type RecorderOptions, TrajectoryRecorder } from "./trajectory/recorder.js";
export type { StepRecord, TrajectoryRecord } from "./trajectory/schema.js";
export { summaryRecord } from "./trajectory/summary-record.js";
// Why an answer lacked a fact
export { type ConversationTrace, traceRecords } from "./trajectory/trace/trace.js";
export { usageOfSteps } from "./trajectory/usage.js";
export type { MemoryTask } from "./types.js";
