/** How large the parts of an operation may be. */
import { StoreError } from "../errors.js";

/** Sizes above which an operation is refused with `AGEMEM_STORE_LIMIT`. */
export interface StoreLimits {
  /** UTF-16 units of the JSON of one value. Default 16 Mi. */
  valueChars: number;
  /** UTF-16 units of a key or a namespace label. Default 32,768. */
  keyChars: number;
  /** Labels of a namespace. Default 64. */
  namespaceDepth: number;
  /** Levels of nesting in one value, and steps of an index path. Default 1,000. */
  valueDepth: number;
  /** Operations in one batch. Default 100,000. */
  batchOperations: number;
}

const DEFAULTS: StoreLimits = {
  valueChars: 16 * 1024 * 1024,
  keyChars: 32_768,
  namespaceDepth: 64,
  valueDepth: 1000,
  batchOperations: 100_000,
};

/** The limits with their defaults, also for one that is given as undefined. */
export function withDefaults(given: Partial<StoreLimits> = {}): StoreLimits {
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...DEFAULTS, ...Object.fromEntries(set) };
}

/** The error for a part that is larger than its limit. */
export function tooLarge(what: string, size: number, limit: number): StoreError {
  return new StoreError("AGEMEM_STORE_LIMIT", `The ${what} has size ${size}; the limit is ${limit}`, {
    remedy: "Make it smaller, or raise `limits` when opening the store.",
    details: { what, size, limit },
  });
}
