/**
 * For your tests: a scripted chat model, a local OpenAI-compatible server, and the conformance suite for stores.
 *
 * @module agemem/testing
 */
export { type OpenAIServer, type OpenAIServerOptions, startOpenAIServer } from "./testing/openai-server.js";
export {
  ScriptError,
  type ScriptedCall,
  ScriptedChatModel,
  type ScriptedStep,
} from "./testing/scripted-model.js";
export type { StoreCapabilities, StoreCase } from "./testing/store-cases/case.js";
export {
  type ConformanceIndex,
  letterIndex,
  type StoreConformanceOptions,
  storeCases,
  storeConformance,
} from "./testing/store-conformance.js";
