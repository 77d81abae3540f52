/**
 * From a name and the environment to an embedding model, with the name a store records beside its vectors.
 *
 * Leaves out the wording of failures (`model-errors.ts`) and how a store uses the name.
 */
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import { OpenAIEmbeddings } from "@langchain/openai";
import { ConfigError, messageOf } from "../errors.js";
import { LexicalEmbeddings } from "./lexical-embeddings.js";
import { checkRange, type Environment, endpoint, setting } from "./settings.js";

export { describeEmbeddingError } from "./model-errors.js";

/** Used when only a key is set. */
export const DEFAULT_EMBEDDING_MODEL = "text-embedding-3-small";

/** An embedding model with its identity. */
export interface ResolvedEmbeddings {
  readonly embeddings: EmbeddingsInterface;
  /** Equal names give equal vectors for equal texts; a store keeps it and refuses another. */
  readonly name: string;
  /** Length of the vectors where it is known before the first call. */
  readonly dims?: number;
}

export interface EmbeddingsOptions {
  /** Length of the vectors, for models that let one choose (lexical, OpenAI's text-embedding-3). */
  dims?: number;
  /** Milliseconds one request may take; default 60,000. */
  timeoutMs?: number;
  /** Times a failed request is repeated; default 2. */
  maxRetries?: number;
}

const OPENAI_DIMS: Readonly<Record<string, number>> = {
  "text-embedding-3-small": 1536,
  "text-embedding-3-large": 3072,
  "text-embedding-ada-002": 1536,
};
const HF_PACKAGE = "@huggingface/transformers";
// Names in variables: a bundler must not look for packages that most applications do not have.
const HF_EMBEDDINGS = "@langchain/community/embeddings/huggingface_transformers";
type HfEmbeddingsModule = typeof import("@langchain/community/embeddings/huggingface_transformers");

/**
 * The embedding model of a spec: "lexical" (local, no key, no model), "openai:NAME" (OPENAI_API_KEY /
 * OPENAI_BASE_URL), or "hf:NAME" (runs locally through `@huggingface/transformers`, an optional package; downloads the
 * model at first use). Without a spec: AGEMEM_EMBEDDINGS, else OpenAI's {@link DEFAULT_EMBEDDING_MODEL} when a key is
 * set and no base URL (a server for chat seldom serves embeddings too), else lexical.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for an unknown spec, a missing endpoint or a number out of range;
 * `AGEMEM_PACKAGE_MISSING` for "hf:" without its package
 * @example
 * const { embeddings, name, dims } = await resolveEmbeddings("lexical"); // name "lexical-512/1", dims 512
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
    remedy: 'Give "lexical", "openai:NAME" or "hf:NAME".',
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
    // Not every compatible server knows base64, the client's default.
    encodingFormat: "float",
    timeout: options.timeoutMs ?? 60_000,
    maxRetries: options.maxRetries ?? 2,
  });
  const dims = options.dims ?? OPENAI_DIMS[name];
  const suffix = options.dims === undefined ? "" : `@${options.dims}`;
  return { embeddings, name: `openai:${name}${suffix}`, ...(dims !== undefined && { dims }) };
}

async function resolveHuggingFace(name: string, options: EmbeddingsOptions): Promise<ResolvedEmbeddings> {
  let module: HfEmbeddingsModule;
  try {
    await import(HF_PACKAGE);
    module = (await import(HF_EMBEDDINGS)) as HfEmbeddingsModule;
  } catch (cause) {
    throw new ConfigError(
      "AGEMEM_PACKAGE_MISSING",
      `"hf:${name}" needs ${HF_PACKAGE}, which cannot be loaded: ${messageOf(cause).split("\n")[0]}`,
      {
        cause,
        remedy: `Run: npm install ${HF_PACKAGE} @langchain/community`,
        details: { package: HF_PACKAGE },
      },
    );
  }
  const embeddings = new module.HuggingFaceTransformersEmbeddings({
    model: name,
    maxRetries: options.maxRetries ?? 2,
  });
  return { embeddings, name: `hf:${name}` };
}
