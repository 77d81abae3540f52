/** Codes: how far their estimates are off, and what searches find by them on data of every kind. */
import { describe, expect, it } from "vitest";
import { createRandom, type Random } from "../../../src/lib/random.js";
import type { FaissStore } from "../../../src/store/faiss-store.js";
import { BUCKETS } from "../../../src/store/vectors/codes/code-kernel.js";
import { CodeTable } from "../../../src/store/vectors/codes/code-table.js";
import { Coder, centerOf } from "../../../src/store/vectors/codes/coder.js";
import { normalBelow } from "../../../src/store/vectors/codes/normal.js";
import { Rotation } from "../../../src/store/vectors/codes/rotation.js";
import { CodedIndex } from "../../../src/store/vectors/vector-indexes/coded.js";
import { loadFaiss } from "../../../src/store/vectors/vector-indexes/faiss.js";
import { scan } from "../../../src/store/vectors/vector-indexes/flat.js";
import { SEES_ALL, VectorTable } from "../../../src/store/vectors/vector-table.js";
import { keysOf, openStore, temporaryDirectory } from "../helpers.js";

type Make = (random: Random, i: number) => Float32Array;

const normal = (random: Random): number =>
  Array.from({ length: 12 }, () => random.next()).reduce((sum, one) => sum + one, -6);
const isotropic = (random: Random, dims: number): Float32Array =>
  Float32Array.from({ length: dims }, () => normal(random));
const near = (random: Random, center: Float32Array, spread: number): Float32Array =>
  center.map((x) => x + normal(random) * spread);

function filled(dims: number, n: number, make: Make): VectorTable {
  const table = new VectorTable(dims);
  const random = createRandom(`table/${dims}`);
  for (let i = 0; i < n; i++) {
    const facts = { version: i + 1, item: i, ns: 1, branch: 1, rev: i + 1, endRev: null, born: i + 1 };
    table.append(facts, make(random, i));
  }
  return table;
}

describe("a rotation", () => {
  it.each([64, 100, 384, 513, 1536])("keeps lengths and angles in %i dimensions", (dims) => {
    const random = createRandom("rotation");
    const rotation = new Rotation(dims);
    const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, i) => sum + x * (b[i] as number), 0);
    const [a, b] = [Float64Array.from(isotropic(random, dims)), Float64Array.from(isotropic(random, dims))];
    const before = [dot(a, a), dot(a, b)];
    rotation.apply(a);
    rotation.apply(b);
    expect(dot(a, a)).toBeCloseTo(before[0] as number, 6);
    expect(dot(a, b)).toBeCloseTo(before[1] as number, 6);
    // What was in one place is in all of them.
    const one = new Float64Array(dims);
    one[3] = 1;
    rotation.apply(one);
    expect(Math.max(...one.map(Math.abs))).toBeLessThan(0.6);
  });
});

