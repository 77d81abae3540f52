/**
 * Coding of vectors: the rotated difference from a center, and what its signs say about a cosine.
 *
 * From the signs a search estimates every cosine without reading the vectors. The error of an estimate is known: it comes
 * from the random rotation, not from the data (the estimator and its variance are those of RaBitQ, Gao and Long 2024,
 * arXiv 2405.12497). Leaves out who holds the signs: our own table (`code-table.ts`) or FAISS (`vector-indexes/faiss.ts`).
 *
 * Vectors are coded by their difference from the mean of a sample: models whose vectors all point one way would waste
 * the signs on that way.
 */
import type { VectorTable } from "../vector-table.js";
import { Rotation } from "./rotation.js";

/** Signs of a code at most: 48 bytes. */
const MOST_SIGNS = 384;
/** Shorter vectors are scanned: their codes would say little and save little. */
export const LEAST_DIMS = 64;
/** Vectors whose mean is the center. */
const SAMPLE = 2048;

/** Signs of the code of a vector with so many components. */
export function signsOf(dims: number): number {
  return Math.min(MOST_SIGNS, dims - (dims % 64));
}

/** A vector's difference from the center. */
export interface Difference {
  /** Its length, squared. */
  squared: number;
  /** Inner product of the vector with the center. */
  along: number;
}

export class Coder {
  readonly dims: number;
  /** Signs of a code. */
  readonly signs: number;
  /** Standard deviation of an estimate for two vectors at distance 1 from the center, at right angles. */
  readonly deviation: number;
  /** Length of the center, squared. */
  readonly centerSquared: number;
  readonly #rotation: Rotation;

  /** @param center among unit vectors */
  constructor(readonly center: Float32Array) {
    this.dims = center.length;
    this.signs = signsOf(this.dims);
    this.deviation = Math.sqrt(Math.PI / 2 / this.signs - 1 / this.dims);
    this.centerSquared = center.reduce((sum, one) => sum + one * one, 0);
    this.#rotation = new Rotation(this.dims);
  }

  /** A vector's difference from the center. */
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

  /** Writes the rotated difference of a vector from the center to `out`. */
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

/** The mean of a sample of the vectors of a table. */
export function centerOf(table: VectorTable): Float32Array {
  const mean = new Float64Array(table.dims);
  const count = Math.min(SAMPLE, table.size);
  for (let n = 0; n < count; n++) {
    const vector = table.vector(Math.floor(((n + 0.5) * table.size) / count));
    for (let i = 0; i < mean.length; i++) mean[i] = (mean[i] as number) + (vector[i] as number) / count;
  }
  return Float32Array.from(mean);
}
