/**
 * Finds the directions of partitions: k-means of unit vectors in two levels, on a sample.
 *
 * Two levels, because comparing every vector of the sample with every direction would take minutes for a million vectors.
 * Leaves out what partitions are for (`partitions.ts`).
 */
import type { VectorTable } from "../vector-table.js";
import { MOST_PARTITIONS, Partitions } from "./partitions.js";
import { RowKernel } from "./row-kernel.js";

/** Vectors per partition. */
const PER_PARTITION = 160;
/** Vectors of the sample per direction of either level. */
const SAMPLE = 24;
const SAMPLE_OF_GROUPS = 128;
const ROUNDS = 6;
/** Vectors compared before other work may run. */
const SLICE = 16;

/** Makes partitions for some slots of a table, which are not empty. Yields between slices. */
export function* trainPartitions(table: VectorTable, slots: Int32Array): Generator<void, Partitions> {
  const wanted = Math.max(1, Math.min(MOST_PARTITIONS, Math.round(slots.length / PER_PARTITION)));
  const sample = evenly(slots, wanted * SAMPLE);
  const count = Math.max(1, Math.round(Math.sqrt(wanted)));
  const kernel = new RowKernel(table.dims, wanted);
  const groups = yield* kMeans(table, evenly(sample, count * SAMPLE_OF_GROUPS), count, kernel);
  const members: number[][] = groups.map(() => []);
  for (const [i, direction] of groups.entries()) kernel.set(i, direction);
  for (const [i, slot] of sample.entries()) {
    members[nearest(table, slot, kernel, groups.length)]?.push(slot);
    if (i % SLICE === 0) yield;
  }
  const directions: Float32Array[][] = [];
  for (const own of members) {
    const k = Math.max(1, Math.round((wanted * own.length) / sample.length));
    directions.push(own.length > 0 ? yield* kMeans(table, Int32Array.from(own), k, kernel) : []);
  }
  const kept = directions
    .map((own, i) => ({ own, group: groups[i] as Float32Array }))
    .filter(({ own }) => own.length > 0);
  const partitions = new Partitions(
    table.dims,
    kept.map(({ own }) => own.length),
  );
  const rows = [...kept.flatMap(({ own }) => own), ...kept.map(({ group }) => group)];
  for (const [row, direction] of rows.entries()) partitions.set(row, direction);
  return partitions;
}

/** `k` directions, at most one per slot, such that the slots are near one of them. */
function* kMeans(
  table: VectorTable,
  slots: Int32Array,
  k: number,
  kernel: RowKernel,
): Generator<void, Float32Array[]> {
  const { dims } = table;
  let directions: Float32Array[] = Array.from(evenly(slots, k), (slot) => table.vector(slot).slice());
  for (let round = 0; round < ROUNDS && directions.length > 1; round++) {
    for (const [i, direction] of directions.entries()) kernel.set(i, direction);
    const sums = directions.map(() => new Float64Array(dims));
    for (const [i, slot] of slots.entries()) {
      add(sums[nearest(table, slot, kernel, sums.length)] as Float64Array, table.vector(slot));
      if (i % SLICE === 0) yield;
    }
    directions = sums.map(
      (sum, i) => scaled(sum) ?? table.vector(slots[(i * 7919) % slots.length] as number).slice(),
    );
  }
  return directions;
}

function nearest(table: VectorTable, slot: number, kernel: RowKernel, count: number): number {
  kernel.load(table.chunkOf(slot), table.offsetOf(slot));
  const products = kernel.products(0, count);
  let best = 0;
  for (let i = 1; i < count; i++) if ((products[i] as number) > (products[best] as number)) best = i;
  return best;
}

function add(sum: Float64Array, vector: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (vector[i] as number);
}

/** A sum as a direction; null if nothing was added. */
function scaled(sum: Float64Array): Float32Array | null {
  const length = Math.sqrt(sum.reduce((squares, one) => squares + one * one, 0));
  return length > 0 ? Float32Array.from(sum, (one) => one / length) : null;
}

/** At most `count` of some slots, evenly spaced. */
function evenly(slots: Int32Array, count: number): Int32Array {
  if (slots.length <= count) return slots;
  return Int32Array.from(
    { length: count },
    (_, i) => slots[Math.floor(((i + 0.5) * slots.length) / count)] as number,
  );
}