describe("an estimate", () => {
  const shifted: Make = (random) => near(random, new Float32Array(384).fill(1), 0.5);
  it.each<[string, number, Make]>([
    ["isotropic", 384, (random) => isotropic(random, 384)],
    ["pointing one way", 384, shifted],
    ["of many dimensions", 768, (random) => isotropic(random, 768)],
    ["of an odd dimension", 131, (random) => isotropic(random, 131)],
  ])("errs as much as is said, for vectors %s", (_, dims, make) => {
    const table = filled(dims, 400, make);
    const codes = new CodeTable(table, new Coder(centerOf(table)));
    expect(codes.cover()).toBe(true);
    const slots = Int32Array.from({ length: table.size }, (__, i) => i);
    let [squares, count] = [0, 0];
    for (let q = 0; q < 20; q++) {
      const unit = table.vector(q * 19).slice();
      const query = codes.query(unit);
      codes.kernel.begin(query);
      codes.kernel.estimateList(slots);
      for (const { slot, score } of scan(table, [slots], unit, 400, SEES_ALL)) {
        if (slot === q * 19) continue;
        squares += ((estimateOf(codes, slot) - score) / codes.deviation(slot, query, score)) ** 2;
        count++;
      }
    }
    expect(Math.sqrt(squares / count)).toBeGreaterThan(0.8);
    expect(Math.sqrt(squares / count)).toBeLessThan(1.2);
  });

  it("of a record is the same by itself, in a run and in a list", () => {
    const table = filled(192, 100, (random) => isotropic(random, 192));
    const codes = new CodeTable(table, new Coder(centerOf(table)));
    codes.cover();
    const buckets = (estimate: () => void): number[] => {
      codes.kernel.begin(codes.query(table.vector(3).slice()));
      estimate();
      return Array.from({ length: codes.kernel.estimated }, (_, i) => estimateOf(codes, i));
    };
    const all = buckets(() => codes.kernel.estimateRun(0, 100));
    expect(new Set(all).size).toBeGreaterThan(50);
    const each = buckets(() => {
      for (let i = 0; i < 100; i++) codes.kernel.estimateRun(i, 1);
    });
    expect(each).toEqual(all);
    expect(buckets(() => codes.kernel.estimateRun(13, 40))).toEqual(all.slice(13, 53));
    const list = [99, 3, 4, 17, 18, 3, 0, 64];
    expect(buckets(() => codes.kernel.estimateList(Int32Array.from(list)))).toEqual(list.map((i) => all[i]));
    const histogram = codes.kernel.histogram();
    expect(histogram.reduce((sum, count) => sum + count, 0)).toBe(list.length);
  });

  it("reads few blocks for a namespace whose vectors lie among others", () => {
    const table = new VectorTable(64);
    const random = createRandom("mixed");
    const small = 40;
    for (let i = 0; i < 6000; i++) {
      const ns = i < small ? 10 + i : 1 + (i % 4);
      table.append(
        { version: i + 1, item: i, ns, branch: 1, rev: i + 1, endRev: null, born: i + 1 },
        isotropic(random, 64),
      );
    }
    const codes = new CodeTable(table, new Coder(centerOf(table)));
    codes.cover();
    expect(codes.slots.length).toBeLessThan(6000 + 6 * 16);
    const positions = codes.positions.view();
    expect(new Set(positions).size).toBe(6000);
    const own = table.slotsOf(2)?.view() ?? new Int32Array(0);
    const blocks = new Set(Array.from(own, (slot) => (positions[slot] as number) >> 4));
    expect(blocks.size).toBeLessThanOrEqual(own.length / 16 + 1);
  });

  it("uses the normal distribution", () => {
    expect([-8, -1.96, 0, 1, 2.5758].map((x) => normalBelow(x).toFixed(4))).toEqual([
      "0.0000",
      "0.0250",
      "0.5000",
      "0.8413",
      "0.9950",
    ]);
  });
});

it("a search that finds vectors without a code ends, whatever is in the memory where their codes will be", () => {
  const table = filled(384, 3000, (random) => isotropic(random, 384));
  const codes = new CodeTable(table, new Coder(centerOf(table)));
  codes.cover(2000);
  codes.kernel.reserve(table.size);
  for (let position = 2000; position < table.size; position++)
    codes.kernel.set(position, new Uint8Array(48), Number.NaN, 1e30);
  const slots = Int32Array.from({ length: table.size }, (_, i) => i);
  const unit = table.vector(2500).slice();
  const promise = { target: 0.99, widen: 1 };
  const found = new CodedIndex(table, codes, [slots]).search(unit, 10, SEES_ALL, promise);
  expect(found[0]).toMatchObject({ slot: 2500 });
  const best = new Set(scan(table, [slots], unit, 10, SEES_ALL).map(({ slot }) => slot));
  expect(found.filter(({ slot }) => best.has(slot)).length).toBeGreaterThanOrEqual(8);
});

/** The middle of the estimate's bucket, found by halving, since the kernel only says what lies between two of them. */
function estimateOf(codes: CodeTable, slot: number): number {
  let [low, high] = [0, BUCKETS];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (codes.kernel.collect(slot, slot + 1, middle, BUCKETS).length > 0) low = middle;
    else high = middle;
  }
  return ((low + 0.5) * 4) / BUCKETS - 2;
}

const DIMS = 128;
const ITEMS = 4000;
const base = createRandom("base");
const centers = Array.from({ length: 40 }, () => isotropic(base, DIMS));
const plane = Array.from({ length: 3 }, () => isotropic(base, DIMS));

