/**
 * Rollouts, records, rewards and advantages for an external GRPO trainer: the researcher's entry point.
 *
 * @module agemem/training
 */

// Tasks
export { type DataNotice, type HotpotQaOptions, loadHotpotQa } from "./evaluation/datasets/hotpotqa.js";
export { loadJsonlTasks } from "./evaluation/datasets/jsonl-tasks.js";
export { type LocomoOptions, loadLocomo } from "./evaluation/datasets/locomo.js";
// Recordings: scoring them again, and what they hold
export { type RecordingStats, recordingStats } from "./evaluation/metrics/recording-stats.js";
export { findLeaks, type Leak, padDistractors } from "./evaluation/tasks/padding.js";
export { generateTasks, type SyntheticOptions, type TaskShape } from "./evaluation/tasks/synthetic.js";
// Advantages
export {
  ADVANTAGE_PRESETS,
  broadcast,
  type GroupAdvantages,
  groupAdvantages,
  withAdvantages,
} from "./grpo.js";
export {
  costOf,
  type OperationUsage,
  type Price,
  type Prices,
  totalUsage,
  type UsageByOperation,
} from "./lib/usage.js";
// Rewards
export { type Judge, type JudgedEpisode, judgeEpisode } from "./rewards/judge.js";
export { DiskJudgeCache } from "./rewards/judges/disk-cache.js";
export { createLlmJudge, type JudgeCache, type LlmJudgeOptions } from "./rewards/judges/llm.js";
export { createOfflineJudge } from "./rewards/judges/offline.js";
export {
  REWARD_PRESETS,
  type RewardOptions,
  type RewardWeights,
  type Score,
  scoreEpisode,
  scoreTrajectory,
} from "./rewards/reward.js";
export { type AgentLightningRollout, agentLightning } from "./rollout/adapters/agent-lightning.js";
export { type TrinityReport, trinityProxy } from "./rollout/adapters/trinity.js";
export type { GroupResult, GroupSummary } from "./rollout/group.js";
export {
  type PolicyEndpoint,
  type PolicyEndpointOptions,
  policyEndpoint,
  rolloutsFor,
} from "./rollout/http/endpoint.js";
export { type PatienceOptions, PatientFetch } from "./rollout/http/patient-fetch.js";
export type { RolloutIdentity, RolloutOptions } from "./rollout/options.js";
export type { RolloutProgress } from "./rollout/progress.js";
export { type RescoreOptions, type RescoreReport, rescoreFile } from "./rollout/rescore.js";
export { type RunHooks, type RunSummary, runRollouts, streamRollouts } from "./rollout/runner.js";
// Three-stage rollouts in groups of K
export {
  createRolloutGraph,
  type RolloutGraphOptions,
  type RolloutGroupOutput,
} from "./rollout/service/graph.js";
export { type RolloutRequest, rolloutRequest } from "./rollout/service/request.js";
export type { OpenRollouts, WorkerSetup } from "./rollout/workers/messages.js";
export { type WorkerOptions, WorkerPool } from "./rollout/workers/pool.js";
// Reading recordings: what happened, why an answer lacked a fact, what it cost; LangSmith
export { createFactMatcher, type FactMatcher } from "./text/fact-match.js";
// Exports to trainers
export { type Exporter, exportRollouts } from "./trajectory/exporter.js";
export { EXPORTERS, exporterByName } from "./trajectory/exporters/registry.js";
export { ROW_SCHEMAS, rowsJsonSchema } from "./trajectory/exporters/row-schemas.js";
// Records
export {
  type FileReport,
  type Rollout,
  readRollouts,
  readTrajectoryFile,
  TrajectoryWriter,
  validateFile,
} from "./trajectory/file.js";
export { trajectoryJsonSchema } from "./trajectory/json-schema.js";
export {
  type FeedbackClient,
  type FeedbackOptions,
  sendRewardFeedback,
} from "./trajectory/langsmith-feedback.js";
export { type RecorderOptions, TrajectoryRecorder } from "./trajectory/recorder.js";
export { type StepRecord, TRAJECTORY_SCHEMA, type TrajectoryRecord } from "./trajectory/schema.js";
export { summaryRecord } from "./trajectory/summary-record.js";
export type { TraceEvent } from "./trajectory/trace/events.js";
export { type ConversationTrace, type TraceOptions, traceRecords } from "./trajectory/trace/trace.js";
export { type FactVerdict, VERDICTS, type Verdict } from "./trajectory/trace/verdict.js";
export { usageOfSteps } from "./trajectory/usage.js";
export type { MemoryTask, Passage } from "./types.js";
