/**
 * The policy of a run, behind an OpenAI-compatible endpoint or in a local file: records tokens, retries patiently, and
 * can be seeded per rollout.
 *
 * Owns how a model is set up for rollouts. Leaves out resolving its name (`models/chat-model.ts`) and retries
 * (`patient-fetch.ts`).
 */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import type { ChatOpenAI, ChatOpenAIFields } from "@langchain/openai";
import { sha256 } from "../../lib/hash.js";
import { type ChatModelOptions, type ResolvedChatModel, resolveChatModel } from "../../models/chat-model.js";
import { directChatModel } from "../../models/direct-completions.js";
import { GgufChatModel } from "../../models/gguf/chat-model.js";
import { counterOf } from "../../models/tokens.js";
import type { TokenCounter } from "../../types.js";
import type { RolloutIdentity } from "../options.js";
import { keepAliveFetch } from "./keep-alive-fetch.js";
import { type PatienceOptions, type PatienceStats, PatientFetch } from "./patient-fetch.js";

/** Which endpoint, how it samples, and how patiently it is called. */
export interface PolicyEndpointOptions {
  /** `openai:NAME`, or `gguf:FILE` for a model in this process; default AGEMEM_MODEL. */
  model?: string;
  /** Default OPENAI_BASE_URL. */
  baseURL?: string;
  /** Default OPENAI_API_KEY. */
  apiKey?: string;
  /** Default: temperature 1 and top_p 1, so that the log-probabilities are those of the policy itself. */
  sampling?: Pick<ChatModelOptions, "temperature" | "topP" | "maxTokens" | "body">;
  /** Sends a seed derived from the rollout's, a different one for each. Default false: the server seeds itself. */
  sendSeed?: boolean;
  patience?: PatienceOptions;
}

/** A served policy. */
export interface PolicyEndpoint {
  /** For `RolloutOptions.policy`. */
  policy: (rollout: RolloutIdentity) => BaseChatModel;
  modelName: string;
  /** Requests, retries and waiting so far; all 0 for a local model. */
  readonly stats: Readonly<PatienceStats>;
  /** Loads a local model, so that a run fails early if it cannot be; returns the token counter that fits the model. */
  ready(): Promise<TokenCounter>;
}

/**
 * Sets the endpoint up; sends nothing yet. Each call will ask for log-probabilities, and for token ids unless the
 * server is OpenAI's, which has none.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` as `resolveChatModel`
 * @example
 * const { policy } = policyEndpoint({ model: "openai:qwen", baseURL: "http://127.0.0.1:8000/v1" });
 */
export function policyEndpoint(options: PolicyEndpointOptions = {}): PolicyEndpoint {
  const env = {
    ...process.env,
    ...(options.baseURL === undefined ? {} : { OPENAI_BASE_URL: options.baseURL }),
    ...(options.apiKey === undefined ? {} : { OPENAI_API_KEY: options.apiKey }),
  };
  const patient = new PatientFetch({ fetch: keepAliveFetch(), ...options.patience });
  const build = (seed?: number): ResolvedChatModel => {
    const model = resolveChatModel(options.model, env, {
      temperature: 1,
      topP: 1,
      ...options.sampling,
      ...(seed === undefined ? {} : { seed }),
      sequences: options.patience?.concurrency ?? 1,
      recordTokens: true,
    });
    // Models of the same local file share the loaded weights.
    return model instanceof GgufChatModel ? model : withFetch(model, patient.fetch);
  };
  const shared = build();
  return {
    policy: ({ seed }) => (options.sendSeed ? build(seedNumber(seed)) : shared),
    modelName: shared.model,
    stats: patient.stats,
    ready: () => counterOf(shared),
  };
}

/**
 * How many rollouts keep an endpoint busy: half as many again as it takes requests, because some rollouts are always
 * storing, counting or judging instead of waiting for the model.
 *
 * @param requests concurrent requests, of all processes together
 * @returns concurrent rollouts, for `RolloutOptions.concurrency`
 * @example
 * const { policy } = policyEndpoint({ patience: { concurrency: 64 } });
 * await streamRollouts(tasks, { policy, store, judge, concurrency: rolloutsFor(64) });
 */
export function rolloutsFor(requests: number): number {
  return Math.floor(1.5 * requests);
}

/** The same model over another `fetch`, which does all retrying; the rollout's own time limit ends a call. */
function withFetch(model: ChatOpenAI, fetch: typeof globalThis.fetch): ChatOpenAI {
  // The stored fields lack the last one; see `recordTokens`.
  return directChatModel({ ...(model.lc_kwargs as ChatOpenAIFields), __includeRawResponse: true }, fetch);
}

/** 31 bits, which every server accepts. */
function seedNumber(seed: string): number {
  return Number.parseInt(sha256(seed).slice(0, 8), 16) >>> 1;
}
