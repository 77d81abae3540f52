/**
 * The agent for LangGraph's server: a factory that the server calls for each run.
 *
 * Owns what a run can choose about the agent: settings, if they are trusted (`trust.ts`). Store and models come from the
 * environment and are opened once per process. Leaves out who may read a thread, which only the server's auth can check
 * (`owned-by-users.ts`).
 */
import { LRUCache } from "lru-cache";
import { type AgeMemAgent, createAgeMemAgent } from "../agent/agent.js";
import { forClients } from "../errors.js";
import { valueNames } from "../lib/namespace.js";
import { DEFAULT_NAMESPACE } from "../tools/toolkit.js";
import {
  type AssistantSettings,
  assistantOptions,
  readAssistantSettings,
  refuseMisspelled,
  serverSettings,
} from "./assistant.js";
import { type AgentEnvironment, openEnvironment } from "./environment.js";
import { claimThreads } from "./thread-claim.js";
import { admit, type Trust, trustNotice, trustOf } from "./trust.js";

/** The config that the server passes to a factory. */
export interface ServedConfig {
  configurable?: Record<string, unknown>;
  context?: unknown;
  /** The run's metadata, merged over that of its thread and assistant. */
  metadata?: Record<string, unknown>;
}

/** What the server says about the call. `accessContext` is "threads.create_run" only for a run. */
export interface ServedRuntime {
  accessContext?: string;
  executionRuntime?: { context?: unknown } | null;
}

/** The factory, for the `graphs` of `langgraph.json`. */
export type ServedAgent = (config?: ServedConfig, runtime?: ServedRuntime) => Promise<AgeMemAgent>;

/**
 * Makes the factory, and emits a process warning if runs may name their user themselves. Nothing is opened before the
 * first call; if opening fails, the next call tries again.
 *
 * A run fails with `AGEMEM_AUTH_REQUIRED`, `AGEMEM_AUTH_UNGUARDED`, `AGEMEM_AUTH_FORBIDDEN`, `AGEMEM_THREAD_OWNER` or
 * `AGEMEM_CONFIG_INVALID` before it writes anything. Code and remedy are in the message, because clients of a server
 * get only that.
 *
 * @param env default `process.env`, read when the store and models are opened
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for an `AGEMEM_TRUST_*` that is neither 1 nor 0
 * @example
 * export const graph = servedAgent();
 */
export function servedAgent(env: NodeJS.ProcessEnv = process.env): ServedAgent {
  const notice = trustNotice(trustOf(env));
  if (notice) process.emitWarning(notice, { type: "AgememWarning", code: "AGEMEM_TRUST_CLIENT" });
  let opened: Promise<Served> | undefined;
  return async (config = {}, runtime = {}) => {
    opened ??= open(env).catch((error) => {
      opened = undefined;
      throw error;
    });
    try {
      return await agentFor(await opened, config, runtime);
    } catch (error) {
      throw forClients(error);
    }
  };
}

interface Served {
  agent: AgentEnvironment["agent"];
  trust: Trust;
  settings: AssistantSettings;
  /** Agents by their settings; bounded, because runs may bring settings of their own. */
  built: LRUCache<string, AgeMemAgent>;
}

async function open(env: NodeJS.ProcessEnv): Promise<Served> {
  const [trust, settings] = [trustOf(env), serverSettings(env)];
  const { agent } = await openEnvironment({ env, deployed: true });
  return { agent, trust, settings, built: new LRUCache({ max: 100 }) };
}

async function agentFor(served: Served, config: ServedConfig, runtime: ServedRuntime): Promise<AgeMemAgent> {
  const settings = { ...served.settings, ...settingsOfRun(served, config, runtime) };
  const key = JSON.stringify(settings);
  const agent = served.built.get(key) ?? createAgeMemAgent(await assistantOptions(served.agent, settings));
  served.built.set(key, agent);
  // The server sets store and checkpointer on this object, so concurrent runs must not share it.
  return claimThreads(agent.withConfig({}) as AgeMemAgent, settings.namespace ?? DEFAULT_NAMESPACE);
}

/** The settings of a run. Reading a state runs nothing, so settings of the thread's earlier runs are ignored then. */
function settingsOfRun(served: Served, config: ServedConfig, runtime: ServedRuntime): AssistantSettings {
  const { accessContext = "threads.create_run", executionRuntime } = runtime;
  if (accessContext !== "threads.create_run") return {};
  const sources = [config.configurable, config.context, executionRuntime?.context].map(asRecord);
  const template = served.settings.namespace ?? DEFAULT_NAMESPACE;
  const claims = { sources, metadata: asRecord(config.metadata) };
  if (!admit(served.trust, claims, valueNames(template).length > 0)) return {};
  const settings = readAssistantSettings(...sources);
  refuseMisspelled(sources, settings.namespace ?? template);
  return settings;
}

function asRecord(value: unknown): object {
  return typeof value === "object" && value !== null ? value : {};
}
