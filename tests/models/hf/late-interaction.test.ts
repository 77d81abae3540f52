/** Late interaction: the vectors of tokens, the score, what is kept, and reranking a search with it. */
import { describe, expect, it } from "vitest";
import { HfEmbeddings } from "../../../src/models/hf/embeddings.js";
import { LateInteractionReranker, tokenSimilarity } from "../../../src/models/hf/late-interaction.js";
import type { TokenVectors } from "../../../src/models/hf/token-vectors.js";
import { FaissStore } from "../../../src/store/faiss-store.js";
import { codeOf } from "../../store/helpers.js";
import { fakeModule } from "./fake-module.js";

const embeddings = () => {
  const { module, calls } = fakeModule();
  return { calls, model: new HfEmbeddings({ model: "x", module, batchSize: 2 }) };
};

describe("tokenVectors", () => {
  it("are those of the text's own tokens, one unit vector each, in the order of the texts", async () => {
    const { model } = embeddings();
    const [first, second, empty] = await model.tokenVectors(["aab", "b", ""]);
    expect(first?.ids).toEqual(Int32Array.from([97, 97, 98]));
    expect(first?.vectors).toEqual(Float32Array.from([1, 0, 1, 0, 0, 1]));
    expect([second?.ids.length, second?.read, second?.dims]).toEqual([1, 3, 2]);
    expect([empty?.ids.length, empty?.read]).toEqual([0, 2]);
  });

  it("stop at a signal", async () => {
    const { model, calls } = embeddings();
    await expect(model.tokenVectors(["a", "b"], AbortSignal.abort())).rejects.toThrow("aborted");
    expect(calls).toHaveLength(0);
  });
});

describe("tokenSimilarity", () => {
  const tokens = (...vectors: [number, number][]): TokenVectors => ({
    ids: Int32Array.from(vectors, (_, i) => i),
    vectors: Float32Array.from(vectors.flat()),
    dims: 2,
    read: vectors.length,
  });

  it("is the weighted mean of each query token's best cosine", () => {
    const query = tokens([1, 0], [0, 1]);
    const text = tokens([0.6, 0.8], [-1, 0]);
    expect(tokenSimilarity(query, Float64Array.from([3, 1]), text)).toBeCloseTo((3 * 0.6 + 0.8) / 4, 6);
    expect(tokenSimilarity(query, Float64Array.from([1, 0]), tokens([-1, 0]))).toBe(-1);
  });

  it("is 0 where there is nothing to compare", () => {
    expect(tokenSimilarity(tokens(), new Float64Array(0), tokens([1, 0]))).toBe(0);
    expect(tokenSimilarity(tokens([1, 0]), Float64Array.from([1]), tokens())).toBe(0);
  });
});

describe("the late interaction reranker", () => {
  it("weighs tokens that few candidates have more", async () => {
    const { model } = embeddings();
    const reranker = new LateInteractionReranker(model);
    // "b" is in two of three texts, "a" in one: the text with "a" wins, though both match one token of two.
    const { scores, tokens } = await reranker.score("ab", ["bb", "aa", "bbb"]);
    const weight = (df: number) => Math.log(1 + (3 - df + 0.5) / (df + 0.5));
    const all = weight(1) + weight(2);
    expect(scores[1]).toBeCloseTo(weight(1) / all, 6);
    expect(scores[0]).toBeCloseTo(weight(2) / all, 6);
    expect(scores[2]).toBeCloseTo(weight(2) / all, 6);
    expect(tokens).toBe(4 + 4 + 4 + 5);
  });

  it("reads a text once while it is kept", async () => {
    const { model, calls } = embeddings();
    const reranker = new LateInteractionReranker(model, { cacheTokens: 8 });
    const first = await reranker.score("a", ["ab", "ab", "ba"]);
    expect(first.tokens).toBe(3 + 4 + 4);
    const again = await reranker.score("a", ["ba", "ab"]);
    expect(again.tokens).toBe(3);
    expect(again.scores).toEqual([first.scores[2], first.scores[0]].map(() => 1));
    // Too many tokens for the cache: read again each time, with the same score.
    const long = "ab".repeat(6);
    expect((await reranker.score("a", [long])).tokens).toBe(3 + 14);
    const before = calls.length;
    expect(await reranker.score("a", [long])).toEqual({ scores: [1], tokens: 3 + 14 });
    expect(calls.length).toBeGreaterThan(before);
  });

  it("reranks a search, and counts its tokens there", async () => {
    const { model } = embeddings();
    await using store = await FaissStore.open(":memory:");
    await store.put(["n"], "first", { text: "ab b b" });
    await store.put(["n"], "second", { text: "ab a" });
    const query = "ab";
    const rerank = new LateInteractionReranker(model, { candidates: 10, share: 1 });
    const plain = await store.search(["n"], { query, mode: "keyword" });
    const found = await store.search(["n"], { query, mode: "keyword", rerank });
    expect(found.map(({ key }) => key).sort()).toEqual(plain.map(({ key }) => key).sort());
    const expected = await rerank.score(
      query,
      found.map(({ value }) => String(value.text)),
    );
    expect(found.map(({ score }) => score)).toEqual(expected.scores);
    const { searches, texts, tokens } = (await store.stats()).reranked;
    expect([searches, texts]).toEqual([1, 2]);
    expect(tokens).toBe(4 + 8 + 6);
  });

  it("says what is wrong", async () => {
    const { model } = embeddings();
    for (const cacheTokens of [0, 1.5, Number.NaN]) {
      expect(await codeOf(async () => new LateInteractionReranker(model, { cacheTokens }))).toBe(
        "AGEMEM_INPUT_ARGUMENT",
      );
    }
    const broken = new HfEmbeddings({
      model: "x",
      module: fakeModule({ outputs: "logits" }).module,
      maxRetries: 0,
    });
    await using store = await FaissStore.open(":memory:");
    await store.put(["n"], "a", { text: "ab" });
    const search = (options: object) =>
      store.search(["n"], {
        query: "ab",
        mode: "keyword",
        rerank: new LateInteractionReranker(broken, options),
      });
    expect(await codeOf(() => search({}))).toBe("AGEMEM_EMBEDDING_FAILED");
    expect(await codeOf(() => search({ share: 2 }))).toBe("AGEMEM_INPUT_ARGUMENT");
    expect(await codeOf(() => search({ candidates: 0 }))).toBe("AGEMEM_INPUT_ARGUMENT");
  });
});
