/**
 * What becomes of the vectors that a transformer gives each token: one vector of the text, or those of its tokens. Pure.
 *
 * Leaves out running the model (`embeddings.ts`) and comparing the tokens of two texts (`late-interaction.ts`).
 */
import type { Pooling } from "./folder.js";

/** A tensor as the package returns it, in row-major order. */
export interface Tensor {
  readonly data: ArrayLike<number | bigint>;
  readonly dims: readonly number[];
}

/** A batch of texts as the tokenizer returns it. */
export type Encoding = Record<string, Tensor> & {
  input_ids: Tensor & { readonly data: BigInt64Array };
  attention_mask: Tensor;
};

/** The tokens of a text, without those that open and close every text. */
export interface TokenVectors {
  ids: Int32Array;
  /** A unit vector per token, one after the other. */
  vectors: Float32Array;
  dims: number;
  /** Tokens that the model read, with those that open and close the text. */
  read: number;
}

/** The tokens of each text and their vectors (from text × token × dimension). */
export function tokenVectorsOf(
  hidden: Tensor,
  { input_ids: ids, attention_mask: mask }: Encoding,
  special: ReadonlySet<number>,
): TokenVectors[] {
  const [texts = 0, width = 0, dims = 0] = hidden.dims;
  return Array.from({ length: texts }, (_, text) => {
    const rows = Array.from({ length: width }, (_, token) => text * width + token).filter(
      (row) => Number(mask.data[row]) === 1,
    );
    const kept = rows.filter((row) => !special.has(Number(ids.data[row])));
    const vectors = new Float32Array(kept.length * dims);
    for (const [at, row] of kept.entries()) {
      const vector = Float64Array.from({ length: dims }, (_, i) => Number(hidden.data[row * dims + i]));
      const norm = Math.hypot(...vector) || 1;
      vectors.set(
        vector.map((x) => x / norm),
        at * dims,
      );
    }
    return { ids: Int32Array.from(kept, (row) => Number(ids.data[row])), vectors, dims, read: rows.length };
  });
}

/** One unit vector per text, from its token vectors (text × token × dimension). */
export function pool(hidden: Tensor, mask: Tensor, pooling: Pooling): number[][] {
  const [texts = 0, tokens = 0, dims = 0] = hidden.dims;
  const out: number[][] = [];
  for (let text = 0; text < texts; text++) {
    const vector = new Float64Array(dims);
    for (let token = 0; token < tokens; token++) {
      const counts = pooling === "cls" ? token === 0 : Number(mask.data[text * tokens + token]) === 1;
      if (!counts) continue;
      const at = (text * tokens + token) * dims;
      for (let i = 0; i < dims; i++) vector[i] = (vector[i] as number) + Number(hidden.data[at + i]);
    }
    // Normalizing makes dividing by the count unnecessary.
    const norm = Math.hypot(...vector) || 1;
    out.push(Array.from(vector, (x) => Math.fround(x / norm)));
  }
  return out;
}
