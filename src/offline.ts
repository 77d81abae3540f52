/**
 * Rules that stand in for a language model: for demos, tests and first rollouts without a key.
 *
 * An application that imports `agemem` loads nothing of this.
 *
 * @module agemem/offline
 */
export {
  OFFLINE_POLICY_NAME,
  OfflinePolicy,
  type OfflinePolicyCallOptions,
  type OfflinePolicyOptions,
} from "./offline/policy.js";
export { OfflineSummarizer, type OfflineSummarizerOptions } from "./offline/summarizer.js";
