/**
 * Two-level k-means over unit vectors: coarse centers, and fine centers below each. Pure.
 *
 * Two levels keep training and assignment cheap: a vector is compared with tens of centers, not hundreds. The work is cut
 * into steps, so that a caller can let other things run in between.
 */
import { createRandom, type Random } from "../../../lib/random.js";
import { dot } from "../vector-math.js";

const ITERATIONS = 6;
/** Sample vectors per center. */
const PER_CENTER = 24;
/** Coarse centers whose fine ones are compared when a vector is assigned. */
const NEAR = 3;

/** Access to the vectors that are clustered. */
export interface Source {
  readonly length: number;
  /** The array that holds vector `i`, and where it starts there. */
  chunk(i: number): Float32Array;
  offset(i: number): number;
}

/** Centers of a partition: `centers` holds the fine ones, row by row. */
export interface Clusters {
  readonly dims: number;
  readonly count: number;
  readonly coarse: Float32Array;
  readonly centers: Float32Array;
  /** Fine centers of coarse center `i` are `starts[i]` to `starts[i + 1]`. */
  readonly starts: Int32Array;
}

/** Trains about `wanted` centers. Yields every few milliseconds; returns the clusters. */
export function* train(source: Source, dims: number, wanted: number): Generator<undefined, Clusters> {
  const random = createRandom(`clusters/${source.length}/${wanted}`);
  const coarseCount = Math.max(1, Math.round(Math.sqrt(wanted)));
  const sample = pickSample(source.length, wanted * PER_CENTER, random);
  const coarse = yield* kMeans(source, dims, sample, coarseCount, random);
  const members: number[][] = Array.from({ length: coarseCount }, () => []);
  for (const i of sample)
    members[nearest(source.chunk(i), source.offset(i), coarse, 0, coarseCount, dims)]?.push(i);
  yield;
  const parts: Float32Array[] = [];
  const starts = new Int32Array(coarseCount + 1);
  for (let c = 0; c < coarseCount; c++) {
    const own = members[c] as number[];
    const share = Math.min(own.length, Math.max(1, Math.round((wanted * own.length) / sample.length)));
    const centers =
      share > 1 ? yield* kMeans(source, dims, own, share, random) : coarse.slice(c * dims, (c + 1) * dims);
    parts.push(centers);
    starts[c + 1] = (starts[c] as number) + centers.length / dims;
    yield;
  }
  const count = starts[coarseCount] as number;
  const centers = new Float32Array(count * dims);
  parts.forEach((part, c) => {
    centers.set(part, (starts[c] as number) * dims);
  });
  return { dims, count, coarse, centers, starts };
}

/** The fine center nearest to a vector, among those below the nearest coarse ones. */
export function assign(clusters: Clusters, chunk: Float32Array, offset: number): number {
  const { dims, coarse, centers, starts } = clusters;
  const scores = Array.from({ length: starts.length - 1 }, (_, c) =>
    dot(coarse, c * dims, chunk, dims, offset),
  );
  let best = 0;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (let turn = 0; turn < NEAR; turn++) {
    const c = scores.indexOf(Math.max(...scores));
    scores[c] = Number.NEGATIVE_INFINITY;
    for (let i = starts[c] as number; i < (starts[c + 1] as number); i++) {
      const score = dot(centers, i * dims, chunk, dims, offset);
      if (score > bestScore) {
        best = i;
        bestScore = score;
      }
    }
  }
  return best;
}

function pickSample(length: number, wanted: number, random: Random): number[] {
  if (length <= wanted) return Array.from({ length }, (_, i) => i);
  const step = length / wanted;
  return Array.from({ length: wanted }, (_, i) => Math.floor((i + random.next()) * step)).map((i) =>
    Math.min(i, length - 1),
  );
}

function* kMeans(
  source: Source,
  dims: number,
  members: readonly number[],
  k: number,
  random: Random,
): Generator<undefined, Float32Array> {
  const centers = new Float32Array(k * dims);
  random
    .shuffle(members)
    .slice(0, k)
    .forEach((i, c) => {
      centers.set(source.chunk(i).subarray(source.offset(i), source.offset(i) + dims), c * dims);
    });
  for (let turn = 0; turn < ITERATIONS; turn++) {
    const sums = new Float64Array(k * dims);
    let work = 0;
    for (const i of members) {
      const [chunk, offset] = [source.chunk(i), source.offset(i)];
      const c = nearest(chunk, offset, centers, 0, k, dims);
      for (let j = 0; j < dims; j++)
        sums[c * dims + j] = (sums[c * dims + j] as number) + (chunk[offset + j] as number);
      work += k;
      if (work > 20_000) {
        work = 0;
        yield;
      }
    }
    for (let c = 0; c < k; c++) setUnit(centers, c, sums, dims);
  }
  return centers;
}

/** Moves a center to the direction of its members; one without members stays where it is. */
function setUnit(centers: Float32Array, c: number, sums: Float64Array, dims: number): void {
  let norm = 0;
  for (let j = 0; j < dims; j++) norm += (sums[c * dims + j] as number) ** 2;
  if (norm === 0) return;
  for (let j = 0; j < dims; j++) centers[c * dims + j] = (sums[c * dims + j] as number) / Math.sqrt(norm);
}

function nearest(
  chunk: Float32Array,
  offset: number,
  centers: Float32Array,
  from: number,
  to: number,
  dims: number,
): number {
  let best = from;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (let c = from; c < to; c++) {
    const score = dot(centers, c * dims, chunk, dims, offset);
    if (score > bestScore) {
      best = c;
      bestScore = score;
    }
  }
  return best;
}
