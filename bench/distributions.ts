/**
 * Vectors to store and vectors to search with, by kind: real texts, isotropic, clusters of uneven size and number.
 *
 * Queries are from outside the stored data: questions for the texts, fresh draws for the others. Leaves out texts and
 * their embedding (`texts.ts`, `embedded.ts`).
 */
import { createRandom, type Random } from "../src/lib/random.js";
import { resolveEmbeddings } from "../src/models/embeddings.js";
import { embedded, fromFolder } from "./embedded.js";
import { dataFolder, readTexts } from "./texts.js";

export interface Distribution {
  name: string;
  dims: number;
  vectors: readonly Float32Array[];
  queries: readonly Float32Array[];
}

/** The model whose vectors of the texts are taken from the folder of `embedded.ts`. */
export const MINILM = "hf:all-MiniLM-L6-v2";
const DIMS = 384;
const QUERIES = 200;

/** Near enough to normal: the sum of uniform draws. */
const normal = (random: Random): number => random.next() + random.next() + random.next() + random.next() - 2;
const direction = (random: Random): Float32Array => Float32Array.from({ length: DIMS }, () => normal(random));

export function isotropic(n: number): Distribution {
  const random = createRandom(`isotropic/${n}`);
  const draw = (count: number) => Array.from({ length: count }, () => direction(random));
  return { name: "isotropic", dims: DIMS, vectors: draw(n), queries: draw(QUERIES) };
}

/** `share` times root n clusters, the largest many times the smallest; each query is near one of them. */
export function clusters(n: number, share: number): Distribution {
  const random = createRandom(`clusters/${n}/${share}`);
  const count = Math.max(2, Math.round(share * Math.sqrt(n)));
  const centers = Array.from({ length: count }, () => direction(random));
  const ends: number[] = [];
  for (const _ of centers) ends.push((ends.at(-1) ?? 0) + random.next() ** 3 + 0.01);
  const draw = (): Float32Array => {
    const at = random.next() * (ends.at(-1) as number);
    const center = centers[ends.findIndex((end) => at < end)] as Float32Array;
    return center.map((x) => x + 0.7 * normal(random));
  };
  const many = (size: number) => Array.from({ length: size }, draw);
  return { name: `clusters ${count}`, dims: DIMS, vectors: many(n), queries: many(QUERIES) };
}

/** The first `n` texts by a model; null where the data are not there, or the vectors not in the folder. */
export async function realText(
  n: number,
  model: "lexical" | "minilm",
  data?: string,
): Promise<Distribution | null> {
  const folder = dataFolder(data);
  if (!folder) return null;
  const texts = await readTexts(folder);
  const stored = fromFolder(MINILM, texts.stored);
  const asked = fromFolder(MINILM, texts.queries);
  if (model === "minilm") {
    if (!stored || !asked) return null;
    return { name: MINILM, dims: DIMS, vectors: stored.slice(0, n), queries: asked.slice(0, QUERIES) };
  }
  const lexical = await resolveEmbeddings("lexical");
  const vectors = await embedded(lexical, texts.stored.slice(0, n));
  const queries = await embedded(lexical, texts.queries.slice(0, QUERIES));
  return { name: lexical.name, dims: vectors[0]?.length ?? 0, vectors, queries };
}

/** `n` vectors like those of real texts: the vectors of texts, each moved a little at random. */
export function likeReal(real: Distribution, n: number): Distribution {
  const random = createRandom(`like/${n}`);
  const vectors = Array.from({ length: n }, (_, i) => {
    const text = real.vectors[i % real.vectors.length] as Float32Array;
    if (i < real.vectors.length) return text;
    // About as far as the nearest other text is.
    return text.map((x) => x + 0.035 * normal(random));
  });
  return { ...real, name: `like ${real.name}`, vectors };
}
