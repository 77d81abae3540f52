/**
 * Habits of one seed, so that rollouts of a group differ as a whole and not only step by step. Pure.
 */
import { createRandom } from "../../lib/random.js";

/** Factors on the weights of careful actions; 1 is careful. */
export interface Habits {
  /** Storing whole texts. */
  storing: number;
  /** Filtering and summarizing. */
  tidying: number;
}

const SLOPPY_SHARE = 0.3;

/** Always careful at temperature 0; above it some seeds store sloppily and some seldom tidy up. */
export function habitsOf(seed: string | number, temperature: number): Habits {
  if (temperature <= 0) return { storing: 1, tidying: 1 };
  const random = createRandom(`habits/${seed}`);
  return {
    storing: random.next() < SLOPPY_SHARE ? 0.15 : 1,
    tidying: random.next() < SLOPPY_SHARE ? 0.03 : 1,
  };
}
