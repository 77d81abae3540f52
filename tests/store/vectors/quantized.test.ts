/** A store that keeps its vectors as bytes finds what one with all their digits finds, with the same scores. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createRandom } from "../../../src/lib/random.js";
import type { FaissStore } from "../../../src/store/faiss-store.js";
import { SIDECAR_FILE } from "../../../src/store/vectors/sidecar/sidecar-format.js";
import { normalize } from "../../../src/store/vectors/vector-math.js";
import { VectorTable } from "../../../src/store/vectors/vector-table.js";
import { openStore, temporaryDirectory } from "../helpers.js";

const DIMS = 64;
const NS = ["notes"];

const random = createRandom("quantized");
const draw = (): number[] => Array.from({ length: DIMS }, () => random.next() - 0.5);
const queries = new Map(Array.from({ length: 20 }, (_, i) => [`query ${i}`, draw()]));
const embeddings = {
  embedQuery: async (text: string) => queries.get(text) ?? draw(),
  embedDocuments: async (texts: string[]) => texts.map(() => draw()),
};

const open = (path: string, quantized: boolean, scanBelow?: number): Promise<FaissStore> =>
  openStore(path, {
    index: {
      embeddings,
      dims: DIMS,
      embeddingName: "drawn",
      fields: ["text"],
      quantized,
      // So many that two searches by codes, each of which may miss one in a hundred else, find the same.
      ...(scanBelow ? { scanBelow, recall: 0.9999 } : {}),
    },
  });

const puts = Array.from({ length: 600 }, (_, i) => ({
  namespace: NS,
  key: `k${i}`,
  value: { text: `text ${i}`, even: i % 2 === 0 },
  vectors: Array.from({ length: 1 + (i % 3 === 0 ? 1 : 0) }, () => ({ path: "text", vector: draw() })),
}));

async function answers(store: FaissStore, options: object = {}): Promise<[string, number | undefined][][]> {
  const found = [];
  for (const query of queries.keys()) {
    const items = await store.search(NS, { query, limit: 10, ...options });
    found.push(items.map(({ key, score }): [string, number | undefined] => [key, score]));
  }
  return found;
}

it.each([undefined, 100])("agrees with a store of whole numbers (scanBelow %s)", async (scanBelow) => {
  const [exact, bytes] = [await open(":memory:", false, scanBelow), await open(":memory:", true, scanBelow)];
  for (const store of [exact, bytes]) {
    await store.batch(puts);
    await store.search(NS, { query: "query 0" });
    await store.checkpoint();
  }
  const [fork, other] = [await exact.fork("trial"), await bytes.fork("trial")];
  for (const store of [fork, other])
    await store.batch(puts.slice(0, 300).map(({ namespace, key }) => ({ namespace, key, value: null })));
  for (const options of [{}, { filter: { even: true } }, { mode: "hybrid" }, { limit: 3, offset: 4 }]) {
    expect(await answers(bytes, options)).toEqual(await answers(exact, options));
    expect(await answers(other, options)).toEqual(await answers(fork, options));
  }
  const sizes = [(await exact.stats()).bytesInMemory, (await bytes.stats()).bytesInMemory] as const;
  expect(sizes[0] - sizes[1]).toBe(800 * (DIMS * 3 - 4));
});

it("opens from its sidecar, and from the database where that was written the other way or is damaged", async () => {
  const path = temporaryDirectory();
  const first = await open(path, true);
  await first.batch(puts);
  const before = await answers(first);
  await first.checkpoint();
  await first.close();
  const file = join(path, SIDECAR_FILE);
  for (const quantized of [true, false, true]) {
    const store = await open(path, quantized);
    expect(await answers(store)).toEqual(before);
    await store.checkpoint();
    await store.close();
  }
  const whole = readFileSync(file);
  for (const at of [30, Math.floor(whole.length / 2), whole.length - 1]) {
    const damaged = Buffer.from(whole);
    damaged[at] = (damaged[at] as number) ^ 255;
    writeFileSync(file, damaged);
    const store = await open(path, true);
    expect(await answers(store)).toEqual(before);
    await store.close();
  }
});

it("rounds a component to the 127th part of the largest", () => {
  const table = new VectorTable(4, true);
  const facts = { item: 1, ns: 1, branch: 1, rev: 1, endRev: null, born: 1 };
  const [zero, axis, mixed] = [
    [0, 0, 0, 0],
    [0, -2, 0, 0],
    [1, 2, 3, 4],
  ].map((vector, version) => table.append({ ...facts, version }, Float32Array.from(vector))) as [
    number,
    number,
    number,
  ];
  expect([...table.vector(zero)]).toEqual([0, 0, 0, 0]);
  expect([...table.vector(axis)]).toEqual([0, -1, 0, 0]);
  const largest = 4 / Math.sqrt(30);
  const rounded = [...table.vector(mixed)];
  rounded.forEach((one, i) => {
    expect(Math.abs(one - (i + 1) / Math.sqrt(30))).toBeLessThanOrEqual(largest / 127 / 2 + 1e-7);
  });
});

it.each([64, 72, 130, 9000])(
  "multiplies rows of %i bytes as exactly as it rounds them, however they are grouped",
  (dims) => {
    const table = new VectorTable(dims, true);
    const own = createRandom(`rows/${dims}`);
    const vector = () => Float32Array.from({ length: dims }, () => own.next() - 0.5);
    for (let version = 0; version < 150; version++)
      table.append({ version, item: 1, ns: 1, branch: 1, rev: 1, endRev: null, born: 1 }, vector());
    const unit = Float64Array.from(normalize(vector()));
    const all = Int32Array.from({ length: 150 }, (_, slot) => slot);
    const scores = new Float64Array(150);
    table.scores(all, 150, unit, scores);
    for (const slot of all) {
      const plain = table.vector(slot).reduce((sum, x, i) => sum + x * (unit[i] as number), 0);
      expect(Math.abs((scores[slot] as number) - plain)).toBeLessThan(2e-4);
      const single = new Float64Array(1);
      table.scores(Int32Array.of(slot), 1, unit, single);
      expect(single[0]).toBe(scores[slot]);
    }
    expect(new Set(scores).size).toBeGreaterThan(140);
  },
);
