/**
 * The options with which a store is opened, and their checks. An option without a schema does not compile.
 */
import { z } from "zod";
import {
  callable,
  checkOptions,
  embeddingModel,
  flag,
  number,
  type OptionShape,
  oneOf,
  text,
  whole,
} from "../lib/check-options.js";
import type { EngineOptions } from "./engine.js";
import { type StoreLimits, withDefaults } from "./limits.js";
import type { Durability } from "./rows/database.js";
import type { ReembedOptions } from "./upkeep/reembed.js";
import type { StoreIndexOptions } from "./vectors/embedder.js";
import type { StoreWarning } from "./vectors/index-kind.js";

/** Options of `FaissStore.open`. */
export interface FaissStoreOptions {
  /** The embedding model, and what is embedded. Without it there is only keyword search. */
  index?: StoreIndexOptions;
  /** What an acknowledged write survives: `"full"` (default) a power loss, `"normal"` the end of the process. */
  durability?: Durability;
  /** How long a writer waits for another process before `AGEMEM_STORE_LOCKED`, in milliseconds. Default 30,000. */
  busyTimeoutMs?: number;
  /** Larger operations are refused with `AGEMEM_STORE_LIMIT`. */
  limits?: Partial<StoreLimits>;
  ttl?: {
    /** TTL in minutes of items whose put has none; default: they live forever. */
    defaultTtl?: number;
    /** Whether reading an item restarts its TTL. Default false. */
    refreshOnRead?: boolean;
  };
  /** Fewest writes before the vectors are saved to their sidecar again, in the background. Default 10,000. */
  checkpointEvery?: number;
  /**
   * Called with what an operator should know, such as that FAISS does not load (`AGEMEM_INDEX_FALLBACK`). Default: a
   * Node.js warning, once per process.
   */
  onWarning?: (warning: StoreWarning) => void;
}

const recallTarget = z.custom<"exact" | number>(
  (value) => value === "exact" || (typeof value === "number" && value >= 0.5 && value < 1),
  'must be "exact" or a number from 0.5 to below 1',
);

const indexShape = {
  embeddings: embeddingModel,
  dims: whole(1).optional(),
  embeddingName: text.optional(),
  fields: z.array(text, 'must be a list of paths, such as ["content"]').optional(),
  kind: oneOf(["auto", "faiss", "flat"]).optional(),
  scanBelow: whole(0).optional(),
  // Infinity means never.
  recall: recallTarget.optional(),
  quantized: flag.optional(),
  faissBytes: number(0, Number.POSITIVE_INFINITY).optional(),
  vectorWeight: number(0, 1).optional(),
  batchSize: whole(1).optional(),
  retries: whole(0).optional(),
  timeoutMs: number(1, 2 ** 31 - 1).optional(),
  cacheSize: whole(0).optional(),
} satisfies OptionShape<StoreIndexOptions>;

const limits = {
  valueChars: whole(1).optional(),
  valueDepth: whole(1).optional(),
  keyChars: whole(1).optional(),
  namespaceDepth: whole(1).optional(),
  batchOperations: whole(1).optional(),
} satisfies OptionShape<StoreLimits>;

const ttl = {
  defaultTtl: z
    .custom<number>(
      (value) => typeof value === "number" && value > 0 && value < Number.POSITIVE_INFINITY,
      "must be a number of minutes above 0",
    )
    .optional(),
  refreshOnRead: flag.optional(),
} satisfies OptionShape<NonNullable<FaissStoreOptions["ttl"]>>;

const storeShape = {
  index: z.strictObject(indexShape, "must be { embeddings, … }").optional(),
  durability: oneOf(["full", "normal"]).optional(),
  busyTimeoutMs: number(0, Number.POSITIVE_INFINITY).optional(),
  limits: z.strictObject(limits, "must be an object of limits").optional(),
  ttl: z.strictObject(ttl, "must be { defaultTtl?, refreshOnRead? }").optional(),
  checkpointEvery: number(1, Number.POSITIVE_INFINITY).optional(),
  onWarning: callable.optional(),
} satisfies OptionShape<FaissStoreOptions>;

const storeOptions = z.strictObject(storeShape, "must be an object of options");
const reembedOptions = z.strictObject(
  { ...storeShape, onProgress: callable.optional() } satisfies OptionShape<
    FaissStoreOptions & ReembedOptions
  >,
  "must be an object of options",
);
const place = z.object({ path: text });

/**
 * Checks the path and options with which a store is opened.
 *
 * @param method the method that opens the store
 * @throws ConfigError `AGEMEM_CONFIG_INVALID`
 */
export function checkStoreOptions(
  path: unknown,
  options: unknown,
  method: "open" | "reembed" | "repair",
): void {
  const name = `FaissStore.${method}`;
  checkOptions(place, { path }, name);
  checkOptions(method === "reembed" ? reembedOptions : storeOptions, options, name);
}

/** Fills in the defaults. */
export function resolveOptions(options: FaissStoreOptions): EngineOptions {
  return {
    index: options.index,
    limits: withDefaults(options.limits),
    busyTimeoutMs: options.busyTimeoutMs ?? 30_000,
    checkpointEvery: options.checkpointEvery ?? 10_000,
    defaultTtl: options.ttl?.defaultTtl ?? null,
    refreshTtlOnRead: options.ttl?.refreshOnRead ?? false,
  };
}
