/** How a scope is searched, what that may miss, and what it may hold. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it, vi } from "vitest";
import { createRandom, type Random } from "../../../src/lib/random.js";
import type { FaissStore } from "../../../src/store/faiss-store.js";
import type { StoreIndexOptions } from "../../../src/store/vectors/embedder.js";
import { loadFaiss } from "../../../src/store/vectors/vector-indexes/faiss.js";
import { NativeMemory, nativeMemory } from "../../../src/store/vectors/vector-indexes/native-memory.js";
import { VectorTable } from "../../../src/store/vectors/vector-table.js";
import { keysOf, openStore, temporaryDirectory } from "../helpers.js";

const NS = ["n"];
const DIMS = 64;

/** Directions without any order in them: the hardest data for codes. */
const isotropic = (random: Random): Float32Array =>
  Float32Array.from({ length: DIMS }, () => random.next() + random.next() + random.next() - 1.5);

/** A text is the seed of its vector. */
const embed = (text: string): number[] => [...isotropic(createRandom(text))];
const embeddings = {
  embedQuery: async (text: string) => embed(text),
  embedDocuments: async (texts: string[]) => texts.map(embed),
};
const open = (path: string, index: Partial<StoreIndexOptions> = {}): Promise<FaissStore> =>
  openStore(path, {
    durability: "normal",
    index: { embeddings, dims: DIMS, fields: ["text"], embeddingName: "isotropic", ...index },
  });

/** Fills a namespace with `items` items of `each` vectors; returns them by key. */
async function fill(
  store: FaissStore,
  items: number,
  each = 1,
  namespace = NS,
): Promise<Map<string, Float32Array[]>> {
  const random = createRandom(`fill/${items}/${each}/${namespace}`);
  const stored = new Map<string, Float32Array[]>();
  for (let from = 0; from < items; from += 1000) {
    const puts = Array.from({ length: Math.min(1000, items - from) }, (_, i) => {
      const own = Array.from({ length: each }, () => isotropic(random));
      stored.set(`k${from + i}`, own);
      const vectors = own.map((vector, n) => ({ path: `text.${n}`, vector }));
      return { namespace, key: `k${from + i}`, value: { text: "" }, vectors };
    });
    await store.batch(puts);
  }
  return stored;
}

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += (a[i] as number) * (b[i] as number);
    aa += (a[i] as number) ** 2;
    bb += (b[i] as number) ** 2;
  }
  return dot / Math.sqrt(aa * bb);
}

function best(stored: Map<string, Float32Array[]>, query: string, limit: number): string[] {
  const vector = embed(query);
  const scored = [...stored].map(([key, own]) => ({
    key,
    score: Math.max(...own.map((one) => cosine(one, vector))),
  }));
  return keysOf(scored.sort((a, b) => b.score - a.score).slice(0, limit));
}

