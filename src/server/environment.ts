/**
 * Opens the store and models that environment variables describe, for the CLI and for deployed graphs.
 *
 * Owns the meaning and the default of each variable. Leaves out how models are built (`models/`).
 *
 * - `OPENAI_API_KEY`, `OPENAI_BASE_URL`, `AGEMEM_MODEL`: the acting model. Without any of them, or with the model
 *   "offline", rules stand in for a language model; "gguf:FILE" runs a model in this process
 * - `AGEMEM_EMBEDDINGS`: "lexical", "openai:NAME", "hf:NAME" or "hf:FOLDER"
 * - `AGEMEM_STORE`: "faiss:DIRECTORY" (default `faiss:.agemem/store`), "postgres:URL" for several machines, or
 *   "platform" for the store of the server that runs the graph. A deployed graph has no default store
 */
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import type { BaseStore } from "@langchain/langgraph";
import { z } from "zod";
import type { AgeMemAgentOptions } from "../agent/options.js";
import { ConfigError, messageOf, StoreError } from "../errors.js";
import { checkOptions, flag, type OptionShape, text } from "../lib/check-options.js";
import { DEFAULT_STORE, parseStoreSetting } from "../lib/store-setting.js";
import { chatModelSpec, resolveChatModel } from "../models/chat-model.js";
import { resolveEmbeddings } from "../models/embeddings.js";
import { counterOf } from "../models/tokens.js";
import { FaissStore } from "../store/faiss-store.js";
import { redact } from "../text/redaction.js";
import type { TokenCounter } from "../types.js";
import { offlinePolicy } from "./assistant.js";
import { PlatformStore } from "./platform-store.js";
import { isDevelopmentServer } from "./trust.js";

/** Everything an agent needs, opened. The caller closes `store`. */
export interface AgentEnvironment<Store extends BaseStore = FaissStore> {
  /** For `createAgeMemAgent`. */
  agent: Pick<AgeMemAgentOptions, "model" | "store" | "embeddings" | "counter">;
  store: Store;
  /** Counts tokens as the acting model does. */
  counter: TokenCounter;
  /** False if rules stand in for a language model. */
  live: boolean;
  modelName: string;
  /** Name of the embedding model. A `FaissStore` records it and later opens only with the same model. */
  embeddingName: string;
}

/** Overrides of the environment. */
export interface EnvironmentOptions {
  /** Default `process.env`. */
  env?: NodeJS.ProcessEnv;
  /** Used instead of `AGEMEM_STORE`: the directory of a `FaissStore`, or ":memory:". */
  storePath?: string;
  /**
   * Whether the caller is a graph on a server. If so, only LangGraph's development server uses the default directory
   * when `AGEMEM_STORE` is not set, because a container's files are lost with the container. Default false.
   */
  deployed?: boolean;
}

const environmentOptions = z.strictObject({
  // `process.env` is not a plain object.
  env: z.custom<object>((env) => typeof env === "object" && env !== null, "must be an object").optional(),
  storePath: text.optional(),
  deployed: flag.optional(),
} satisfies OptionShape<EnvironmentOptions>);

/**
 * Opens the store and the models that the environment names. The variables are listed in docs/deployment.md.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for wrong options or variables, `AGEMEM_PACKAGE_MISSING`; StoreError
 * `AGEMEM_STORE_*` if the store cannot be opened
 * @example
 * const { agent, store } = await openEnvironment();
 * const graph = createAgeMemAgent(agent);
 */
export async function openEnvironment(
  options: EnvironmentOptions & { storePath: string },
): Promise<AgentEnvironment>;
export async function openEnvironment(options?: EnvironmentOptions): Promise<AgentEnvironment<BaseStore>>;
export async function openEnvironment(
  options: EnvironmentOptions = {},
): Promise<AgentEnvironment<BaseStore>> {
  checkOptions(environmentOptions, options, "openEnvironment");
  const env = options.env ?? process.env;
  const setting = options.storePath ? `faiss:${options.storePath}` : env.AGEMEM_STORE;
  if (setting === undefined && options.deployed && !isDevelopmentServer(env)) throw noStoreNamed();
  const { embeddings, name: embeddingName } = await resolveEmbeddings(undefined, env);
  const live = chatModelSpec(undefined, env) !== "offline";
  const model = live ? resolveChatModel(undefined, env) : await offlinePolicy();
  const modelName = model.model;
  const counter = await counterOf(model);
  const store = await openStore(setting, { embeddings, embeddingName });
  return {
    agent: { model, store, embeddings, counter },
    store,
    counter,
    live,
    modelName,
    embeddingName,
  };
}

function noStoreNamed(): ConfigError {
  return new ConfigError(
    "AGEMEM_CONFIG_INVALID",
    "AGEMEM_STORE is not set, and the memories of a deployed graph would be lost with its container",
    { remedy: "Set AGEMEM_STORE=faiss:/path/on/a/volume | postgres:URL | platform." },
  );
}

interface IndexModel {
  embeddings: EmbeddingsInterface;
  embeddingName: string;
}

async function openStore(setting: string | undefined, model: IndexModel): Promise<BaseStore> {
  const named = parseStoreSetting(setting ?? DEFAULT_STORE);
  if (named.kind === "platform") return new PlatformStore();
  if (named.kind === "postgres") return openPostgres(named.url, model);
  return FaissStore.open(named.directory, { index: { ...model, fields: ["content"] } });
}

/** In a variable so that bundlers do not follow it: only users of PostgreSQL have the package. */
const POSTGRES: string = "@langchain/langgraph-checkpoint-postgres/store";

async function openPostgres(url: string, { embeddings }: IndexModel): Promise<BaseStore> {
  let loaded: typeof import("@langchain/langgraph-checkpoint-postgres/store");
  try {
    loaded = await import(POSTGRES);
  } catch (cause) {
    throw new ConfigError(
      "AGEMEM_PACKAGE_MISSING",
      "AGEMEM_STORE names PostgreSQL, whose store is not installed",
      {
        cause,
        remedy: "npm install @langchain/langgraph-checkpoint-postgres",
      },
    );
  }
  const dims = (await embeddings.embedQuery("dimension")).length;
  const embed = (texts: string[]) => embeddings.embedDocuments(texts);
  const store = loaded.PostgresStore.fromConnString(url, { index: { dims, embed, fields: ["content"] } });
  try {
    await store.setup();
  } catch (cause) {
    await store.stop().catch(() => undefined);
    throw new StoreError(
      "AGEMEM_STORE_PATH",
      `PostgreSQL at ${redact(url)} cannot be used: ${messageOf(cause)}`,
      {
        cause,
        remedy: "Check that the URL is right, the server is running, and it has the pgvector extension.",
      },
    );
  }
  return store;
}
