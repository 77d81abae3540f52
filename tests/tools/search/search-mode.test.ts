/** How RETRIEVE ranks: hybrid where the store has it, as an option, and recorded; near copies by similarity always. */
import { Embeddings } from "@langchain/core/embeddings";
import { InMemoryStore } from "@langchain/langgraph";
import { afterEach, describe, expect, it } from "vitest";
import { ageMemMiddleware } from "../../../src/agent/middleware/middleware.js";
import { rolloutSettings } from "../../../src/rollout/settings.js";
import { FaissStore } from "../../../src/store/faiss-store.js";
import { scripted } from "../../agent/helpers.js";
import { optionsFor } from "../../rollout/setup.js";
import { ToolBench } from "../bench-kit.js";

const NAMESPACE = ["memories", "ada"];

/** Two meanings: texts about trees, and all others. A tree's name itself is no match for this model. */
class Meaning extends Embeddings {
  constructor() {
    super({});
  }

  async embedQuery(text: string): Promise<number[]> {
    return /tree|code/.test(text) ? [1, 0] : [0.6, 0.8];
  }

  embedDocuments(texts: string[]): Promise<number[][]> {
    return Promise.all(texts.map((text) => this.embedQuery(text)));
  }
}

const closing: FaissStore[] = [];
afterEach(async () => {
  for (const store of closing.splice(0)) await store.close();
});

async function meanings(): Promise<FaissStore> {
  const store = await FaissStore.open(":memory:", {
    index: { embeddings: new Meaning(), embeddingName: "meaning", fields: ["content"] },
  });
  closing.push(store);
  await store.put(NAMESPACE, "near", { content: "A tree stands there." });
  await store.put(NAMESPACE, "word", { content: "The walnut was bought in Oslo." });
  return store;
}

describe("RETRIEVE", () => {
  const QUERY = { query: "code walnut", top_k: 1 };

  it.each([
    [undefined, "hybrid", "word"],
    ["hybrid", "hybrid", "word"],
    ["keyword", "keyword", "word"],
    ["vector", "vector", "near"],
  ] as const)("with searchMode %s ranks by %s, and says so", async (searchMode, used, first) => {
    const store = await meanings();
    const bench = new ToolBench({ store, ...(searchMode ? { searchMode } : {}) });
    const { outcome, text } = await bench.call("RETRIEVE", QUERY);
    expect(outcome).toMatchObject({ ok: true, memoryIds: [first], searchMode: used });
    // Ranks and BM25 are no similarities.
    expect(text.includes("score=")).toBe(used === "vector");
  });

  it("finds by words in a store without an embedding model, which has no other way", async () => {
    const store = await FaissStore.open(":memory:");
    closing.push(store);
    await store.put(NAMESPACE, "word", { content: "The walnut was bought in Oslo." });
    const { outcome } = await new ToolBench({ store }).call("RETRIEVE", { query: "walnut" });
    expect(outcome).toMatchObject({ memoryIds: ["word"], searchMode: "keyword" });
    expect(() => new ToolBench({ store, searchMode: "hybrid" })).toThrow(
      expect.objectContaining({ code: "AGEMEM_CONFIG_INVALID", message: expect.stringContaining("keyword") }),
    );
  });

  it("takes another store's own way, which has no name", async () => {
    const store = new InMemoryStore();
    await store.put(NAMESPACE, "word", { content: "The walnut was bought in Oslo." });
    const { outcome } = await new ToolBench({ store }).call("RETRIEVE", { query: "walnut" });
    expect(outcome.memoryIds).toEqual(["word"]);
    expect(outcome).not.toHaveProperty("searchMode");
    for (const make of [
      () => new ToolBench({ store, searchMode: "hybrid" }),
      () => scripted([], { store, searchMode: "hybrid" }),
      () => ageMemMiddleware({ store, searchMode: "hybrid" }),
    ]) {
      expect(make).toThrow(expect.objectContaining({ code: "AGEMEM_CONFIG_INVALID" }));
    }
  });

  it("passes ranking options on to the store", async () => {
    const store = await meanings();
    const asked: unknown[] = [];
    const rerank = {
      score(query: string, texts: readonly string[]) {
        asked.push(query, [...texts].sort());
        return texts.map((text) => (text.startsWith("A tree") ? 1 : 0));
      },
    };
    const bench = new ToolBench({ store, ranking: { rerank } });
    const { outcome } = await bench.call("RETRIEVE", QUERY);
    // Without the reranker it is "word".
    expect(outcome.memoryIds).toEqual(["near"]);
    expect(asked).toEqual([QUERY.query, ["A tree stands there.", "The walnut was bought in Oslo."]]);
    const aged = new ToolBench({ store, ranking: { recency: { halfLifeMinutes: 1, weight: 0.5 } } });
    expect((await aged.call("RETRIEVE", QUERY)).outcome.memoryIds).toHaveLength(1);
  });

  it("refuses ranking options out of range, unknown ones, and a store that would ignore them", async () => {
    const store = await meanings();
    const withOptions = (ranking: object) => () => scripted([], { store, ranking } as never);
    for (const ranking of [
      { neighbors: 2 },
      { rerank: {} },
      { recency: { halfLifeMinutes: 0 } },
      { boost: 1 },
      [],
    ]) {
      expect(withOptions(ranking)).toThrow(
        expect.objectContaining({
          code: "AGEMEM_CONFIG_INVALID",
          message: expect.stringContaining("ranking"),
        }),
      );
    }
    expect(() => scripted([], { store: new InMemoryStore(), ranking: { neighbors: 0.3 } })).toThrow(
      expect.objectContaining({ code: "AGEMEM_CONFIG_INVALID" }),
    );
  });

  it("refuses an unknown way", async () => {
    const store = await meanings();
    const wrong = { searchMode: "semantic" as never };
    for (const make of [
      () => new ToolBench({ store, ...wrong }),
      () => rolloutSettings({ ...optionsFor(store), ...wrong }),
    ]) {
      expect(make).toThrow(expect.objectContaining({ code: "AGEMEM_CONFIG_INVALID" }));
    }
  });
});

describe("near copies", () => {
  it("are told by similarity, however RETRIEVE ranks", async () => {
    for (const searchMode of ["hybrid", "keyword", "vector"] as const) {
      const bench = new ToolBench({ store: await meanings(), searchMode });
      // No word in common, and the same meaning.
      const { outcome } = await bench.call("ADD", { content: "Trees, code." });
      expect(outcome.error?.code).toBe("AGEMEM_MEMORY_DUPLICATE");
    }
  });

  it("are not told by BM25, which has no upper bound", async () => {
    const store = await FaissStore.open(":memory:");
    closing.push(store);
    const bench = new ToolBench({ store });
    for (const content of ["Bo likes tea.", "It rains in Oslo.", "The walnut was bought in Bergen."]) {
      expect((await bench.call("ADD", { content })).outcome.ok).toBe(true);
    }
    const other = await bench.call("ADD", { content: "The walnut in Bergen is old, and was never bought." });
    expect(other.outcome.error).toBeUndefined();
    const same = await bench.call("ADD", { content: "it rains in oslo" });
    expect(same.outcome.error?.code).toBe("AGEMEM_MEMORY_DUPLICATE");
  });
});
