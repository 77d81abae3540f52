/**
 * From a name and the environment to a chat model: one that speaks the OpenAI protocol, or a file run in this process.
 *
 * Owns which model is meant and how the client is set up; leaves out the offline policy (the caller's, when
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
  /** Most tokens of one response. */
  maxTokens?: number;
  /** Sampling seed, for local models and servers that take one. */
  seed?: number;
  /** Requests a local model answers at the same time, where its name does not say; default 1. */
  sequences?: number;
  /** Milliseconds one request to a server may take; default 120,000. */
  timeoutMs?: number;
  /** Times a request is repeated after HTTP 429 with Retry-After, 5xx or a dropped connection; default 2. */
  maxRetries?: number;
  /**
   * Asks for log-probabilities, keeps the raw response in `additional_kwargs.__raw_response` (strip it after
   * recording), and asks any server but OpenAI's own for token ids (vLLM's `return_token_ids`). Streaming is then off,
   * as streamed chunks lose part of this. Default false.
   */
  recordTokens?: boolean;
  /** Further fields of the request body, such as vLLM's `top_k` or `chat_template_kwargs`. */
  body?: Record<string, unknown>;
}

/** A name with its kind. */
export type ChatModelSpec = "offline" | `openai:${string}` | `gguf:${string}`;

/** A resolved model; `model` is its name in recordings. */
export type ResolvedChatModel = ChatOpenAI | GgufChatModel;

function isGguf(spec: string): spec is `gguf:${string}` {
  return spec.startsWith("gguf:");
}

/**
 * Which model is meant: the argument, else AGEMEM_MODEL, else OpenAI's {@link DEFAULT_CHAT_MODEL} when OPENAI_API_KEY
 * is set (and no other base URL), else "offline". A name without "openai:" is an OpenAI-compatible model's too
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
 * The chat model of {@link chatModelSpec}: over OPENAI_API_KEY / OPENAI_BASE_URL (a base URL works without a key), or a
 * local file through `node-llama-cpp`. Nothing is sent or loaded yet: failures show at the first call, see
 * `describeModelError`.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for "offline" (the caller's), a missing endpoint or file, or an option out
 * of range
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
    // A prompt that is too long, or a file that is broken, is so the next time as well.
    maxRetries: 0,
  });
}

/** Also for those who need OpenAI's client itself, such as rollouts. */
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

/** OpenAI's own API refuses fields it does not know. */
function isOpenAI(baseURL: string): boolean {
  return /(^|\.)openai\.(com|azure\.com)$/.test(new URL(baseURL).hostname);
}