/** The share of the true best that a store finds. */
async function recallOf(store: FaissStore, stored: Map<string, Float32Array[]>, queries: string[]) {
  let found = 0;
  for (const query of queries) {
    const truth = new Set(best(stored, query, 10));
    found += keysOf(await store.search(NS, { query, limit: 10 })).filter((key) => truth.has(key)).length;
  }
  return found / (queries.length * 10);
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`);

describe("search at every size", () => {
  it("looks at few vectors while those of another namespace wait for their codes", async () => {
    const store = await open(":memory:", { kind: "flat", scanBelow: 100 });
    await store.batch(
      Array.from({ length: 2000 }, (_, i) => ({
        namespace: NS,
        key: `k${i}`,
        value: { text: `${i}` },
        vectors: [{ path: "text", vector: embed(`${i}`) }],
      })),
    );
    await store.search(NS, { query: "1" });
    await store.checkpoint();
    await fill(store, 3000, 1, ["other"]);
    const scored = vi.spyOn(VectorTable.prototype, "scores");
    expect(keysOf(await store.search(NS, { query: "7", limit: 1 }))).toEqual(["k7"]);
    const count = scored.mock.calls.reduce((sum, [, slots]) => sum + slots, 0);
    scored.mockRestore();
    expect(count).toBeLessThan(500);
  });

  it("is exact where it is asked to be, also where codes were saved", async () => {
    const path = temporaryDirectory();
    const coded = await open(path, { kind: "flat" });
    const stored = await fill(coded, 20_500);
    await coded.search(NS, { query: "0" });
    await coded.checkpoint();
    // The variable decides also where an option says something else.
    const kind = process.env.AGEMEM_INDEX === "faiss" ? "faiss" : "codes";
    expect((await coded.stats()).indexes).toMatchObject([{ kind, exact: false, size: 20_500 }]);
    await coded.close();
    const store = await open(path, { recall: "exact" });
    for (const query of ["a", "b", "c", "d"]) {
      expect(keysOf(await store.search(NS, { query, limit: 10 }))).toEqual(best(stored, query, 10));
    }
    expect((await store.stats()).indexes).toEqual([]);
  });

  it("finds what it promises, says in stats what it measured, and does so after reopening", async () => {
    const path = temporaryDirectory();
    const store = await open(path, { kind: "flat" });
    const stored = await fill(store, 6000);
    await store.search(NS, { query: "0" });
    await store.checkpoint();
    const recall = await recallOf(store, stored, numbers(32));
    expect(recall).toBeGreaterThanOrEqual(0.98);
    expect((await store.stats()).indexes[0]?.recall).toMatchObject({ searched: recall, searches: 32 });
    await store.checkpoint();
    await store.close();
    const again = await open(path, { kind: "flat" });
    expect((await again.stats()).bytesInMemory).toBeGreaterThan(6000 * (DIMS * 4 + 16));
    expect(await recallOf(again, stored, numbers(32))).toBe(recall);
  });

  it("looks less far for a lower promise", async () => {
    const store = await open(":memory:", { kind: "flat", recall: 0.6 });
    const stored = await fill(store, 6000);
    await store.search(NS, { query: "0" });
    await store.checkpoint();
    const recall = await recallOf(store, stored, numbers(32));
    expect(recall).toBeLessThan(0.98);
    expect(recall).toBeGreaterThan(0.55);
  });

  it("holds each vector once, whoever holds the codes", async () => {
    for (const kind of loadFaiss() ? (["flat", "faiss"] as const) : (["flat"] as const)) {
      const store = await open(":memory:", { kind });
      const n = 5000;
      await fill(store, n);
      await store.search(NS, { query: "0" });
      await store.checkpoint();
      expect((await store.stats()).bytesInMemory / n).toBeLessThanOrEqual(4 * DIMS + 100);
    }
  });
});

describe("items with many vectors", () => {
  it.each([
    { kind: "flat" as const },
    ...(loadFaiss() ? [{ kind: "faiss" as const }] : []),
    { recall: "exact" as const },
  ])("are counted once each before the cut: %o", async (index) => {
    const store = await open(":memory:", index);
    const stored = await fill(store, 120, 60);
    await store.search(NS, { query: "0" });
    await store.checkpoint();
    // Near one item's vectors: all of its sixty are better than any other's.
    const near = isotropic(createRandom("near"));
    const random = createRandom("crowd");
    const crowd = Array.from({ length: 60 }, () => near.map((x) => x + 0.01 * (random.next() - 0.5)));
    const vectors = crowd.map((vector, i) => ({ path: `text.${i}`, vector }));
    await store.put(NS, "crowd", { text: "" }, undefined, { vectors });
    stored.set("crowd", crowd);
    const found = await store.search(NS, { query: "near", limit: 10 });
    expect(new Set(keysOf(found)).size).toBe(10);
    expect(found[0]?.key).toBe("crowd");
    if ("recall" in index) expect(keysOf(found)).toEqual(best(stored, "near", 10));
    expect(await store.search(NS, { query: "near", limit: 200 })).toHaveLength(121);
  });
});

async function collectGarbage(done: () => boolean): Promise<void> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let i = 0; i < 50 && !done(); i++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

// Where the exact scan is asked for, or FAISS is not there, no index of FAISS is made.
describe.skipIf(process.env.AGEMEM_INDEX === "flat" || !loadFaiss())("memory of FAISS", () => {
  it("never exceeds its limit, with the same results", async () => {
    // Other stores of this process count too, until they are collected.
    await collectGarbage(() => nativeMemory.bytes === 0);
    const others = nativeMemory.bytes;
    const faissBytes = others + 24 * 1024;
    const store = await open(":memory:", { kind: "faiss", scanBelow: 0, faissBytes, recall: 0.999 });
    const scopes = Array.from({ length: 6 }, (_, i) => ["tenant", `t${i}`]);
    const stored = [];
    for (const scope of scopes) stored.push(await fill(store, 700, 1, scope));
    let most = 0;
    for (let round = 0; round < 3; round++) {
      for (const [i, scope] of scopes.entries()) {
        const query = `${round}/${i}`;
        const truth = best(stored[i] as Map<string, Float32Array[]>, query, 5);
        expect(keysOf(await store.search(scope, { query, limit: 5 }))).toEqual(truth);
        await store.checkpoint();
        most = Math.max(most, nativeMemory.bytes);
      }
    }
    const { faissBytes: held, faissBytesLimit, indexes } = await store.stats();
    expect([held, faissBytesLimit]).toEqual([nativeMemory.bytes, faissBytes]);
    expect(most).toBeLessThanOrEqual(faissBytes);
    expect(most - others).toBeGreaterThan(12 * 1024);
    expect(indexes.length).toBeGreaterThan(0);
    // What was written later is found too, whether FAISS has room for it or not.
    for (const scope of scopes) {
      await store.put(scope, "later", { text: "later" });
      expect((await store.search(scope, { query: "later", limit: 1 }))[0]?.key).toBe("later");
    }
  });

  it("is spent on codes only", async () => {
    await collectGarbage(() => nativeMemory.bytes === 0);
    const others = nativeMemory.bytes;
    const store = await open(":memory:", { kind: "faiss" });
    await fill(store, 5000);
    await store.search(NS, { query: "a" });
    await store.checkpoint();
    expect((await store.stats()).indexes).toMatchObject([{ kind: "faiss", size: 5000, exact: false }]);
    const held = nativeMemory.bytes - others;
    expect(held).toBeGreaterThanOrEqual((5000 * DIMS) / 8);
    expect(held).toBeLessThan(5000 * DIMS);
  });

  it("counts a dropped object until it was collected", async () => {
    const memory = new NativeMemory();
    const fillUp = (owner: object): boolean => memory.grow(memory.track(owner), 600, 1000, () => undefined);
    let owner: object | null = {};
    expect(fillUp(owner)).toBe(true);
    expect(fillUp({})).toBe(false);
    expect(memory.bytes).toBe(600);
    owner = null;
    expect([owner, memory.bytes]).toEqual([null, 600]);
    await collectGarbage(() => memory.bytes === 0);
    expect(memory.bytes).toBe(0);
  });
});
