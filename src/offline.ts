/**
 * Rules that stand in for a language model: for demos, tests and first rollouts without a key.
 *
 * Importing `agemem` loads none of it.
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
