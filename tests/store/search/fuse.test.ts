/** Hybrid ranking: scores of both halves on one scale, and each candidate scored by both. */
import { Embeddings } from "@langchain/core/embeddings";
import { describe, expect, it } from "vitest";
import { FaissStore } from "../../../src/store/faiss-store.js";
import { fuse, VECTOR_SHARE } from "../../../src/store/search/fuse.js";

describe("fuse", () => {
  it("weighs keyword scores against the best, and cosines on a scale whose bottom many candidates have to show", () => {
    const [first, second] = fuse(
      [
        { keyword: 4, cosine: 0.6 },
        { keyword: 1, cosine: 0.8 },
      ],
      0.5,
    );
    const low = (0.6 * 2) / 12;
    expect(first).toBeCloseTo(0.5 + (0.5 * (0.6 - low)) / (0.8 - low), 12);
    expect(second).toBeCloseTo(0.5 / 4 + 0.5, 12);
    const many = [0.8, ...Array.from({ length: 999 }, () => 0.6)].map((cosine) => ({ keyword: 0, cosine }));
    expect(fuse(many, 1)[999]).toBeLessThan(0.03);
  });

  it("is one of its halves at either end of the share", () => {
    const candidates = [
      { keyword: 2, cosine: 0 },
      { keyword: 1, cosine: 0.5 },
    ];
    expect(fuse(candidates, 0)).toEqual([1, 0.5]);
    expect(fuse(candidates, 1)).toEqual([0, 1]);
  });

  it("has a score for what only one half knows", () => {
    expect(fuse([{ keyword: 3, cosine: undefined }], 0.5)).toEqual([0.5]);
    expect(fuse([{ keyword: 0, cosine: 0.3 }], 0.5)).toEqual([0.5]);
    expect(fuse([{ keyword: 0, cosine: 0 }], 0.5)).toEqual([0.5]);
    expect(fuse([], 0.5)).toEqual([]);
  });

  it("stays between 0 and 1 for any scores", () => {
    for (const share of [0, VECTOR_SHARE.lexical, VECTOR_SHARE.semantic, 1]) {
      const candidates = Array.from({ length: 50 }, (_, i) => ({
        keyword: (i * 7919) % 13,
        cosine: Math.sin(i * 12.9898),
      }));
      for (const score of fuse(candidates, share)) {
        expect(score).toBeGreaterThanOrEqual(0);
        expect(score).toBeLessThanOrEqual(1 + 1e-12);
      }
    }
  });
});

/** Two directions: how much of fruit and how much of weather a text has. */
class Topics extends Embeddings {
  constructor() {
    super({});
  }

  override async embedQuery(text: string): Promise<number[]> {
    const count = (words: RegExp) => text.match(words)?.length ?? 0;
    return [count(/apple|pear|fruit/g) + 0.01, count(/rain|storm|weather/g) + 0.01];
  }

  override embedDocuments(texts: string[]): Promise<number[][]> {
    return Promise.all(texts.map((text) => this.embedQuery(text)));
  }
}

const open = (vectorWeight?: number) =>
  FaissStore.open(":memory:", {
    index: {
      embeddings: new Topics(),
      embeddingName: "topics",
      dims: 2,
      fields: ["text"],
      ...(vectorWeight === undefined ? {} : { vectorWeight }),
    },
  });

describe("hybrid search", () => {
  async function search(store: FaissStore, query: string): Promise<string[]> {
    await store.put(["notes"], "word", { text: "The harbour opens at nine" });
    await store.put(["notes"], "meaning", { text: "A storm came, and rain" });
    await store.put(["notes"], "both", { text: "The weather at the harbour" });
    await store.put(["notes"], "neither", { text: "An apple and a pear" });
    const found = await store.search(["notes"], { query, mode: "hybrid", limit: 4 });
    expect(found.map(({ score }) => score)).toEqual([...found.map(({ score }) => score)].sort().reverse());
    return found.map(({ key }) => key);
  }

  it("puts what both halves know first, and each half's own before the rest", async () => {
    await using store = await open();
    const found = await search(store, "weather harbour");
    expect(found[0]).toBe("both");
    expect(new Set(found.slice(1, 3))).toEqual(new Set(["word", "meaning"]));
    expect(found[3]).toBe("neither");
  });

  it("follows the share that the store is opened with", async () => {
    await using words = await open(0.05);
    await using meaning = await open(0.95);
    expect((await search(words, "weather harbour"))[1]).toBe("word");
    expect((await search(meaning, "weather harbour"))[1]).toBe("meaning");
  });

  it("scores by their vectors also those that only keywords put forward", async () => {
    await using store = await open(0.5);
    // More than the vectors' half puts forward, all nearer to the query than the one that has its rare word.
    await store.batch(
      Array.from({ length: 150 }, (_, i) => ({
        namespace: ["notes"],
        key: `storm-${i}`,
        value: { text: "storm and rain" },
      })),
    );
    await store.put(["notes"], "far", { text: "zanzibar apple" });
    await store.put(["notes"], "near", { text: "zanzibar rain apple" });
    const found = await store.search(["notes"], { query: "weather zanzibar", mode: "hybrid", limit: 160 });
    const scoreOf = (key: string) => found.find((item) => item.key === key)?.score ?? 0;
    expect(scoreOf("near")).toBeGreaterThan(scoreOf("far"));
  });

  it("refuses a share outside of 0 to 1", async () => {
    await expect(open(1.5)).rejects.toMatchObject({ code: "AGEMEM_CONFIG_INVALID" });
  });
});
