/**
 * Makes a chat model from a name and the environment: an OpenAI-compatible server, or a GGUF file run in this process.
 *
 * Owns resolving the name and setting up the client; leaves out the offline policy (the caller supplies it when
 * {@link chatModelSpec} says "offline"), local models (`gguf/`) and the wording of failures (`model-errors.ts`).
 */
import { ChatOpenAI } from "@langchain/openai";
import { ConfigError } from "../errors.js";
import { GgufChatModel } from "./gguf/chat-model.js";
import { parseGgufName } from "./gguf/spec.js";
import { checkRange, type Environment, endpoint, setting } from "./settings.js";

export { describeModelError, type ModelErrorContext } from "./model-errors.js";

/** Used when only a key is set. */
export const DEFAULT_CHAT_MODEL = "gpt-4o-mini";

export interface ChatModelOptions {
  /** 0 to 2; default: the server's, 1 for a local model. */
  temperature?: number;
  /** 0 to 1; default: the server's, 1 for a local model. */
  topP?: number;
  /** Maximum tokens per response. */
  maxTokens?: number;
  /** Sampling seed, for local models and servers that accept one. */
  seed?: number;
  /** Concurrent requests of a local model, unless its name sets `sequences`; default 1. */
  sequences?: number;
  /** Timeout of a request to a server, in milliseconds; default 120,000. */
  timeoutMs?: number;
  /** Retries after HTTP 429 with Retry-After, 5xx or a dropped connection; default 2. */
  maxRetries?: number;
  /**
   * Requests log-probabilities, keeps the raw response in `additional_kwargs.__raw_response` (strip it after
   * recording), and requests token ids (vLLM's `return_token_ids`) from any server but OpenAI's own. Turns streaming
   * off, because chunks lose part of this. Default false.
   */
  recordTokens?: boolean;
  /** Extra fields of the request body, such as vLLM's `top_k` or `chat_template_kwargs`. */
  body?: Record<string, unknown>;
}

/** A model name with its kind as prefix. */
export type ChatModelSpec = "offline" | `openai:${string}` | `gguf:${string}`;

/** A resolved model; recordings name it by `model`. */
export type ResolvedChatModel = ChatOpenAI | GgufChatModel;

function isGguf(spec: string): spec is `gguf:${string}` {
  return spec.startsWith("gguf:");
}

/**
 * Resolves which model to use: the argument, else AGEMEM_MODEL, else OpenAI's {@link DEFAULT_CHAT_MODEL} when
 * OPENAI_API_KEY is set and OPENAI_BASE_URL is not, else "offline". A name without a prefix is OpenAI-compatible too
 * (`qwen2.5:7b` keeps its colon). `gguf:FILE` is a file run in this process.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for an empty name, or OPENAI_BASE_URL without a model name
 * @example
 * chatModelSpec(undefined, { AGEMEM_MODEL: "qwen2.5:7b" }); // "openai:qwen2.5:7b"
 */
export function chatModelSpec(spec?: string, env: Environment = process.env): ChatModelSpec {
  const given = spec ?? setting(env, "AGEMEM_MODEL");
  if (given !== undefined) {
    if (isGguf(given.trim())) return given.trim() as ChatModelSpec;
    const name = given.trim().replace(/^openai:/, "");
    if (name === "offline") return "offline";
    if (name !== "") return `openai:${name}`;
    throw new ConfigError("AGEMEM_CONFIG_INVALID", `The model name "${given}" is empty`, {
      remedy: 'Give "offline", "openai:NAME" or "gguf:FILE".',
    });
  }
  if (setting(env, "OPENAI_BASE_URL") !== undefined) {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", "OPENAI_BASE_URL is set but no model is named", {
      remedy: "Set AGEMEM_MODEL to the name the server gives the model (GET /v1/models lists them).",
      details: { variable: "AGEMEM_MODEL" },
    });
  }
  return setting(env, "OPENAI_API_KEY") === undefined ? "offline" : `openai:${DEFAULT_CHAT_MODEL}`;
}

/**
 * Makes the chat model that {@link chatModelSpec} names: through OPENAI_API_KEY / OPENAI_BASE_URL (a base URL needs no
 * key), or a local file through `node-llama-cpp`. Nothing is sent or loaded yet, so most failures surface at the first
 * call; see `describeModelError`.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for "offline", a missing endpoint or file, or an option out of range
 * @example
 * const model = resolveChatModel("openai:gpt-4o-mini", { OPENAI_API_KEY: "sk-…" }, { temperature: 0 });
 * const local = resolveChatModel("gguf:./model.gguf?sequences=4");
 */
export function resolveChatModel(
  spec?: string,
  env: Environment = process.env,
  options: ChatModelOptions = {},
): ResolvedChatModel {
  const resolved = chatModelSpec(spec, env);
  if (resolved === "offline") {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", "No chat model is configured", {
      remedy:
        "Set OPENAI_API_KEY, OPENAI_BASE_URL and AGEMEM_MODEL for a local server, or AGEMEM_MODEL=gguf:FILE.",
    });
  }
  checkOptions(options);
  return isGguf(resolved) ? ggufModel(resolved, options) : openAIModel(resolved, env, options);
}

function ggufModel(spec: `gguf:${string}`, options: ChatModelOptions): GgufChatModel {
  const { temperature, topP, maxTokens, seed, sequences, recordTokens = false } = options;
  return new GgufChatModel({
    ...(sequences === undefined ? {} : { sequences }),
    ...parseGgufName(spec.slice("gguf:".length)),
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(seed === undefined ? {} : { seed }),
    recordTokens,
    // Retrying does not help: the prompt stays too long, the file stays broken.
    maxRetries: 0,
  });
}

/** The OpenAI client alone, for callers that need that type, such as rollouts. */
export function openAIModel(
  resolved: `openai:${string}`,
  env: Environment,
  options: ChatModelOptions,
): ChatOpenAI {
  checkOptions(options);
  const { apiKey, baseURL } = endpoint(env);
  const { temperature, topP, maxTokens, seed, recordTokens = false } = options;
  const modelKwargs: Record<string, unknown> = {
    ...options.body,
    ...(seed !== undefined && { seed }),
    ...(recordTokens && baseURL !== undefined && !isOpenAI(baseURL) && { return_token_ids: true }),
  };
  return new ChatOpenAI({
    model: resolved.slice("openai:".length),
    apiKey,
    ...(baseURL !== undefined && { configuration: { baseURL } }),
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { topP }),
    ...(maxTokens !== undefined && { maxTokens }),
    timeout: options.timeoutMs ?? 120_000,
    maxRetries: options.maxRetries ?? 2,
    useResponsesApi: false,
    ...(recordTokens && { logprobs: true, __includeRawResponse: true, disableStreaming: true }),
    ...(Object.keys(modelKwargs).length > 0 && { modelKwargs }),
  });
}

function checkOptions(options: ChatModelOptions): void {
  checkRange("temperature", options.temperature, 0, 2);
  checkRange("topP", options.topP, 0, 1);
  checkRange("maxTokens", options.maxTokens, 1, 10_000_000);
  checkRange("sequences", options.sequences, 1, 1024);
  checkRange("timeoutMs", options.timeoutMs, 1, 86_400_000);
  checkRange("maxRetries", options.maxRetries, 0, 100);
}

/** OpenAI's own API rejects unknown fields. */
function isOpenAI(baseURL: string): boolean {
  return /(^|\.)openai\.(com|azure\.com)$/.test(new URL(baseURL).hostname);
}
