/**
 * Memory that a LangGraph.js agent manages itself: the application's entry point.
 *
 * What runs on LangGraph's server is in `agemem/server`, training in `agemem/training`, tools for tests in
 * `agemem/testing`.
 *
 * @module agemem
 */

// The agent, and the tools for graphs of your own
export { type AgeMemAgent, createAgeMemAgent } from "./agent/agent.js";
export {
  type BranchingStore,
  branchesInCheckpoints,
  discardThreadBranches,
  type SweepOptions,
  sweepThreadBranches,
} from "./agent/branches/thread-memory.js";
export { AgeMemFilterEdit } from "./agent/middleware/filter-edit.js";
export { ageMemMiddleware } from "./agent/middleware/middleware.js";
export type { AgeMemFilterEditConfig, AgeMemMiddlewareConfig } from "./agent/middleware/options.js";
export type { ApprovalRequest, ApprovalResponse } from "./agent/nodes/approval.js";
export type { AgeMemAgentOptions } from "./agent/options.js";
export { AgentState, type AgentStateValue, type AgentStatus } from "./agent/state.js";
export type { AgentUsage } from "./agent/usage.js";
// Short-term memory
export { ContextArchive } from "./context/archive.js";
export type { ContextBudget } from "./context/budget.js";
export { restoreEdit } from "./context/edits/restore.js";
// Vocabulary and errors
export {
  AccessError,
  AgeMemError,
  type AgeMemErrorCode,
  ConfigError,
  ERROR_CODES,
  InputError,
  ModelError,
  StoreError,
} from "./errors.js";
// Costs
export {
  costOf,
  type ModelTokens,
  type OperationUsage,
  type Price,
  type Prices,
  totalUsage,
  type UsageByOperation,
  type UsageKey,
} from "./lib/usage.js";
// Models
export { type ChatModelOptions, type ResolvedChatModel, resolveChatModel } from "./models/chat-model.js";
export { resolveEmbeddings } from "./models/embeddings.js";
export { GgufChatModel, type GgufChatModelFields } from "./models/gguf/chat-model.js";
export { HfEmbeddings, type HfEmbeddingsOptions } from "./models/hf-embeddings.js";
export { LexicalEmbeddings } from "./models/lexical-embeddings.js";
export { tokenCounter } from "./models/tokens.js";
export { FaissStore } from "./store/faiss-store.js";
export type { FaissStoreOptions } from "./store/options.js";
export type { PromoteConflict, PromoteOptions, PromoteResult } from "./store/promote.js";
export type { MemorySearchOptions, SearchItem, SearchMode } from "./store/search/search-options.js";
export { FaissStoreView } from "./store/store-view.js";
export type { StoreStats } from "./store/upkeep/stats.js";
export type { VacuumOptions, VacuumResult } from "./store/upkeep/vacuum.js";
export type { VerifyResult } from "./store/upkeep/verify.js";
// Long-term memory
export type { StoreIndexOptions } from "./store/vectors/embedder.js";
export type { StoreWarning } from "./store/vectors/index-kind.js";
export type { MemoryLimits } from "./tools/limits.js";
export { memoryGate } from "./tools/memory-gate.js";
export { createMemoryTools } from "./tools/memory-tools.js";
export type { MemoryToolsOptions } from "./tools/toolkit.js";
export { hashNamespaces } from "./tools/tracing.js";
export {
  type ItemRevision,
  isVersionedStore,
  MEMORY_OPS,
  type MemoryOp,
  type MemoryOpOutcome,
  type MemoryValue,
  PAPER_TOOL_NAMES,
  type StoreVersion,
  type TokenCounter,
  type VersionedStore,
} from "./types.js";
