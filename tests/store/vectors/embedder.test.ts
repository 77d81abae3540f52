/** The cache of the embedder: a text is embedded once while it is kept, and none is lost while others are. */
import { describe, expect, it } from "vitest";
import { Embedder } from "../../../src/store/vectors/embedder.js";
import { LetterEmbeddings } from "../helpers.js";

describe("the embedder's cache", () => {
  it("keeps what is used most recently", async () => {
    const embeddings = new LetterEmbeddings();
    const embedder = new Embedder({ embeddings, cacheSize: 2 });
    await embedder.embedTexts(["a", "b"]);
    await embedder.embedTexts(["a"]);
    await embedder.embedTexts(["c"]);
    await embedder.embedTexts(["a", "c"]);
    expect(embeddings.texts).toBe(3);
    await embedder.embedTexts(["b"]);
    expect(embeddings.texts).toBe(4);
  });

  it("gives a known text its vector although others push it out meanwhile", async () => {
    const embeddings = new LetterEmbeddings();
    const embedder = new Embedder({ embeddings, cacheSize: 1 });
    const [known] = await embedder.embedTexts(["a"]);
    const both = embedder.embedTexts(["a", "b"]);
    await embedder.embedTexts(["c"]);
    expect((await both)[0]).toEqual(known);
    expect((await both)[1]).toEqual(Float32Array.from(await embeddings.embedQuery("b")));
  });

  it("keeps nothing of size 0", async () => {
    const embeddings = new LetterEmbeddings();
    const embedder = new Embedder({ embeddings, cacheSize: 0 });
    await embedder.embedTexts(["a", "a"]);
    await embedder.embedTexts(["a"]);
    expect(embeddings.texts).toBe(2);
  });
});
