import { describe, expect, it } from "vitest";
import { HfEmbeddings } from "../../src/models/hf/embeddings.js";
import { LexicalEmbeddings } from "../../src/models/lexical-embeddings.js";
import { DEFAULT_THRESHOLDS, thresholdsOf } from "../../src/models/thresholds.js";
import { FaissStore } from "../../src/store/faiss-store.js";
import { createToolkit } from "../../src/tools/toolkit.js";

const minilm = new HfEmbeddings({ model: "/models/all-MiniLM-L6-v2" });

describe("thresholds of an embedding model", () => {
  it("are those that were measured for it, under any of its names", () => {
    expect(thresholdsOf(minilm)).toEqual({ duplicate: 0.83, theta: 0.77 });
    expect(thresholdsOf({ name: "hf:all-MiniLM-L6-v2@131a2d49d182" })).toEqual(thresholdsOf(minilm));
  });

  it("are the default ones for a model that nobody measured", () => {
    for (const other of [new LexicalEmbeddings(), { model: "mine" }, { model: 5 }, {}, undefined]) {
      expect(thresholdsOf(other)).toBe(DEFAULT_THRESHOLDS);
    }
  });

  it("are taken by the memory tools, unless the application says otherwise", async () => {
    const store = await FaissStore.open(":memory:", {
      index: { embeddings: minilm, embeddingName: "hf:minilm", dims: 384 },
    });
    expect(createToolkit({ store })).toMatchObject({ theta: 0.77, duplicateThreshold: 0.83 });
    expect(createToolkit({ store, theta: 0.5, duplicateThreshold: 0.9 })).toMatchObject({
      theta: 0.5,
      duplicateThreshold: 0.9,
    });
    // FILTER measures with the embeddings given; the store's search, which finds duplicates, with its own.
    expect(createToolkit({ store, embeddings: new LexicalEmbeddings() })).toMatchObject({
      theta: 0.6,
      duplicateThreshold: 0.83,
    });
    await store.close();
  });
});
