/**
 * Memory that a LangGraph.js agent manages itself: the entry point for applications.
 *
 * Other entry points: `agemem/server` for LangGraph's server, `agemem/training` for training, `agemem/offline` for rules
 * in place of a model, `agemem/testing` for tests.
 *
 * @module agemem
 */

// The agent, and the tools for graphs of your own
export { type AgeMemAgent, createAgeMemAgent } from "./agent/agent.js";
export { AgeMemFilterEdit } from "./agent/middleware/filter-edit.js";
export { ageMemMiddleware } from "./agent/middleware/middleware.js";
export type { AgeMemFilterEditConfig, AgeMemMiddlewareConfig } from "./agent/middleware/options.js";
export type { ApprovalRequest, ApprovalResponse } from "./agent/nodes/approval.js";
export type { AgeMemAgentOptions } from "./agent/options.js";
export { AgentState } from "./agent/state.js";
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
  InputError,
  ModelError,
  StoreError,
} from "./errors.js";
// Costs
export { costOf, type Prices, totalUsage, type UsageByOperation } from "./lib/usage.js";
// Models
export { resolveChatModel } from "./models/chat-model.js";
export { resolveEmbeddings } from "./models/embeddings.js";
export { GgufChatModel } from "./models/gguf/chat-model.js";
export { HfEmbeddings } from "./models/hf/embeddings.js";
export { LateInteractionReranker } from "./models/hf/late-interaction.js";
export { LexicalEmbeddings } from "./models/lexical-embeddings.js";
export { tokenCounter } from "./models/tokens.js";
export { FaissStore } from "./store/faiss-store.js";
export type { FaissStoreOptions } from "./store/options.js";
export type { SearchItem, SearchMode } from "./store/search/search-options.js";
export type { StoreStats } from "./store/upkeep/stats.js";
// Long-term memory
export type { StoreIndexOptions } from "./store/vectors/embedder.js";
export type { MemoryLimits } from "./tools/limits.js";
export { memoryGate } from "./tools/memory-gate.js";
export { createMemoryTools } from "./tools/memory-tools.js";
export type { MemoryToolsOptions } from "./tools/toolkit.js";
export { hashNamespaces } from "./tools/tracing.js";
export type {
  MemoryOp,
  MemoryOpOutcome,
  MemoryValue,
  StoreVersion,
  TokenCounter,
  VersionedStore,
} from "./types.js";
