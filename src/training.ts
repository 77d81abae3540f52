/** Rollouts, records, rewards and advantages for an external GRPO trainer: the researcher's entry point. */

// Tasks
export { type DataNotice, type HotpotQaOptions, loadHotpotQa } from "./benchmarks/datasets/hotpotqa.js";
export { loadJsonlTasks } from "./benchmarks/datasets/jsonl-tasks.js";
export type { MemoryTask, Passage } from "./types.js";

// Three-stage rollouts in groups of K
export type { GroupResult } from "./rollout/group.js";
export type { RolloutIdentity, RolloutOptions } from "./rollout/options.js";
export { type RolloutProgress, type RunHooks, runRollouts } from "./rollout/runner.js";

// Rewards
export { type Judge, type JudgedEpisode, judgeEpisode } from "./rewards/judge.js";
export { createLlmJudge } from "./rewards/judges/llm.js";
export { createOfflineJudge } from "./rewards/judges/offline.js";
export { REWARD_PRESETS, type RewardOptions, type RewardWeights, type Score, scoreEpisode } from "./rewards/reward.js";

// Advantages
export { ADVANTAGE_PRESETS, broadcast, type GroupAdvantages, groupAdvantages } from "./grpo.js";

// Records
export {
  type FileReport,
  readRollouts,
  readTrajectoryFile,
  type Rollout,
  TrajectoryWriter,
  validateFile,
} from "./trajectory/file.js";
export { type RecorderOptions, TrajectoryRecorder } from "./trajectory/recorder.js";
export { type StepRecord, TRAJECTORY_SCHEMA, type TrajectoryRecord } from "./trajectory/schema.js";
export { summaryRecord } from "./trajectory/summary-record.js";
