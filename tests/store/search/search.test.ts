import { describe, expect, it } from "vitest";
import { analyze, analyzeQuery } from "../../../src/store/search/analyze.js";
import { codeOf, keysOf, openStore, stopClock, temporaryDirectory } from "../helpers.js";

const NS = ["n"];

describe("keyword search", () => {
  it("finds inflected words, accents and scripts without spaces", async () => {
    const store = await openStore();
    const texts = {
      en: "She was running marathons",
      fr: "un café à Zürich",
      ja: "東京都の天気予報",
      th: "ภาษาไทยง่าย",
      ru: "Москва столица России",
    };
    for (const [key, text] of Object.entries(texts)) await store.put(NS, key, { text });
    const find = async (query: string) => keysOf(await store.search(NS, { query, mode: "keyword" }));
    expect(await find("marathon runs")).toEqual(["en"]);
    expect(await find("Zurich CAFE")).toEqual(["fr"]);
    expect(await find("天気")).toEqual(["ja"]);
    expect(await find("ไทย")).toEqual(["th"]);
    expect(await find("москва")).toEqual(["ru"]);
    expect(await find("the of and")).toEqual([]);
    expect(await find('" OR 1 NEAR( * ^')).toEqual([]);
  });

  it("is not influenced by other namespaces, before and after texts are indexed", async () => {
    const store = await openStore();
    await store.put(["a"], "1", { text: "walnut tree" });
    await store.put(["a"], "2", { text: "zebra tree" });
    const before = await store.search(["a"], { query: "walnut", mode: "keyword" });
    const others = Array.from({ length: 600 }, (_, i) => ({
      namespace: ["b"],
      key: `${i}`,
      value: { text: "walnut walnut" },
    }));
    await store.batch(others);
    expect(await store.search(["a"], { query: "walnut", mode: "keyword" })).toEqual(before);
    expect(await store.search(["b"], { query: "walnut", mode: "keyword", limit: 1000 })).toHaveLength(600);
  });

  it("is the default without an embedding model, with the unmatched after", async () => {
    const store = await openStore(":memory:", {});
    const plain = await openStore(":memory:", { index: undefined } as never);
    for (const one of [store, plain]) {
      await one.put(NS, "a", { text: "orbit" });
      await one.put(NS, "b", { text: "walnut" });
    }
    const found = await plain.search(NS, { query: "walnut" });
    expect(keysOf(found)).toEqual(["b", "a"]);
    expect(found[1]?.score).toBeUndefined();
    expect(await codeOf(() => plain.search(NS, { query: "walnut", mode: "vector" }))).toBe(
      "AGEMEM_STORE_UNSUPPORTED",
    );
    expect(await codeOf(() => store.search(NS, { query: "x", mode: "psychic" as never }))).toBe(
      "AGEMEM_INPUT_ARGUMENT",
    );
  });

  it("keeps question words only when a query has nothing else", () => {
    expect(analyzeQuery("What kind of tea does Ada like?")).not.toContain("kind");
    expect(analyzeQuery("which type")).toEqual(analyze("type"));
  });
});

describe("recency and reranking", () => {
  it("prefer the newer of equals, and let a hook reorder and drop", async () => {
    const clock = stopClock(0);
    const store = await openStore();
    await store.put(NS, "old", { text: "walnut" });
    clock.advance(60 * 60_000);
    await store.put(NS, "new", { text: "walnut" });
    const recency = { halfLifeMinutes: 30, weight: 0.5 };
    const found = await store.search(NS, { query: "walnut", recency });
    expect(found.map(({ key, score }) => [key, score?.toFixed(3)])).toEqual([
      ["new", "1.000"],
      ["old", "0.625"],
    ]);
    const rerank = async (query: string, items: typeof found) => (query === "walnut" ? items.slice(1) : []);
    expect(keysOf(await store.search(NS, { query: "walnut", rerank }))).toEqual(["new"]);
    expect(await codeOf(() => store.search(NS, { query: "x", recency: { halfLifeMinutes: 0 } }))).toBe(
      "AGEMEM_INPUT_ARGUMENT",
    );
  });
});

describe("promotion with conflicts", () => {
  it("fails with the conflicts, keeps or overwrites as asked", async () => {
    for (const [onConflict, expected] of [
      ["keep", "parent"],
      ["overwrite", "fork"],
    ] as const) {
      const store = await openStore();
      await store.put(NS, "a", { text: "base" });
      const fork = await store.fork();
      await fork.put(NS, "a", { text: "fork" });
      await fork.put(NS, "b", { text: "only on the fork" });
      await store.put(NS, "a", { text: "parent" });
      const before = store.version();
      await expect(fork.promote()).rejects.toMatchObject({
        code: "AGEMEM_STORE_CONFLICT",
        details: { conflicts: [{ namespace: NS, key: "a" }] },
      });
      expect(store.version()).toEqual(before);
      expect(await fork.promote({ onConflict })).toMatchObject({ branch: "main", conflicts: [{ key: "a" }] });
      expect((await store.get(NS, "a"))?.value).toEqual({ text: expected });
      expect((await store.get(NS, "b"))?.value).toEqual({ text: "only on the fork" });
      expect(await codeOf(() => fork.get(NS, "a"))).toBe("AGEMEM_STORE_BRANCH");
      expect(keysOf((await store.branches()).map(({ name }) => ({ key: name })))).toEqual(["main"]);
    }
  });
});

describe("what is kept between searches", () => {
  it("does not hide items without a vector, whenever they were written", async () => {
    const directory = temporaryDirectory();
    const store = await openStore(directory);
    await store.put(NS, "a", { text: "walnut" });
    expect(keysOf(await store.search(NS, { query: "walnut" }))).toEqual(["a"]);
    await store.put(NS, "b", { text: "orbit" }, false);
    expect(keysOf(await store.search(NS, { query: "walnut" }))).toEqual(["a", "b"]);
    expect(keysOf(await store.search(NS, { limit: 1, offset: 1 }))).toEqual(["b"]);
    const fork = await store.fork("f");
    await fork.put(NS, "c", { text: "tree" }, false);
    expect(keysOf(await fork.search(NS, { limit: 1, offset: 2 }))).toEqual(["c"]);
    await store.vacuum();
    await store.close();
    const again = await openStore(directory);
    expect(keysOf(await again.search(NS, { query: "walnut" }))).toEqual(["a", "b"]);
    expect(keysOf(await again.search(NS, { limit: 1, offset: 1 }))).toEqual(["b"]);
  });

  it("is the newest state of an item, and ends with its time to live", async () => {
    const clock = stopClock(1_000_000);
    const store = await openStore();
    const found = async () =>
      (await store.search(NS, { query: "walnut" })).map(({ key, value }) => [key, value.text]);
    await store.put(NS, "a", { text: "walnut" });
    await store.put(NS, "b", { text: "walnuts" }, undefined, { ttl: 1 });
    expect(await found()).toEqual([
      ["a", "walnut"],
      ["b", "walnuts"],
    ]);
    await store.put(NS, "a", { text: "walnut tree" });
    clock.advance(61_000);
    expect(await found()).toEqual([["a", "walnut tree"]]);
    await store.delete(NS, "a");
    expect(await found()).toEqual([]);
  });
});
