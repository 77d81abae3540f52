/** Filters: the texts that matching values contain, and searches whose filter few items pass. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../../../src/lib/random.js";
import type { FaissStore } from "../../../src/store/faiss-store.js";
import { compileFilter } from "../../../src/store/search/filter.js";
import { keysOf, openStore } from "../helpers.js";

const NS = ["notes"];
const DIMS = 64;

describe("the texts of a filter", () => {
  const scalar = fc.oneof(
    fc.string({ unit: "binary", maxLength: 4 }),
    fc.constantFrom("a", 'q"', "\\", "\ud800", "1", ""),
    fc.integer({ min: -2, max: 12 }),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
  );
  const name = fc.constantFrom("a", "b", "a.b", 'q"', "0", "length", "é");
  const value = fc.dictionary(
    name,
    fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }), fc.dictionary(name, scalar, { maxKeys: 3 })),
    { maxKeys: 4, noNullPrototype: true },
  );

  it("are in the JSON of every value that passes", () => {
    let passed = 0;
    void fc.assert(
      fc.property(value, fc.array(scalar, { maxLength: 3 }), (given, others) => {
        // As the store would read it.
        const json = JSON.stringify(given);
        const stored = JSON.parse(json);
        for (const [key, own] of Object.entries(stored)) {
          const inner = Object.entries(own !== null && typeof own === "object" ? own : {});
          const fields = [[key, own], ...inner.map(([part, deep]) => [`${key}.${part}`, deep])];
          if (Array.isArray(own)) fields.push([`${key}.length`, own.length]);
          for (const [field, wanted] of fields as [string, unknown][]) {
            for (const condition of [wanted, { $eq: wanted }, { $in: [...others, wanted] }, { $gte: 1 }]) {
              const filter = compileFilter({ [field]: condition });
              if (!filter(stored)) continue;
              passed++;
              for (const list of filter.words) expect(list.some((text) => json.includes(text))).toBe(true);
            }
          }
        }
      }),
    );
    expect(passed).toBeGreaterThan(500);
  });

  it("are there for equality and for alternatives only", () => {
    expect(compileFilter({ "a.b": "x", n: { $in: [1, 2] } }).words).toEqual([['b":"x"'], ['n":1', 'n":2']]);
    const at = new Date(0);
    expect(compileFilter({ at, "list.0": true }).words).toEqual([[`at":"${at.toJSON()}"`], ["true"]]);
    for (const condition of [
      { $ne: 1 },
      { $gt: 1 },
      { $nin: [1] },
      { $exists: true },
      [1],
      { deep: 1 },
      undefined,
    ]) {
      expect(compileFilter({ a: condition }).words).toEqual([]);
    }
    expect(compileFilter({ "list.length": 2 }).words).toEqual([]);
  });
});

/** The best by cosine of what is visible and passes, by reading everything. */
async function truth(
  store: FaissStore,
  vectors: Map<string, number[]>,
  query: number[],
  keep: (key: number) => boolean,
) {
  const items = await store.search(NS, { limit: 10_000 });
  const score = (key: string): number => {
    const vector = vectors.get(key) as number[];
    const length = (of: number[]) => Math.sqrt(of.reduce((sum, x) => sum + x * x, 0));
    return vector.reduce((sum, x, i) => sum + x * (query[i] as number), 0) / length(vector) / length(query);
  };
  return keysOf(items)
    .filter((key) => keep(Number(key)))
    .sort((a, b) => score(b) - score(a))
    .slice(0, 10);
}

it.each([false, true])(
  "a filter that few pass finds the best of them, on a fork and an old version too (quantized %s)",
  async (quantized) => {
    const random = createRandom("selective");
    const draw = () => Array.from({ length: DIMS }, () => random.next() - 0.5);
    const query = draw();
    const vectors = new Map<string, number[]>();
    const store = await openStore(":memory:", {
      index: {
        embeddings: { embedQuery: async () => query, embedDocuments: async () => [] },
        dims: DIMS,
        fields: ["text"],
        embeddingName: "drawn",
        scanBelow: 500,
        quantized,
      },
    });
    const put = (key: number) => {
      const vector = draw();
      vectors.set(`${key}`, vector);
      const value = { text: `note ${key}`, rare: `r${key % 400}`, part: key % 40, deep: { n: key % 500 } };
      return {
        namespace: NS,
        key: `${key}`,
        value,
        vectors: [{ path: "text", vector: Float32Array.from(vector) }],
      };
    };
    for (let from = 0; from < 4000; from += 1000) {
      await store.batch(Array.from({ length: 1000 }, (_, i) => put(from + i)));
    }
    await store.search(NS, { query: "q" });
    await store.checkpoint();
    const before = await store.at(await store.version());
    const fork = await store.fork("half");
    await fork.batch(
      Array.from({ length: 2000 }, (_, i) => ({ namespace: NS, key: `${i * 2}`, value: null })),
    );
    await store.batch(
      Array.from({ length: 1000 }, (_, i) => ({ namespace: NS, key: `${i * 4}`, value: null })),
    );
    const filters: [filter: Record<string, unknown>, keep: (key: number) => boolean][] = [
      [{ rare: "r7" }, (key) => key % 400 === 7],
      [{ rare: { $in: ["r8", "r12"] } }, (key) => key % 400 === 8 || key % 400 === 12],
      [{ "deep.n": 33 }, (key) => key % 500 === 33],
      [{ "deep.n": { $gt: 497 } }, (key) => key % 500 > 497],
      [{ part: 7, rare: { $ne: "r7" } }, (key) => key % 40 === 7 && key % 400 !== 7],
      [{ rare: "nothing" }, () => false],
      // More conditions than an SQL expression can have.
      [Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`x${i}`, i])), () => false],
    ];
    for (const view of [store, fork, before]) {
      for (const [filter, keep] of filters) {
        const found = keysOf(await view.search(NS, { query: "q", filter, limit: 10 }));
        expect(found).toEqual(await truth(view as FaissStore, vectors, query, keep));
      }
    }
    await store.close();
  },
);