const DATA: Record<string, { stored: Make; asked: Make }> = {
  isotropic: { stored: (random) => isotropic(random, DIMS), asked: (random) => isotropic(random, DIMS) },
  "one huge cluster": {
    stored: (random, i) => near(random, centers[i % 20 === 0 ? 1 : 0] as Float32Array, 0.3),
    asked: (random) => near(random, centers[0] as Float32Array, 0.3),
  },
  "near copies": {
    stored: (random, i) => near(random, centers[i % 40] as Float32Array, 0.01),
    asked: (random) => near(random, centers[7] as Float32Array, 0.05),
  },
  "tiny norms": {
    stored: (random, i) => near(random, centers[i % 40] as Float32Array, 0.8).map((x) => x * 1e-25),
    asked: (random) => isotropic(random, DIMS).map((x) => x * 1e-25),
  },
  "few dimensions": {
    stored: (random) => combined(random),
    asked: (random) => combined(random),
  },
  sparse: {
    stored: (random) => Float32Array.from({ length: DIMS }, () => (random.next() < 0.05 ? random.next() : 0)),
    asked: (random) => Float32Array.from({ length: DIMS }, () => (random.next() < 0.05 ? 1 : 0)),
  },
};

function combined(random: Random): Float32Array {
  const out = new Float32Array(DIMS);
  for (const direction of plane) {
    const weight = normal(random);
    for (let j = 0; j < DIMS; j++) out[j] = (out[j] as number) + weight * (direction[j] as number);
  }
  return out;
}

const open = (path: string, { asked }: { asked: Make }, options: object) =>
  openStore(path, {
    durability: "normal",
    index: {
      embeddings: {
        embedQuery: async (text) => [...asked(createRandom(text), 0)],
        embedDocuments: async () => [],
      },
      dims: DIMS,
      fields: ["text"],
      embeddingName: "codes",
      ...options,
    },
  });

async function fill(store: FaissStore, { stored }: { stored: Make }): Promise<void> {
  const random = createRandom("stored");
  for (let from = 0; from < ITEMS; from += 1000) {
    await store.batch(
      Array.from({ length: 1000 }, (_, i) => ({
        namespace: ["n"],
        key: `k${from + i}`,
        value: { text: "", third: i % 3 },
        vectors: [{ path: "text", vector: stored(random, from + i) }],
      })),
    );
  }
}

/** Share of the true ten best that are found, by score, so that any of several equal items counts. */
async function recallOf(store: FaissStore, exact: FaissStore, filter?: object): Promise<number> {
  let found = 0;
  for (let q = 0; q < 40; q++) {
    const options = { query: `q${q}`, limit: 10, ...(filter && { filter }) };
    const truth = await exact.search(["n"], options as never);
    const worst = truth.at(-1)?.score ?? 0;
    const hits = await store.search(["n"], options as never);
    expect(new Set(keysOf(hits)).size).toBe(10);
    found += hits.filter(({ score }) => (score ?? -2) >= worst).length;
  }
  return found / 400;
}

const kinds = loadFaiss() && process.env.AGEMEM_INDEX !== "flat" ? ["flat", "faiss"] : ["flat"];

describe.each(kinds)("what is found by codes: %s", (kind) => {
  it.each(Object.keys(DATA))("keeps the promise: %s", async (name) => {
    const data = DATA[name] as { stored: Make; asked: Make };
    const path = temporaryDirectory();
    const store = await open(path, data, { kind });
    await fill(store, data);
    await store.search(["n"], { query: "first" });
    await store.checkpoint();
    const exact = await open(path, data, { recall: "exact", kind: "flat" });
    expect(await recallOf(store, exact)).toBeGreaterThanOrEqual(0.98);
    expect((await exact.stats()).indexes).toEqual([]);
    // A filter, half of the items deleted on a fork, and there too.
    expect(await recallOf(store, exact, { third: 1 })).toBeGreaterThanOrEqual(0.98);
    const fork = await store.fork("half");
    await fork.batch(
      Array.from({ length: ITEMS / 2 }, (_, i) => ({ namespace: ["n"], key: `k${i * 2}`, value: null })),
    );
    const exactFork = await exact.branch("half");
    expect(await recallOf(fork, exactFork)).toBeGreaterThanOrEqual(0.98);
    await store.close();
    const again = await open(path, data, { kind });
    await again.search(["n"], { query: "first" });
    await again.checkpoint();
    expect(await recallOf(await again.branch("half"), exactFork)).toBeGreaterThanOrEqual(0.98);
    expect((await again.stats()).indexes[0]?.recall?.stored).toBeGreaterThanOrEqual(0.98);
  });
});
