/** Vectors and sizes that end the process when they reach FAISS unchecked, and what searches make of them. */
import { describe, expect, it } from "vitest";
import type { FaissStore } from "../../src/store/faiss-store.js";
import { codeOf, keysOf, LetterEmbeddings, openStore } from "./helpers.js";

const NS = ["n"];
const withVectors = (dims: number, kind: "faiss" | "flat", make: (text: string) => number[]) =>
  openStore(":memory:", {
    index: {
      embeddings: { embedQuery: async (t) => make(t), embedDocuments: async (ts) => ts.map(make) },
      dims,
      fields: ["text"],
      kind,
      scanBelow: 0,
      retries: 0,
    },
  });

describe.each(["faiss", "flat"] as const)("robustness: %s", (kind) => {
  it("refuses wrong dimensions, NaN and infinity, and stores nothing", async () => {
    for (const bad of [[1, 2], [], [1, 2, Number.NaN], [1, 2, Number.POSITIVE_INFINITY], [1, 2, 1e300]]) {
      const store = await withVectors(3, kind, () => bad);
      expect(await codeOf(() => store.put(NS, "k", { text: "x" }))).toBe("AGEMEM_VECTOR_INVALID");
      expect(await store.get(NS, "k")).toBeNull();
      await store.put(NS, "k", { text: "x" }, false);
      expect(await codeOf(() => store.search(NS, { query: "x" }))).toBe("AGEMEM_VECTOR_INVALID");
    }
  });

  it("searches empty stores, zero vectors, more than there is, and after removal", async () => {
    const store = await withVectors(3, kind, (text) => (text === "zero" ? [0, 0, 0] : [1, text.length, 0]));
    expect(await store.search(NS, { query: "x", limit: 1000 })).toEqual([]);
    await store.put(NS, "zero", { text: "zero" });
    await store.put(NS, "one", { text: "one" });
    expect(keysOf(await store.search(NS, { query: "one", limit: 1000 }))).toEqual(["one", "zero"]);
    expect((await store.search(NS, { query: "zero" })).map(({ score }) => score)).toEqual([0, 0]);
    await store.delete(NS, "one");
    await store.delete(NS, "zero");
    expect(await store.search(NS, { query: "one", limit: 1000 })).toEqual([]);
  });

  it("takes vectors of 65,536 dimensions and tiny or huge components", async () => {
    const store = await withVectors(65_536, kind, (text) =>
      Array.from({ length: 65_536 }, (_, i) => (i % 7 === text.length ? 1 : 0)),
    );
    for (const text of ["a", "bb", "ccc"]) await store.put(NS, text, { text });
    expect(keysOf(await store.search(NS, { query: "zz", limit: 1 }))).toEqual(["bb"]);
    const extreme = await withVectors(2, kind, (text) => (text === "huge" ? [3e38, 3e38] : [1e-44, 1e-44]));
    await extreme.put(NS, "huge", { text: "huge" });
    expect((await extreme.search(NS, { query: "tiny" }))[0]?.score).toBeCloseTo(1, 3);
  });

  it("ranks many equal scores by creation", async () => {
    const store = await withVectors(3, kind, () => [1, 1, 1]);
    await store.batch(
      Array.from({ length: 900 }, (_, i) => ({ namespace: NS, key: `k${i}`, value: { text: "same" } })),
    );
    expect(keysOf(await store.search(NS, { query: "x", limit: 3 }))).toEqual(["k0", "k1", "k2"]);
    expect(keysOf(await store.search(NS, { query: "x", limit: 2, offset: 898 }))).toEqual(["k898", "k899"]);
  });
});

async function fillClusters(store: FaissStore, n: number): Promise<void> {
  const puts = Array.from({ length: n }, (_, i) => ({
    namespace: NS,
    key: `k${i}`,
    value: { text: `${i}` },
  }));
  for (let from = 0; from < n; from += 1000) await store.batch(puts.slice(from, from + 1000));
}

describe("codes", () => {
  it("find what there is, see new items at once, and filters and forks hold", async () => {
    const vector = (text: string): number[] => {
      const n = Number(text);
      return Array.from(
        { length: 64 },
        (_, j) => Math.sin((n % 40) * (j + 1)) + 0.05 * Math.sin(n * (j + 3)),
      );
    };
    const store = await openStore(":memory:", {
      index: {
        embeddings: { embedQuery: async (t) => vector(t), embedDocuments: async (ts) => ts.map(vector) },
        dims: 64,
        fields: ["text"],
      },
    });
    await fillClusters(store, 6000);
    const truth = await store.search(NS, { query: "4242", limit: 10 });
    await store.checkpoint();
    expect((await store.stats()).indexes).toMatchObject([{ size: 6000, exact: false }]);
    const found = await store.search(NS, { query: "4242", limit: 10 });
    expect(keysOf(found).filter((key) => keysOf(truth).includes(key)).length).toBeGreaterThanOrEqual(9);
    await store.put(NS, "new", { text: "4242" });
    expect(keysOf(await store.search(NS, { query: "4242", limit: 2 })).sort()).toEqual(["k4242", "new"]);
    const fork = await store.fork();
    await fork.delete(NS, "k4242");
    expect(keysOf(await fork.search(NS, { query: "4242", limit: 1 }))).toEqual(["new"]);
    const rare = await store.search(NS, { query: "4242", filter: { text: "17" }, limit: 5 });
    expect(keysOf(rare)).toEqual(["k17"]);
  });
});

describe("limits and embedding requests", () => {
  it("refuses what is too large before anything is written", async () => {
    const store = await openStore(":memory:", {
      limits: { valueChars: 100, keyChars: 20, batchOperations: 2 },
    });
    expect(await codeOf(() => store.put(NS, "k", { text: "x".repeat(200) }))).toBe("AGEMEM_STORE_LIMIT");
    expect(await codeOf(() => store.put(NS, "k".repeat(30), { text: "x" }))).toBe("AGEMEM_STORE_LIMIT");
    expect(await codeOf(() => store.batch(Array(3).fill({ namespace: NS, key: "k" })))).toBe(
      "AGEMEM_STORE_LIMIT",
    );
    expect(store.version().revision).toBe(0);
  });

  it("asks the model once per batch and not again for a known text", async () => {
    const embeddings = new LetterEmbeddings();
    const store = await openStore(":memory:", { index: { embeddings, fields: ["text"] } });
    await store.batch(["a", "b", "a"].map((text, i) => ({ namespace: NS, key: `k${i}`, value: { text } })));
    await store.put(NS, "again", { text: "a" });
    expect([embeddings.calls, embeddings.texts]).toEqual([1, 2]);
  });

  it("applies writes in the order they were asked for, however long embedding takes", async () => {
    const slow = new LetterEmbeddings();
    const embedDocuments = slow.embedDocuments.bind(slow);
    slow.embedDocuments = async (texts) => {
      if (texts.includes("first")) await new Promise((resolve) => setTimeout(resolve, 40));
      return embedDocuments(texts);
    };
    const store = await openStore(":memory:", { index: { embeddings: slow, fields: ["text"] } });
    await Promise.all(["first", "second"].map((text) => store.put(NS, "k", { text })));
    expect((await store.get(NS, "k"))?.value).toEqual({ text: "second" });
  });
});
