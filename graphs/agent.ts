/**
 * The deployable agent of `langgraph.json`: `createAgeMemAgent` on what the environment names, as an assistant sets it.
 *
 * A factory without I/O at import. `AGEMEM_STORE` must be set, except under `langgraphjs dev`: a container's disk is not
 * a volume. Store and models are opened once per process; the tools hold the store themselves,
 * because the server replaces the one a graph was compiled with.
 */
import { assistantOptions, createAgeMemAgent, openEnvironment, readAssistantSettings } from "../src/index.js";

type Agent = ReturnType<typeof createAgeMemAgent>;
interface FactoryConfig {
  configurable?: Record<string, unknown>;
  context?: Record<string, unknown>;
}

let opened: ReturnType<typeof openEnvironment> | undefined;
const built = new Map<string, Agent>();

/** Called by the server per run; a failed opening is tried again at the next one. */
export async function graph(
  config: FactoryConfig = {},
  runtime: { executionRuntime?: { context?: Record<string, unknown> } | null } = {},
): Promise<Agent> {
  opened ??= openEnvironment({ deployed: true }).catch((error) => {
    opened = undefined;
    throw error;
  });
  const environment = await opened;
  const context = runtime?.executionRuntime?.context;
  const settings = readAssistantSettings(config.configurable, config.context, context);
  const key = JSON.stringify(settings);
  const agent = built.get(key) ?? createAgeMemAgent(assistantOptions(environment.agent, settings));
  // A few assistants share a process; a run's own settings must not fill it.
  if (built.size >= 100) built.clear();
  built.set(key, agent);
  return agent;
}
