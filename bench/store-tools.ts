/** What the store benchmark measures with: clustered vectors under names, medians, measuring in turns. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createRandom, type Random } from "../src/lib/random.js";

export const DIMS = 384;
const CLUSTERS = 200;

/** Unit-free vectors around 200 centres, and an embedding model that knows them by name. */
export class Clustered {
  readonly #random: Random;
  readonly #centres: Float32Array[];
  readonly #named = new Map<string, Float32Array>();

  constructor(seed: string) {
    this.#random = createRandom(seed);
    this.#centres = Array.from({ length: CLUSTERS }, () =>
      Float32Array.from({ length: DIMS }, () => this.#normal()),
    );
  }

  next(): Float32Array {
    const centre = this.#random.pick(this.#centres);
    const vector = Float32Array.from(centre, (x) => x + 0.7 * this.#normal());
    const norm = Math.hypot(...vector);
    return vector.map((x) => x / norm);
  }

  /** A new vector that is embedded under a name. */
  named(name: string): Float32Array {
    const vector = this.next();
    this.#named.set(name, vector);
    return vector;
  }

  async embedQuery(text: string): Promise<number[]> {
    return (this.#named.get(text) ?? this.named(text)) as unknown as number[];
  }

  async embedDocuments(texts: string[]): Promise<number[][]> {
    return Promise.all(texts.map((text) => this.embedQuery(text)));
  }

  /** Near enough to normal: the sum of uniform draws. */
  #normal(): number {
    return this.#random.next() + this.#random.next() + this.#random.next() + this.#random.next() - 2;
  }
}

export async function time(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/**
 * Milliseconds of processor time that this process used during some work: on a busy machine a better measure than the clock,
 * which also counts what others used meanwhile.
 */
export async function cpuTime(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

let collect: (() => void) | undefined;

/** Bytes of the JavaScript heap that are in use, garbage collected first. Typed arrays' contents are not in it. */
export function heapBytes(): number {
  if (!collect) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
  }
  collect();
  return process.memoryUsage().heapUsed;
}

/** Median milliseconds of some runs. */
export async function median(runs: number, work: () => unknown): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < runs; i++) times.push(await time(work));
  return middle(times);
}

/**
 * Median milliseconds of several works that are run in turns, after `warmUp` turns (on the first indexes), by the clock or
 * by {@link cpuTime}.
 */
export async function inTurns(
  turns: number,
  works: ((i: number) => unknown)[],
  warmUp = 5,
  measure = time,
): Promise<number[]> {
  const times = works.map((): number[] => []);
  for (let i = 0; i < warmUp; i++) for (const work of works) await work(i % Math.min(5, turns));
  const from = Math.min(5, turns - 1);
  for (let i = from; i < turns; i++) {
    for (const [w, work] of works.entries()) times[w]?.push(await measure(() => work(i)));
  }
  return times.map(middle);
}

/** The median. */
export function middle(times: number[]): number {
  return [...times].sort((a, b) => a - b)[times.length >> 1] ?? Number.NaN;
}
