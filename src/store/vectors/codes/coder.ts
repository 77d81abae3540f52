/**
 * Coding of vectors: the rotated difference from a center, and how its signs estimate a cosine.
 *
 * From the signs a search estimates every cosine without reading the vectors. The error of an estimate is known,
 * because it comes from the random rotation, not from the data (estimator and variance are those of RaBitQ, Gao and
 * Long 2024, arXiv 2405.12497). Leaves out holding the signs: the store's table (`code-table.ts`) or FAISS
 * (`vector-indexes/faiss.ts`).
 *
 * Vectors are coded by their difference from the mean of a sample: if a model's vectors all point in one direction,
 * their own signs would tell little more than that direction.
 */
import type { VectorTable } from "../vector-table.js";
import { Rotation } from "./rotation.js";

/** Most signs in a code: 48 bytes. */
const MOST_SIGNS = 384;
/** Shorter vectors are scanned, because their codes would tell little and save little. */
export const LEAST_DIMS = 64;
/** Number of vectors whose mean is the center. */
const SAMPLE = 2048;

/** Number of signs in the code of a vector with so many components. */
export function signsOf(dims: number): number {
  return Math.min(MOST_SIGNS, dims - (dims % 64));
}

/** How a vector differs from the center. */
export interface Difference {
  /** Squared length of the difference. */
  squared: number;
  /** Inner product of the vector with the center. */
  along: number;
}

export class Coder {
  readonly dims: number;
  /** Number of signs in a code. */
  readonly signs: number;
  /** Standard deviation of the estimate for two vectors at distance 1 from the center and at right angles. */
  readonly deviation: number;
  /** Squared length of the center. */
  readonly centerSquared: number;
  readonly #rotation: Rotation;

  /** @param center the mean of unit vectors */
  constructor(readonly center: Float32Array) {
    this.dims = center.length;
    this.signs = signsOf(this.dims);
    this.deviation = Math.sqrt(Math.PI / 2 / this.signs - 1 / this.dims);
    this.centerSquared = center.reduce((sum, one) => sum + one * one, 0);
    this.#rotation = new Rotation(this.dims);
  }

  /** How a vector differs from the center. */
  differenceOf(vector: Float32Array, from: number): Difference {
    let squared = 0;
    let along = 0;
    for (let i = 0; i < this.dims; i++) {
      const own = vector[from + i] as number;
      const middle = this.center[i] as number;
      along += own * middle;
      squared += (own - middle) * (own - middle);
    }
    return { squared, along };
  }

  /** Writes a vector's rotated difference from the center to `out`. */
  rotate(vector: Float32Array, from: number, out: Float64Array): Difference {
    const { center } = this;
    let squared = 0;
    let along = 0;
    for (let i = 0; i < out.length; i++) {
      const own = vector[from + i] as number;
      const middle = center[i] as number;
      const difference = own - middle;
      along += own * middle;
      squared += difference * difference;
      out[i] = difference;
    }
    this.#rotation.apply(out);
    return { squared, along };
  }
}

/** The mean of a sample of a table's vectors. */
export function centerOf(table: VectorTable): Float32Array {
  const mean = new Float64Array(table.dims);
  const count = Math.min(SAMPLE, table.size);
  for (let n = 0; n < count; n++) {
    const vector = table.vector(Math.floor(((n + 0.5) * table.size) / count));
    for (let i = 0; i < mean.length; i++) mean[i] = (mean[i] as number) + (vector[i] as number) / count;
  }
  return Float32Array.from(mean);
}
