/**
 * Calls the embedding model: gathers calls of one turn, sends batches, retries, caches by text, checks the vectors.
 *
 * Owns what makes a vector valid for storing. Leaves out which texts are embedded (`search/field-paths.ts`).
 */
import { createHash } from "node:crypto";
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import { LRUCache } from "lru-cache";
import pRetry, { AbortError } from "p-retry";
import { ConfigError, ModelError, messageOf, StoreError } from "../../errors.js";
import { redact, redactError } from "../../text/redaction.js";
import { isLexical, recordedName } from "./embedding-model.js";

/** Options for embedding and vector search. */
export interface StoreIndexOptions {
  embeddings: EmbeddingsInterface;
  /** Dimension of the vectors. Default: the store's, else that of the first vector. */
  dims?: number;
  /** Model name that the store records and compares when it is opened again. Default: the model's own. */
  embeddingName?: string;
  /** Paths to embed, unless a put names others. Default `["$"]`, the whole value as JSON. */
  fields?: string[];
  /**
   * What searches large scopes: `"auto"` (default) FAISS if it loads and is measured to be faster than the built-in
   * search, `"faiss"` always FAISS, `"flat"` never FAISS. The environment variable `AGEMEM_INDEX` overrides it.
   */
  kind?: "auto" | "faiss" | "flat";
  /** Scopes with fewer vectors are scanned, which is exact. Default 2,048. */
  scanBelow?: number;
  /**
   * Share of the true best results that a search of a large scope must find: "exact", or a number from 0.5 to below 1.
   * `stats()` reports what was measured; a scope that falls short is searched more widely, if necessary exactly.
   * Default 0.99.
   */
  recall?: "exact" | number;
  /**
   * Keeps a byte per component in memory instead of four. What is found is scored with the vectors of the database, which
   * takes longer. Default false.
   */
  quantized?: boolean;
  /** Bytes that FAISS may hold in this process; vectors that do not fit are scanned. Default 134,217,728 (128 MiB). */
  faissBytes?: number;
  /**
   * Share of the cosine in a hybrid score, 0 (keywords only) to 1 (vectors only). Default 0.55, or 0.15 for lexical
   * embeddings, which find little that keywords do not.
   */
  vectorWeight?: number;
  /** Texts per request to the model. Default 256. */
  batchSize?: number;
  /**
   * Limit of one request to the model, in milliseconds. A request that takes longer fails without a retry, so that the
   * writes after it can continue. Default 60,000.
   */
  timeoutMs?: number;
  /** Retries after the first attempt. Default 2. */
  retries?: number;
  /** How many embeddings are cached. Default 2,000. */
  cacheSize?: number;
}

/** Longest delay of a timer, in milliseconds. */
const MAX_TIMER = 2 ** 31 - 1;
/** Longest text, in characters, whose vector is cached. */
const CACHED_CHARS = 100_000;

/** A hash of a text, 16 bytes. */
export function textHash(text: string): Buffer {
  return createHash("sha256").update(text).digest().subarray(0, 16);
}

/** Texts requested in one turn of the event loop. */
interface Gathering {
  texts: Set<string>;
  calls: number;
  vectors: Promise<ReadonlyMap<string, Float32Array>>;
}

export class Embedder {
  readonly name: string;
  readonly fields: readonly string[];
  /** Whether the model compares words rather than meaning. */
  readonly lexical: boolean;
  /** Whether vectors are kept in memory as bytes. */
  readonly quantized: boolean;
  /** Dimension, or null until the first vector. */
  dims: number | null;
  /** Vectors by "d" or "q" (document or query) and text; null when caching is off. */
  readonly #cache: LRUCache<string, Float32Array> | null;
  #gathering: Gathering | null = null;

