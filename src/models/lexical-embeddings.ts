/**
 * Embeddings without a model: hashed words, word pairs and character n-grams, deterministic and local.
 *
 * This is lexical, not a neural model: two texts are near when they share words or parts of words, not when they
 * mean the same. "Car" and "automobile" are strangers to it. It needs no key, no download and no warm-up, so it is
 * the default; pass a neural `Embeddings` where meaning matters.
 *
 * Owns dimensions, normalization and the name a store records. Leaves out what a feature is (`lexical-features.ts`).
 */
import { Embeddings, type EmbeddingsParams } from "@langchain/core/embeddings";
import { type Feature, LexicalFeatures } from "./lexical-features.js";

/** Version of the algorithm, part of {@link LexicalEmbeddings.name}: bump it when any vector changes. */
const VERSION = 2;

export interface LexicalEmbeddingsOptions extends EmbeddingsParams {
  /** Dimension of the vectors: 64 to 8,192, default 512. More dimensions mean fewer hash collisions. */
  dims?: number;
}

/**
 * Lexical embeddings. Vectors are unit vectors; every text has one, even the empty text (all blank texts share the
 * same). Queries and stored texts are embedded alike, so cosine is a plain similarity: 1 for texts with the same words
 * in the same order, about 0 for texts that share none.
 *
 * @throws RangeError when `dims` is not an integer from 64 to 8,192
 * @example
 * const embeddings = new LexicalEmbeddings({ dims: 384 });
 * const [vector] = await embeddings.embedDocuments(["Ada moved to Oslo"]); // 384 numbers
 * embeddings.name; // "lexical-384/2"
 */
export class LexicalEmbeddings extends Embeddings {
  readonly dims: number;
  private readonly features = new LexicalFeatures();

  constructor(options: LexicalEmbeddingsOptions = {}) {
    const { dims = 512, ...params } = options;
    if (!Number.isInteger(dims) || dims < 64 || dims > 8192) {
      throw new RangeError(`dims is ${dims}; give an integer from 64 to 8192`);
    }
    super(params);
    this.dims = dims;
  }

  /** "lexical-DIMS/VERSION": equal names mean equal vectors for equal texts. */
  get name(): string {
    return `lexical-${this.dims}/${VERSION}`;
  }

  override async embedDocuments(documents: string[]): Promise<number[][]> {
    return documents.map((text) => this.embed(text));
  }

  override async embedQuery(document: string): Promise<number[]> {
    return this.embed(document);
  }

  private embed(text: string): number[] {
    const vector = new Array<number>(this.dims).fill(0);
    addSigned(vector, this.features.of(text));
    return normalize(vector);
  }
}

const shared = new LexicalFeatures();

/**
 * How similar the words of two texts are, from 0 (none shared) to 1 (the same words in the same order). Symmetric, not
 * reduced to dimensions, and independent of any embedding model: for finding near duplicates.
 *
 * @example
 * lexicalSimilarity("Ada lives in Oslo", "Ada lives in Oslo."); // 1
 */
export function lexicalSimilarity(a: string, b: string): number {
  const left = weights(shared.of(a));
  const right = weights(shared.of(b));
  let dot = 0;
  for (const [hash, weight] of left) dot += weight * (right.get(hash) ?? 0);
  return Math.min(1, dot / (norm(left.values()) * norm(right.values())));
}

function weights(features: readonly Feature[]): Map<number, number> {
  const out = new Map<number, number>();
  for (const { hash, weight } of features) out.set(hash, (out.get(hash) ?? 0) + weight);
  return out;
}

/** The lowest bit of the hash is the sign, so that collisions cancel out on average. */
function addSigned(vector: number[], features: readonly Feature[]): void {
  for (const { hash, weight } of features) {
    const slot = (hash >>> 1) % vector.length;
    vector[slot] = (vector[slot] as number) + (hash & 1 ? weight : -weight);
  }
}

/** Scales to length 1; features that canceled out completely give the first unit vector. */
function normalize(vector: number[]): number[] {
  if (norm(vector) < 1e-9) vector[0] = 1;
  const scale = 1 / norm(vector);
  return vector.map((x) => Math.fround(x * scale));
}

function norm(values: Iterable<number>): number {
  let sum = 0;
  for (const x of values) sum += x * x;
  return Math.sqrt(sum);
}
