/** The `rerank` option: a model's scores or a function's order in place of the search's, its limits and its failures. */
import { describe, expect, it, vi } from "vitest";
import { ConfigError } from "../../../src/errors.js";
import type { Reranker } from "../../../src/store/search/reranker.js";
import { codeOf, keysOf, openStore } from "../helpers.js";

const NS = ["n"];
const query = "walnut";

async function orchard() {
  const store = await openStore();
  for (const [key, text] of Object.entries({
    a: "walnut walnut",
    b: "walnut tree",
    c: "walnut cake recipe",
  })) {
    await store.put(NS, key, { text });
  }
  return store;
}

/** Scores by length: the longest text first. */
const longest: Reranker = { score: (_, texts) => texts.map(({ length }) => length) };

describe("a reranker", () => {
  it("gets the query and the searched texts of the candidates, and its scores give order and score", async () => {
    const store = await orchard();
    const asked: unknown[] = [];
    const rerank: Reranker = {
      score(query, texts, { signal }) {
        asked.push(query, [...texts].sort(), signal.aborted);
        return { scores: texts.map((text) => (text.includes("cake") ? -1 : -text.length)), tokens: 12 };
      },
    };
    const found = await store.search(NS, { query, mode: "hybrid", rerank });
    expect(asked).toEqual([query, ["walnut cake recipe", "walnut tree", "walnut walnut"], false]);
    expect(found.map(({ key, score }) => [key, score])).toEqual([
      ["c", -1],
      ["b", -11],
      ["a", -13],
    ]);
    expect((await store.stats()).reranked).toEqual({ searches: 1, texts: 3, tokens: 12 });
  });

  it("sees as many candidates as it says, but never fewer than are wanted", async () => {
    const store = await openStore();
    const many = Array.from({ length: 80 }, (_, i) => ({
      namespace: NS,
      key: `${i}`,
      value: { text: `walnut ${"tree ".repeat(i)}` },
    }));
    await store.batch(many);
    const score = vi.fn((_: string, texts: readonly string[]) => texts.map(({ length }) => length));
    const texts = () => (score.mock.lastCall as unknown as [string, string[]])[1];
    const search = (options: object, candidates?: number) =>
      store.search(NS, {
        query,
        mode: "keyword",
        ...options,
        rerank: { score, ...(candidates && { candidates }) },
      });
    await search({ limit: 5 });
    expect(texts()).toHaveLength(50);
    await search({ limit: 20 });
    expect(texts()).toHaveLength(80);
    const few = await search({ limit: 2 }, 7);
    expect(texts()).toHaveLength(7);
    // BM25 prefers the short ones; of its best seven the longest come first.
    expect(keysOf(few)).toEqual(["6", "5"]);
    expect(keysOf(await search({ limit: 4, offset: 6 }, 3))).toEqual(["3", "2", "1", "0"]);
    expect(texts()).toHaveLength(10);
  });

  it("shares the score with the search, both from 0 to 1", async () => {
    const store = await orchard();
    const alone = await store.search(NS, { query, mode: "keyword" });
    expect(keysOf(alone)).toEqual(["a", "b", "c"]);
    const own = alone.map(({ score = 0 }) => score);
    const [high, , low] = own as [number, number, number];
    const rerank: Reranker = { ...longest, share: 0.25 };
    const found = await store.search(NS, { query, mode: "keyword", rerank });
    const lengths = { a: 13, b: 11, c: 18 };
    for (const { key, score } of found) {
      const before = ((alone.find((one) => one.key === key)?.score ?? 0) - low) / (high - low);
      const length = (lengths[key as "a"] - 11) / 7;
      expect(score).toBeCloseTo(0.75 * before + 0.25 * length, 12);
    }
    const none = await store.search(NS, { query, mode: "keyword", rerank: { ...longest, share: 0 } });
    expect(keysOf(none)).toEqual(["a", "b", "c"]);
  });

  it("keeps the search's order of equals, and leaves what the search could not rank behind", async () => {
    const store = await orchard();
    await store.put(NS, "plain", { text: "walnut walnut walnut walnut walnut" }, false);
    const equal: Reranker = { score: (_, texts) => new Array<number>(texts.length).fill(0.5) };
    const alone = await store.search(NS, { query });
    const found = await store.search(NS, { query, rerank: equal });
    expect(keysOf(found)).toEqual(keysOf(alone));
    const last = (await store.search(NS, { query, rerank: longest })).at(-1);
    expect([last?.key, last?.score]).toEqual(["plain", undefined]);
  });

  it("ranks a retriever's documents, and those of a fork", async () => {
    const store = await orchard();
    const fork = await store.fork();
    await fork.put(NS, "d", { text: "walnut in a very long sentence" });
    for (const [one, best] of [
      [store, "c"],
      [fork, "d"],
    ] as const) {
      const retriever = one.asRetriever({ namespace: NS, k: 1, mode: "keyword", rerank: longest });
      expect((await retriever.invoke(query)).map(({ id }) => id)).toEqual([best]);
    }
  });

  it("is not asked when nothing was found or nothing was asked", async () => {
    const store = await orchard();
    const score = vi.fn(() => []);
    expect(await store.search(NS, { query: "zzzz", mode: "keyword", rerank: { score } })).toEqual([]);
    expect(await store.search(NS, { limit: 1, rerank: { score } })).toHaveLength(1);
    expect(await store.search(NS, { query, limit: 0, rerank: { score } })).toEqual([]);
    expect(score).not.toHaveBeenCalled();
  });
});

