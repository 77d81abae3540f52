import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { FaissStore as LangChainFaissStore } from "@langchain/community/vectorstores/faiss";
import { describe, expect, it } from "vitest";
import { exportLangChainFaiss, importLangChainFaiss } from "../../../src/store/upkeep/langchain-faiss.js";
import { loadFaiss } from "../../../src/store/vectors/vector-indexes/faiss.js";
import { codeOf, LetterEmbeddings, openStore, temporaryDirectory } from "../helpers.js";

const options = (embeddings: LetterEmbeddings) => ({
  index: { embeddings, fields: ["content"], retries: 0 },
});

describe.skipIf(!loadFaiss())("LangChain's FaissStore", () => {
  it("is taken over with its vectors, and opens what is written back", async () => {
    const folder = temporaryDirectory();
    const texts = ["walnut", "zebra", "orbit"];
    const metadata = texts.map((_, n) => ({ n }));
    const saved = await LangChainFaissStore.fromTexts(texts, metadata, new LetterEmbeddings(), {});
    await saved.save(folder);
    const embeddings = new LetterEmbeddings();
    const store = await openStore(":memory:", options(embeddings));
    expect(await importLangChainFaiss(store, folder, ["docs"], { dims: 26 })).toBe(3);
    expect(embeddings.texts).toBe(0);
    const [first] = await store.search(["docs"], { query: "zebra", filter: { "metadata.n": { $gte: 0 } } });
    expect(first).toMatchObject({ value: { content: "zebra", metadata: { n: 1 } } });
    expect(first?.score).toBeCloseTo(1, 5);
    expect(await store.verify()).toMatchObject({ ok: true });
    const back = temporaryDirectory();
    expect(await exportLangChainFaiss(store, back, ["docs"])).toBe(3);
    const again = await LangChainFaissStore.load(back, new LetterEmbeddings());
    expect(await again.similaritySearch("orbit", 1)).toMatchObject([
      { pageContent: "orbit", metadata: { n: 2 } },
    ]);
  });
});

describe("a saved folder", () => {
  it("that is damaged is refused without reaching FAISS", async () => {
    const folder = temporaryDirectory();
    const store = await openStore(":memory:", options(new LetterEmbeddings()));
    expect(await codeOf(() => importLangChainFaiss(store, folder, ["docs"]))).toBe("AGEMEM_INPUT_FILE");
    writeFileSync(join(folder, "faiss.index"), "IxF2 and nothing that fits");
    writeFileSync(join(folder, "docstore.json"), "[]");
    expect(await codeOf(() => importLangChainFaiss(store, folder, ["docs"]))).toBe("AGEMEM_INPUT_FORMAT");
    writeFileSync(join(folder, "docstore.json"), '[[["a",{"pageContent":"walnut"}]],{"0":"a"}]');
    expect(await importLangChainFaiss(store, folder, ["docs"])).toBe(1);
    expect((await store.search(["docs"], { query: "walnut" }))[0]?.score).toBeCloseTo(1, 5);
  });
});

describe("asRetriever", () => {
  it("gives documents for chains", async () => {
    const store = await openStore(":memory:", options(new LetterEmbeddings()));
    await store.put(["docs"], "a", { content: "walnut", metadata: { source: "x" } });
    const documents = await store.asRetriever({ namespace: ["docs"], k: 1 }).invoke("walnut");
    expect(documents).toMatchObject([
      { id: "a", pageContent: "walnut", metadata: { source: "x", namespace: ["docs"] } },
    ]);
  });
});
