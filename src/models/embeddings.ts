/**
 * Makes an embedding model from a name and the environment, with the identity a store records beside its vectors.
 *
 * Leaves out the wording of failures (`model-errors.ts`) and how a store uses the name.
 */
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import { OpenAIEmbeddings } from "@langchain/openai";
import { ConfigError } from "../errors.js";
import { HfEmbeddings, importTransformers } from "./hf/embeddings.js";
import { findHfFolder, hfFolderName } from "./hf/folder.js";
import { LexicalEmbeddings } from "./lexical-embeddings.js";
import { checkRange, type Environment, endpoint, setting } from "./settings.js";

/** Used when only a key is set. */
export const DEFAULT_EMBEDDING_MODEL = "text-embedding-3-small";

/** An embedding model with its identity. */
export interface ResolvedEmbeddings {
  readonly embeddings: EmbeddingsInterface;
  /** Equal names mean equal vectors for equal texts; a store records it and refuses a model with another. */
  readonly name: string;
  /** Dimension of the vectors, if known before the first call. */
  readonly dims?: number;
}

export interface EmbeddingsOptions {
  /** Dimension of the vectors, for models that let you choose (lexical, OpenAI's text-embedding-3). */
  dims?: number;
  /** Timeout of a request in milliseconds; default 60,000. */
  timeoutMs?: number;
  /** Retries of a failed request; default 2. */
  maxRetries?: number;
  /** Precision of an "hf:" model's weights: "fp32" (default), "fp16", "q8" … */
  dtype?: string;
  /** Tokens an "hf:" model reads of each text; the rest is ignored. Default: what its folder or tokenizer says. */
  maxTokens?: number;
}

const OPENAI_DIMS: Readonly<Record<string, number>> = {
  "text-embedding-3-small": 1536,
  "text-embedding-3-large": 3072,
  "text-embedding-ada-002": 1536,
};

/**
 * Makes the embedding model of a spec: "lexical" (local, no key, no model), "openai:NAME" (OPENAI_API_KEY /
 * OPENAI_BASE_URL), or "hf:NAME" (runs in this process through `@huggingface/transformers`, an optional package; NAME is
 * a folder, or a name on the hub, downloaded at first use). Without a spec: AGEMEM_EMBEDDINGS, else OpenAI's
 * {@link DEFAULT_EMBEDDING_MODEL} when a key but no base URL is set (a chat server seldom serves embeddings too), else
 * lexical.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for an unknown spec, a missing endpoint or a number out of range;
 * `AGEMEM_PACKAGE_MISSING` for "hf:" without its package
 * @example
 * const { embeddings, name, dims } = await resolveEmbeddings("lexical"); // name "lexical-512/2", dims 512
 */
export async function resolveEmbeddings(
  spec?: string,
  env: Environment = process.env,
  options: EmbeddingsOptions = {},
): Promise<ResolvedEmbeddings> {
  const given = (spec ?? setting(env, "AGEMEM_EMBEDDINGS") ?? defaultSpec(env)).trim();
  checkRange("timeoutMs", options.timeoutMs, 1, 86_400_000);
  checkRange("maxRetries", options.maxRetries, 0, 100);
  if (given === "lexical") return resolveLexical(options);
  const [, provider, name] = /^(openai|hf):\s*(\S.*)$/.exec(given) ?? [];
  if (provider === "openai" && name) return resolveOpenAI(name, env, options);
  if (provider === "hf" && name) return resolveHuggingFace(name, options);
  throw new ConfigError("AGEMEM_CONFIG_INVALID", `"${given}" is not an embedding model`, {
    remedy: 'Give "lexical", "openai:NAME", "hf:NAME" or "hf:FOLDER".',
    details: { variable: "AGEMEM_EMBEDDINGS" },
  });
}

function defaultSpec(env: Environment): string {
  const openai =
    setting(env, "OPENAI_API_KEY") !== undefined && setting(env, "OPENAI_BASE_URL") === undefined;
  return openai ? `openai:${DEFAULT_EMBEDDING_MODEL}` : "lexical";
}

function resolveLexical({ dims }: EmbeddingsOptions): ResolvedEmbeddings {
  checkRange("dims", dims, 64, 8192);
  const embeddings = new LexicalEmbeddings(dims === undefined ? {} : { dims });
  return { embeddings, name: embeddings.name, dims: embeddings.dims };
}

function resolveOpenAI(name: string, env: Environment, options: EmbeddingsOptions): ResolvedEmbeddings {
  checkRange("dims", options.dims, 1, 65_536);
  const { apiKey, baseURL } = endpoint(env);
  const embeddings = new OpenAIEmbeddings({
    model: name,
    apiKey,
    ...(baseURL !== undefined && { configuration: { baseURL } }),
    ...(options.dims !== undefined && { dimensions: options.dims }),
    // Not every compatible server supports base64, the client's default.
    encodingFormat: "float",
    timeout: options.timeoutMs ?? 60_000,
    maxRetries: options.maxRetries ?? 2,
  });
  const dims = options.dims ?? OPENAI_DIMS[name];
  const suffix = options.dims === undefined ? "" : `@${options.dims}`;
  return { embeddings, name: `openai:${name}${suffix}`, ...(dims !== undefined && { dims }) };
}

async function resolveHuggingFace(name: string, options: EmbeddingsOptions): Promise<ResolvedEmbeddings> {
  checkRange("maxTokens", options.maxTokens, 8, 1_000_000);
  const folder = findHfFolder(name);
  const { dtype, maxTokens = folder?.maxTokens } = options;
  const embeddings = new HfEmbeddings({
    model: folder?.path ?? name,
    localOnly: folder !== undefined,
    pooling: folder?.pooling ?? "mean",
    module: await importTransformers(name),
    maxRetries: options.maxRetries ?? 2,
    ...(dtype === undefined ? {} : { dtype }),
    ...(maxTokens === undefined ? {} : { maxTokens }),
  });
  const own = folder ? await hfFolderName(folder, dtype) : `hf:${name}`;
  const suffix = dtype === undefined || dtype === "fp32" ? "" : `/${dtype}`;
  const dims = folder?.dims;
  return { embeddings, name: `${own}${suffix}`, ...(dims === undefined ? {} : { dims }) };
}
