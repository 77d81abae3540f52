/**
 * The agent as environment variables describe it: what the CLI and the deployed graph run on.
 *
 * Owns which variable means what and the defaults. Leaves out how models are built (`models/`).
 *
 * - `OPENAI_API_KEY`, `OPENAI_BASE_URL`, `AGEMEM_MODEL`: the acting model; none of them, or the model "offline", means
 *   the rule policy
 * - `AGEMEM_EMBEDDINGS`: "lexical", "openai:NAME", "hf:NAME"
 * - `AGEMEM_STORE`: "faiss:DIRECTORY"; default `faiss:.agemem/store`
 */
import { ConfigError } from "../errors.js";
import { chatModelSpec, resolveChatModel } from "../models/chat-model.js";
import { resolveEmbeddings } from "../models/embeddings.js";
import { OFFLINE_POLICY_NAME, OfflinePolicy } from "../models/offline-policy.js";
import { tokenCounter } from "../models/tokens.js";
import { FaissStore } from "../store/faiss-store.js";
import type { TokenCounter } from "../types.js";
import type { AgeMemAgentOptions } from "./options.js";

/** Everything an agent needs, opened. */
export interface Environment {
  /** For `createAgeMemAgent`. */
  agent: Pick<AgeMemAgentOptions, "model" | "store" | "embeddings" | "counter">;
  store: FaissStore;
  counter: TokenCounter;
  /** False when the rules stand in for a model. */
  live: boolean;
  modelName: string;
  embeddingName: string;
}

/** Overrides of what the environment says. */
export interface EnvironmentOptions {
  env?: NodeJS.ProcessEnv;
  /** Directory of the store, or ":memory:". */
  storePath?: string;
}

/**
 * Opens store and models.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID`, `AGEMEM_PACKAGE_MISSING`; StoreError `AGEMEM_STORE_*`
 * @example
 * const { agent, store } = await openEnvironment();
 * const graph = createAgeMemAgent(agent);
 */
export async function openEnvironment(options: EnvironmentOptions = {}): Promise<Environment> {
  const env = options.env ?? process.env;
  const { embeddings, name: embeddingName } = await resolveEmbeddings(undefined, env);
  const chat = chatModelSpec(undefined, env) === "offline" ? undefined : resolveChatModel(undefined, env);
  const model = chat ?? new OfflinePolicy();
  const modelName = chat?.model ?? OFFLINE_POLICY_NAME;
  const counter = tokenCounter(modelName);
  const store = await FaissStore.open(options.storePath ?? storePath(env), {
    index: { embeddings, embeddingName, fields: ["content"] },
  });
  return {
    agent: { model, store, embeddings, counter },
    store,
    counter,
    live: chat !== undefined,
    modelName,
    embeddingName,
  };
}

function storePath(env: NodeJS.ProcessEnv): string {
  const setting = env.AGEMEM_STORE ?? "faiss:.agemem/store";
  if (setting.startsWith("faiss:") && setting.length > "faiss:".length) return setting.slice("faiss:".length);
  throw new ConfigError("AGEMEM_CONFIG_INVALID", `AGEMEM_STORE is "${setting}"`, {
    remedy: "Set it to faiss:DIRECTORY, or leave it out.",
    details: { setting },
  });
}
