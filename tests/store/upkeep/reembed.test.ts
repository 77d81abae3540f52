/** Conversion to another model beside what else changes a store: interruptions, vacuum, discarded forks. */
import { describe, expect, it } from "vitest";
import { FaissStore } from "../../../src/store/faiss-store.js";
import { codeOf, LetterEmbeddings, openStore, temporaryDirectory } from "../helpers.js";

const NS = ["memories", "ada"];

/** Fails after some calls to the model. */
class Breaking extends LetterEmbeddings {
  left = Number.POSITIVE_INFINITY;

  override async embedDocuments(texts: string[]): Promise<number[][]> {
    if (this.left-- <= 0) throw new Error("the model is down");
    return super.embedDocuments(texts);
  }
}

function indexOf(embeddings: LetterEmbeddings) {
  return { embeddings, embeddingName: `letters-${embeddings.dims}`, fields: ["text"], retries: 0 };
}

/** Stores more rows than one step of a conversion embeds, and converts until the model breaks. */
async function interrupted(path: string, embeddings: Breaking, rows = 250): Promise<void> {
  const store = await openStore(path);
  await store.batch(
    Array.from({ length: rows }, (_, i) => ({ namespace: NS, key: `k${i}`, value: { text: words(i) } })),
  );
  await store.close();
  embeddings.left = 1;
  expect(await codeOf(() => FaissStore.reembed(path, { index: indexOf(embeddings) }))).toBe(
    "AGEMEM_EMBEDDING_FAILED",
  );
  embeddings.left = Number.POSITIVE_INFINITY;
}

function words(i: number): string {
  return [...String(i)].map((digit) => "abcdefghij"[Number(digit)]?.repeat(3)).join(" ");
}

describe("a conversion that goes on", () => {
  it("keeps the dimension when nothing is left to embed", async () => {
    const path = temporaryDirectory();
    const embeddings = new Breaking(7);
    await interrupted(path, embeddings);
    // What was not embedded yet goes away, so that the rest of the conversion sees no vector.
    const store = await openStore(path);
    await store.batch(
      Array.from({ length: 60 }, (_, i) => ({ namespace: NS, key: `k${190 + i}`, value: null })),
    );
    await store.vacuum();
    await store.close();
    await FaissStore.reembed(path, { index: indexOf(new Breaking(7)) });
    const converted = await openStore(path, { index: { ...indexOf(new Breaking(7)), dims: 7 } });
    expect((await converted.stats()).dims).toBe(7);
    expect((await converted.search(NS, { query: words(3), limit: 1 }))[0]).toMatchObject({ key: "k3" });
    expect(await converted.verify()).toMatchObject({ ok: true });
  });

  it("starts again when the model of that name now gives another dimension", async () => {
    const path = temporaryDirectory();
    await interrupted(path, new Breaking(7));
    const index = { ...indexOf(new Breaking(9)), embeddingName: "letters-7" };
    expect(await FaissStore.reembed(path, { index })).toBe(250);
    const converted = await openStore(path, { index });
    expect(await converted.verify()).toMatchObject({ ok: true });
  });

  it("gives no row the vector of another that was vacuumed", async () => {
    const path = temporaryDirectory();
    const store = await openStore(path);
    await store.put(NS, "base", { text: "base" });
    const fork = await store.fork("f");
    await fork.batch(
      Array.from({ length: 249 }, (_, i) => ({
        namespace: NS,
        key: `f${i}`,
        value: { text: words(i + 1000) },
      })),
    );
    await store.close();
    const embeddings = new Breaking(7);
    embeddings.left = 1;
    expect(await codeOf(() => FaissStore.reembed(path, { index: indexOf(embeddings) }))).toBe(
      "AGEMEM_EMBEDDING_FAILED",
    );
    const again = await openStore(path);
    await (await again.branch("f")).discard();
    await again.vacuum();
    await again.batch(
      Array.from({ length: 20 }, (_, i) => ({ namespace: NS, key: `n${i}`, value: { text: words(i) } })),
    );
    await again.close();
    embeddings.left = Number.POSITIVE_INFINITY;
    await FaissStore.reembed(path, { index: indexOf(embeddings) });
    const converted = await openStore(path, { index: indexOf(new Breaking(7)) });
    expect(await converted.verify()).toMatchObject({ ok: true, problems: [] });
    const [best] = await converted.search(NS, { query: words(12), limit: 1 });
    expect(best).toMatchObject({ key: "n12" });
    expect(best?.score).toBeCloseTo(1, 5);
  });

  it("leaves a store without vectors open to any model", async () => {
    const path = temporaryDirectory();
    await (await openStore(path)).close();
    await FaissStore.reembed(path, { index: indexOf(new Breaking(7)) });
    const converted = await openStore(path, { index: { ...indexOf(new Breaking(7)), dims: 7 } });
    await converted.put(NS, "a", { text: "abc" });
    expect(await converted.search(NS, { query: "abc" })).toHaveLength(1);
  });
});

describe("ids that vacuum freed", () => {
  it("are never given out again", async () => {
    const path = temporaryDirectory();
    const store = await openStore(path);
    await store.put(NS, "base", { text: "base" });
    const first = await store.fork("first");
    await first.put(["other"], "a", { text: "first" });
    await first.discard();
    await store.vacuum();
    const second = await store.fork("second");
    await second.put(NS, "b", { text: "second" });
    // The handle of the discarded branch must not have become one of the new branch.
    expect(await codeOf(() => first.put(NS, "c", { text: "lost" }))).toBe("AGEMEM_STORE_BRANCH");
    expect(await second.get(NS, "c")).toBeNull();
  });
});