describe("neighbors with a reranker", () => {
  it("count after it, with its final scores from 0 to 1", async () => {
    const store = await openStore();
    const texts = ["walnut", "walnut tree by the river bank", "walnut oil", "walnut cake", "walnut wood"];
    for (const [i, text] of texts.entries()) await store.put(NS, `t${i}`, { text });
    const rerank: Reranker = { ...longest, share: 0.5 };
    const search = (options: object) => store.search(NS, { query, mode: "hybrid", limit: 5, ...options });
    const alone = new Map((await search({ rerank })).map(({ key, score = 0 }) => [key, score]));
    const found = await search({ rerank, neighbors: { share: 0.4, reach: 2 } });
    expect(found).toHaveLength(5);
    for (const { key, score } of found) {
      const at = Number(key.slice(1));
      const near = [-2, -1, 1, 2].map((d) => 0.7 ** (Math.abs(d) - 1) * (alone.get(`t${at + d}`) ?? 0));
      expect(score).toBeCloseTo(0.6 * (alone.get(key) ?? 0) + 0.4 * Math.max(...near), 12);
    }
    // The reranker's scores alone are lengths; beside neighbors they lie between 0 and 1, too.
    const [first, second] = await search({ rerank: longest, neighbors: 0.4 });
    expect([first?.key, second?.key]).toEqual(["t1", "t2"]);
    expect(first?.score).toBeCloseTo(0.6 + 0.4 * (4 / 23), 12);
    expect(second?.score).toBeCloseTo(0.6 * (4 / 23) + 0.4, 12);
  });
});

