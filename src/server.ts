/**
 * The agent on LangGraph's server: environment, assistants, and who may do what. `graphs/agent.ts` uses it.
 *
 * @module agemem/server
 */
export {
  type BranchingStore,
  branchesInCheckpoints,
  discardThreadBranches,
  type SweepOptions,
  sweepThreadBranches,
} from "./agent/branches/thread-memory.js";
export { type AssistantSettings, assistantOptions, readAssistantSettings } from "./server/assistant.js";
export { type AgentEnvironment, type EnvironmentOptions, openEnvironment } from "./server/environment.js";
export {
  type AuthAnswer,
  type AuthRequest,
  type OwnedByUsersOptions,
  ownedByUsers,
  type RefuseUnguardedOptions,
  refuseUnguarded,
} from "./server/owned-by-users.js";
export { type ServedAgent, servedAgent } from "./server/served-agent.js";
