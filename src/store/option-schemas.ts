/**
 * What the options of a store may be. Kept beside the types: an option without a schema does not compile.
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
import type { FaissStoreOptions } from "./faiss-store.js";
import type { StoreLimits } from "./operations.js";
import type { ReembedOptions } from "./upkeep/reembed.js";
import type { StoreIndexOptions } from "./vectors/embedder.js";

const indexShape = {
  embeddings: embeddingModel,
  dims: whole(1).optional(),
  embeddingName: text.optional(),
  fields: z.array(text, 'must be a list of paths, such as ["content"]').optional(),
  kind: oneOf(["auto", "faiss", "flat"]).optional(),
  scanBelow: whole(0).optional(),
  // Infinity is "never".
  approximateFrom: number(0, Number.POSITIVE_INFINITY).optional(),
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
  now: callable.optional(),
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
 * @param what the method that opens the store
 * @throws ConfigError `AGEMEM_CONFIG_INVALID`
 */
export function checkStoreOptions(
  path: unknown,
  options: unknown,
  what: "open" | "reembed" | "repair",
): void {
  const name = `FaissStore.${what}`;
  checkOptions(place, { path }, name);
  checkOptions(what === "reembed" ? reembedOptions : storeOptions, options, name);
}
