/** Names of embedding models: the same from a constructor, from a spec, and from what earlier releases recorded. */
import { OpenAIEmbeddings } from "@langchain/openai";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { resolveEmbeddings } from "../../../src/models/embeddings.js";
import { LexicalEmbeddings } from "../../../src/models/lexical-embeddings.js";
import { FaissStore } from "../../../src/store/faiss-store.js";
import { nameOf } from "../../../src/store/vectors/embedding-model.js";
import { codeOf, LetterEmbeddings, temporaryDirectory } from "../helpers.js";

const NS = ["memories", "ada"];

/** A store as the README makes one, with what an earlier release would have recorded. */
async function storeOf(dims: number, recorded?: string): Promise<string> {
  const path = temporaryDirectory();
  await using store = await FaissStore.open(path, {
    index: { embeddings: new LexicalEmbeddings({ dims }), fields: ["content"] },
  });
  await store.put(NS, "a", { content: "Ada likes green tea" });
  await store.close();
  if (recorded !== undefined) {
    const db = new Database(`${path}/memory.db`);
    db.prepare("UPDATE meta SET value = ? WHERE key = 'embedding_name'").run(recorded);
    db.close();
  }
  return path;
}

describe("the name of a model", () => {
  it("is the one its spec resolves to", async () => {
    const env = { OPENAI_API_KEY: "k" };
    expect(nameOf(new LexicalEmbeddings())).toBe((await resolveEmbeddings("lexical")).name);
    const { embeddings, name } = await resolveEmbeddings("openai:text-embedding-3-small", env);
    expect(nameOf(embeddings)).toBe(name);
    const cut = await resolveEmbeddings("openai:text-embedding-3-small", env, { dims: 256 });
    expect(nameOf(cut.embeddings)).toBe(cut.name);
    expect(nameOf(new LetterEmbeddings())).toBe("LetterEmbeddings");
  });

  it("opens what was written with a constructor, by any release", async () => {
    const path = await storeOf(384);
    const { embeddings, name, dims } = await resolveEmbeddings("lexical", {}, { dims: 384 });
    await using store = await FaissStore.open(path, {
      index: { embeddings, embeddingName: name, fields: ["content"], ...(dims ? { dims } : {}) },
    });
    expect(await store.search(NS, { query: "tea" })).toHaveLength(1);
    expect((await store.stats()).embedding).toBe("lexical-384/2");
  });

  it.each([
    ["LexicalEmbeddings", undefined],
    ["lexical-384/1", undefined],
    ["mine", "mine"],
  ])(
    "refuses vectors of an earlier lexical version, recorded as %s, until they are made anew",
    async (recorded, embeddingName) => {
      const path = await storeOf(384, recorded);
      const index = {
        embeddings: new LexicalEmbeddings({ dims: 384 }),
        fields: ["content"],
        ...(embeddingName ? { embeddingName } : {}),
      };
      expect(await codeOf(() => FaissStore.open(path, { index }))).toBe("AGEMEM_STORE_EMBEDDING");
      await FaissStore.reembed(path, { index });
      await using store = await FaissStore.open(path, { index });
      expect(await store.search(NS, { query: "tea" })).toHaveLength(1);
      expect((await store.stats()).embedding).toContain("lexical-384/2");
    },
  );

  it("does not tell a provider's key when it fails", async () => {
    const embeddings = new LetterEmbeddings();
    embeddings.embedDocuments = () => Promise.reject(new Error("401 for sk-proj-abcdefgh"));
    await using store = await FaissStore.open(":memory:", { index: { embeddings, retries: 0 } });
    const error: Error & { code?: string } = await store.put(NS, "a", { content: "tea" }).then(
      () => new Error("stored"),
      (error) => error,
    );
    expect(error.code).toBe("AGEMEM_EMBEDDING_FAILED");
    expect(`${error.message} ${error.cause} ${(error.cause as Error).stack}`).not.toContain("abcdefgh");
    expect(error.message).toContain("[redacted]");
  });

  it("tells OpenAI's models apart by dimension, also where only the class was recorded", async () => {
    const path = await storeOf(256, "OpenAIEmbeddings:text-embedding-3-small");
    const open = (dimensions?: number) =>
      codeOf(async () => {
        const embeddings = new OpenAIEmbeddings({
          apiKey: "k",
          model: "text-embedding-3-small",
          ...(dimensions ? { dimensions } : {}),
        });
        await (await FaissStore.open(path, { index: { embeddings, dims: dimensions ?? 1536 } })).close();
      });
    expect(await open(256)).toBe("no error");
    expect(await open(512)).toBe("AGEMEM_STORE_EMBEDDING");
    expect(await open()).toBe("AGEMEM_STORE_EMBEDDING");
  });

  it("weighs lexical vectors low in hybrid search, whatever they are called", async () => {
    const scores = await Promise.all(
      [undefined, "mine"].map(async (embeddingName) => {
        await using store = await FaissStore.open(":memory:", {
          index: {
            embeddings: new LexicalEmbeddings(),
            fields: ["content"],
            ...(embeddingName ? { embeddingName } : {}),
          },
        });
        await store.put(NS, "words", { content: "green tea" });
        await store.put(NS, "none", { content: "a bicycle" });
        // What has no word of the query has the vectors' share of a score at most.
        const found = await store.search(NS, { query: "green tea", mode: "hybrid" });
        return found.find(({ key }) => key === "none")?.score ?? 0;
      }),
    );
    expect(scores[0]).toBeLessThanOrEqual(0.15);
    expect(scores[1]).toBe(scores[0]);
  });

  it("heals a store whose conversion ended without the dimension", async () => {
    const path = await storeOf(384);
    const db = new Database(`${path}/memory.db`);
    db.prepare("UPDATE meta SET value = '0' WHERE key = 'embedding_dims'").run();
    db.close();
    await using store = await FaissStore.open(path, {
      index: { embeddings: new LexicalEmbeddings({ dims: 384 }), dims: 384, fields: ["content"] },
    });
    expect(await store.search(NS, { query: "tea" })).toHaveLength(1);
  });
});