  constructor(private readonly options: StoreIndexOptions) {
    this.name = recordedName(options.embeddings, options.embeddingName);
    this.lexical = isLexical(this.name, options.embeddings);
    this.fields = options.fields ?? ["$"];
    this.quantized = options.quantized ?? false;
    this.dims = options.dims ?? null;
    const { cacheSize = 2000 } = options;
    // By `maxSize`, because `max` would reserve room for all entries at once.
    this.#cache = cacheSize > 0 ? new LRUCache({ maxSize: cacheSize, sizeCalculation: () => 1 }) : null;
    const limit = options.timeoutMs;
    if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= MAX_TIMER)) {
      throw new ConfigError("AGEMEM_CONFIG_INVALID", `index.timeoutMs is ${limit}`, {
        remedy: `Give a whole number of milliseconds from 1 to ${MAX_TIMER}.`,
      });
    }
  }

  /** The vectors of texts, in order. Throws `AGEMEM_EMBEDDING_FAILED`, `AGEMEM_VECTOR_INVALID`. */
  async embedTexts(texts: readonly string[]): Promise<Float32Array[]> {
    // Read the cache now: other calls may evict entries while this one waits for the model.
    const vectors = new Map<string, Float32Array>();
    const missing = new Set<string>();
    for (const text of texts) {
      const known = this.#cache?.get(`d${text}`);
      if (known) vectors.set(text, known);
      else missing.add(text);
    }
    const fresh = await this.#embedTogether([...missing]);
    for (const [text, vector] of fresh) {
      vectors.set(text, vector);
      this.#remember(`d${text}`, vector);
    }
    return texts.map((text) => vectors.get(text) as Float32Array);
  }

  /** Requests the vectors of texts that are about to be stored, together. Without a cache they could not be kept: nothing happens. */
  async embedAhead(texts: readonly string[]): Promise<void> {
    if (this.#cache) await this.embedTexts(texts.filter((text) => text.length < CACHED_CHARS));
  }

  /**
   * Vectors from the model, requested together with those of other calls in the same turn of the event loop, so that
   * memories stored at once need one request. If that fails, each call is repeated on its own, so that none fails
   * because of another's text.
   */
  async #embedTogether(texts: readonly string[]): Promise<ReadonlyMap<string, Float32Array>> {
    if (texts.length === 0) return new Map();
    const known = this.#gathering;
    const turn = known ?? { texts: new Set<string>(), calls: 0, vectors: this.#gathered() };
    this.#gathering = turn;
    turn.calls++;
    for (const text of texts) turn.texts.add(text);
    try {
      return await turn.vectors;
    } catch (error) {
      if (turn.calls === 1) throw error;
      return await this.#embed(texts);
    }
  }

  /** The vectors of all texts requested in this turn. */
  async #gathered(): Promise<ReadonlyMap<string, Float32Array>> {
    await new Promise<void>((resolve) => process.nextTick(resolve));
    const { texts } = this.#gathering as Gathering;
    this.#gathering = null;
    return this.#embed([...texts]);
  }

  /** Vectors from the model, in requests of `batchSize` texts. */
  async #embed(texts: readonly string[]): Promise<Map<string, Float32Array>> {
    const out = new Map<string, Float32Array>();
    const size = this.options.batchSize ?? 256;
    for (let from = 0; from < texts.length; from += size) {
      const part = texts.slice(from, from + size);
      const vectors = await this.#call(() => this.options.embeddings.embedDocuments(part));
      if (!Array.isArray(vectors) || vectors.length !== part.length) {
        throw new ModelError(
          "AGEMEM_EMBEDDING_FAILED",
          "The embedding model did not return one vector per text",
          {
            details: { texts: part.length, vectors: Array.isArray(vectors) ? vectors.length : null },
          },
        );
      }
      part.forEach((text, i) => {
        out.set(text, this.check(vectors[i] as number[]));
      });
    }
    return out;
  }

  /** The vector of a search query. Throws as {@link embedTexts}. */
  async embedQuery(text: string): Promise<Float32Array> {
    const cached = this.#cache?.get(`q${text}`);
    if (cached) return cached;
    const vector = this.check(await this.#call(() => this.options.embeddings.embedQuery(text)));
    this.#remember(`q${text}`, vector);
    return vector;
  }

  /** Checks dimension and finiteness, and copies to single precision. Throws `AGEMEM_VECTOR_INVALID`. */
  check(numbers: ArrayLike<number>): Float32Array {
    const expected = this.dims ?? numbers?.length;
    if (
      !numbers ||
      typeof numbers !== "object" ||
      typeof numbers.length !== "number" ||
      numbers.length !== expected ||
      expected === 0
    ) {
      throw new StoreError(
        "AGEMEM_VECTOR_INVALID",
        `A vector has ${numbers?.length ?? "no"} numbers, not ${expected}`,
        {
          remedy: "Use the embedding model the store was made with, or reembed() for another one.",
          details: { dims: numbers?.length ?? null, expected },
        },
      );
    }
    const vector = new Float32Array(numbers);
    for (let i = 0; i < vector.length; i++) {
      if (Number.isFinite(vector[i])) continue;
      throw new StoreError(
        "AGEMEM_VECTOR_INVALID",
        `Component ${i} of a vector is not a finite single-precision number`,
        {
          remedy: "Check the embedding model; nothing was stored.",
          details: { component: i, value: String(numbers[i]) },
        },
      );
    }
    this.dims ??= vector.length;
    return vector;
  }

  async #call<T>(request: () => Promise<T>): Promise<T> {
    try {
      return await pRetry(() => this.#inTime(request()), {
        retries: this.options.retries ?? 2,
        minTimeout: 100,
        factor: 3,
      });
    } catch (cause) {
      throw new ModelError(
        "AGEMEM_EMBEDDING_FAILED",
        redact(`The embedding model failed: ${messageOf(cause)}`),
        {
          cause: redactError(cause),
          remedy: "Check the model's endpoint and key; nothing was stored.",
          details: { model: this.name },
        },
      );
    }
  }

  /** Waits for the answer; if it does not come in time, fails with an error that is not retried. */
  async #inTime<T>(answer: Promise<T>): Promise<T> {
    const limit = this.options.timeoutMs ?? 60_000;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new AbortError(`no answer within ${limit} ms`)), limit);
    });
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #remember(key: string, vector: Float32Array): void {
    if (key.length <= CACHED_CHARS) this.#cache?.set(key, vector);
  }
}
