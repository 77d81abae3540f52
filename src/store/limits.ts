/** Limits on the size of operations. */
import { StoreError } from "../errors.js";

/** Larger operations are refused with `AGEMEM_STORE_LIMIT`. */
export interface StoreLimits {
  /** UTF-16 units of one value's JSON. Default 16,777,216 (16 Mi). */
  valueChars: number;
  /** UTF-16 units of a key or a namespace label. Default 32,768. */
  keyChars: number;
  /** Labels of a namespace. Default 64. */
  namespaceDepth: number;
  /** Levels of nesting in one value, and steps in an index path. Default 1,000. */
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

/** Fills in defaults, also for limits that are given as undefined. */
export function withDefaults(given: Partial<StoreLimits> = {}): StoreLimits {
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...DEFAULTS, ...Object.fromEntries(set) };
}

/** The error for something larger than its limit. */
export function tooLarge(what: string, size: number, limit: number): StoreError {
  return new StoreError("AGEMEM_STORE_LIMIT", `The ${what} has size ${size}; the limit is ${limit}`, {
    remedy: "Make it smaller, or raise `limits` when opening the store.",
    details: { what, size, limit },
  });
}