describe("items beside a reranker's candidates", () => {
  it("are found by their neighbors' scores, unread, if they pass the filter", async () => {
    const store = await openStore();
    const texts = ["zzz", "walnut", "qqq", "kkk", "jjj", "hhh", "walnut tree", "walnut oil"];
    for (const [turn, text] of texts.entries()) await store.put(NS, `t${turn}`, { text, turn });
    const read: string[] = [];
    const rerank: Reranker = {
      candidates: 3,
      score(_, texts) {
        read.push(...texts);
        return texts.map((text) => Number(text === "walnut"));
      },
    };
    const search = (options: object) =>
      store.search(NS, { query, mode: "hybrid", limit: 3, rerank, neighbors: 0.4, ...options });
    const found = await search({});
    expect(read.sort()).toEqual(["walnut", "walnut oil", "walnut tree"]);
    expect(found.map(({ key, score }) => [key, score?.toFixed(6)])).toEqual([
      ["t1", "0.600000"],
      ["t0", "0.400000"],
      ["t2", "0.400000"],
    ]);
    expect(found[1]?.value).toEqual({ text: "zzz", turn: 0 });
    expect(keysOf(await search({ filter: { turn: { $gte: 1 } } }))).toEqual(["t1", "t2", "t3"]);
    expect(keysOf(await search({ neighbors: { share: 0.4, reach: 1 }, offset: 1, limit: 2 }))).toEqual([
      "t0",
      "t2",
    ]);
  });
});

describe("a failing reranker", () => {
  const search = async (rerank: unknown, store = orchard()) =>
    (await store).search(NS, { query, mode: "keyword", rerank: rerank as Reranker });

  it("is AGEMEM_RERANK_FAILED, whatever it returns or throws", async () => {
    for (const score of [
      () => [1, 2],
      () => [1, 2, Number.NaN],
      () => ["1", "2", "3"],
      () => undefined,
      () => ({ scores: null }),
      () => 7,
      () => {
        throw new Error("no model");
      },
      () => Promise.reject(new Error("no model")),
    ]) {
      expect(await codeOf(() => search({ score }))).toBe("AGEMEM_RERANK_FAILED");
    }
    for (const reorder of [() => null, () => Promise.reject(new Error("no"))]) {
      expect(await codeOf(() => search(reorder))).toBe("AGEMEM_RERANK_FAILED");
    }
  });

  it("keeps the cause without its secrets, and an agemem error as it is", async () => {
    const secret = `sk-${"a1B2".repeat(10)}`;
    const failing = search({ score: () => Promise.reject(new Error(`key ${secret} refused`)) });
    const error = await failing.catch((reason: Error) => reason);
    expect(error).toMatchObject({ code: "AGEMEM_RERANK_FAILED", remedy: expect.stringContaining("rerank") });
    expect(JSON.stringify([String(error), String((error as Error).cause)])).not.toContain(secret);
    const own = new ConfigError("AGEMEM_PACKAGE_MISSING", "not installed");
    await expect(search({ score: () => Promise.reject(own) })).rejects.toBe(own);
  });

  it("is given up after its time, and told so", async () => {
    let given: AbortSignal | undefined;
    const score: Reranker["score"] = (_, __, { signal }) => {
      given = signal;
      return new Promise(() => undefined);
    };
    expect(await codeOf(() => search({ score, timeoutMs: 5 }))).toBe("AGEMEM_RERANK_FAILED");
    expect(given?.aborted).toBe(true);
  });

  it("in a batch with writes fails the call after they are committed", async () => {
    const store = await orchard();
    const rerank = { score: () => Promise.reject(new Error("no model")) };
    const batch = store.batch([
      { namespacePrefix: NS, query, mode: "keyword", rerank } as never,
      { namespace: NS, key: "d", value: { text: "new" } },
    ]);
    await expect(batch).rejects.toMatchObject({ code: "AGEMEM_RERANK_FAILED" });
    expect((await store.get(NS, "d"))?.value).toEqual({ text: "new" });
  });

  it("is refused at once with settings out of range", async () => {
    const { score } = longest;
    for (const rerank of [
      {},
      null,
      { score: 1 },
      { score, candidates: 0 },
      { score, candidates: 1.5 },
      { score, candidates: 10_001 },
      { score, share: 1.1 },
      { score, share: Number.NaN },
      { score, timeoutMs: 0 },
      { score, timeoutMs: 2 ** 31 },
    ]) {
      expect(await codeOf(() => search(rerank))).toBe("AGEMEM_INPUT_ARGUMENT");
    }
  });
});
