/**
 * A random rotation of vectors in n log n steps: signs, Hadamard transforms, and mixing of the two halves. Pure.
 *
 * It spreads a vector's content over all components, so that the signs of all components are equally informative,
 * whatever the data. The same dimension always gets the same rotation.
 */
import { createRandom } from "../../../lib/random.js";

const ROUNDS = 4;

export class Rotation {
  /** For each round, a sign per component, times the scale of the transform. */
  readonly #signs: Float64Array[];
  /** Length of a Hadamard transform: the largest power of two not above the dimension. */
  readonly #block: number;

  constructor(readonly dims: number) {
    const random = createRandom(`rotation/${dims}`);
    this.#block = 2 ** Math.floor(Math.log2(dims));
    const scale = 1 / Math.sqrt(this.#block);
    this.#signs = Array.from({ length: ROUNDS }, (_, round) => {
      const from = this.#start(round);
      return Float64Array.from({ length: dims }, (_, i) => {
        const within = i >= from && i < from + this.#block;
        return (random.next() < 0.5 ? -1 : 1) * (within ? scale : 1);
      });
    });
  }

  /** Rotates a vector in place. */
  apply(vector: Float64Array): void {
    for (let round = 0; round < ROUNDS; round++) {
      const signs = this.#signs[round] as Float64Array;
      for (let i = 0; i < this.dims; i++) vector[i] = (vector[i] as number) * (signs[i] as number);
      const from = this.#start(round);
      hadamard(vector, from, this.#block);
      if (this.#block < this.dims) mix(vector, this.dims);
    }
  }

  #start(round: number): number {
    return round % 2 === 0 ? 0 : this.dims - this.#block;
  }
}

function hadamard(vector: Float64Array, from: number, length: number): void {
  for (let half = 1; half < length; half *= 2) {
    for (let start = from; start < from + length; start += 2 * half) {
      for (let i = start; i < start + half; i++) {
        const a = vector[i] as number;
        const b = vector[i + half] as number;
        vector[i] = a + b;
        vector[i + half] = a - b;
      }
    }
  }
}

/** Replaces the two halves by their sums and differences. */
function mix(vector: Float64Array, dims: number): void {
  const half = dims >> 1;
  for (let i = 0; i < half; i++) {
    const a = vector[i] as number;
    const b = vector[dims - half + i] as number;
    vector[i] = (a + b) * Math.SQRT1_2;
    vector[dims - half + i] = (a - b) * Math.SQRT1_2;
  }
}
