/** Seeded pseudo-random numbers, so that rollouts and tests repeat. Not for secrets. */
import { createHash } from "node:crypto";

/** A source of random numbers. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [0, n). */
  integer(n: number): number;
  /** A new array with the items in random order (Fisher-Yates). */
  shuffle<T>(items: readonly T[]): T[];
  /** One item; throws `RangeError` on an empty array. */
  pick<T>(items: readonly T[]): T;
}

/**
 * The sfc32 generator seeded by any text or number; equal seeds give equal sequences on every platform.
 *
 * @example
 * createRandom("task-7/rollout-2").integer(8);
 */
export function createRandom(seed: string | number): Random {
  const digest = createHash("sha256").update(String(seed)).digest();
  let a = digest.readInt32LE(0);
  let b = digest.readInt32LE(4);
  let c = digest.readInt32LE(8);
  let counter = 1;
  const next = (): number => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + t) | 0;
    return (t >>> 0) / 4294967296;
  };
  for (let i = 0; i < 12; i++) next();
  const integer = (n: number): number => Math.floor(next() * n);
  return {
    next,
    integer,
    shuffle(items) {
      const out = [...items];
      for (let i = out.length - 1; i > 0; i--) {
        const j = integer(i + 1);
        [out[i], out[j]] = [out[j] as (typeof out)[number], out[i] as (typeof out)[number]];
      }
      return out;
    },
    pick(items) {
      if (items.length === 0) throw new RangeError("pick() needs at least one item");
      return items[integer(items.length)] as (typeof items)[number];
    },
  };
}
