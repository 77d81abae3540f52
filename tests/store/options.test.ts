/** Wrong options are refused when a store is opened, also where no type checker looked at them. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FaissStore } from "../../src/store/faiss-store.js";
import { codeOf, LetterEmbeddings, temporaryDirectory } from "./helpers.js";

const embeddings = new LetterEmbeddings();
const index = (more: object) => ({ index: { embeddings, ...more } });

const refusal = (message: RegExp) =>
  expect.objectContaining({ code: "AGEMEM_CONFIG_INVALID", message: expect.stringMatching(message) });

const WRONG: [unknown, RegExp][] = [
  [null, /the options: must be an object/],
  ["full", /the options: must be an object/],
  [{ embeddings }, /unknown option "embeddings"/],
  [{ indx: { embeddings } }, /unknown option "indx" \(did you mean "index"\?\)/],
  [{ index: embeddings }, /index\.embeddings: must be a LangChain embedding model/],
  [{ index: {} }, /index\.embeddings: must be a LangChain embedding model/],
  [index({ embeddings: "openai:text-embedding-3-small" }), /index\.embeddings: must be/],
  [index({ field: ["content"] }), /unknown option "index\.field" \(did you mean "fields"\?\)/],
  [index({ fields: "content" }), /index\.fields: must be a list of paths/],
  [index({ fields: [""] }), /index\.fields\.0: must be text/],
  [index({ dims: "512" }), /index\.dims: must be a whole number/],
  [index({ dims: Number.NaN }), /index\.dims: must be a whole number/],
  [index({ embeddingName: "" }), /index\.embeddingName: must be text/],
  [index({ kind: "hnsw" }), /index\.kind: must be one of "auto", "faiss", "flat"/],
  [index({ scanBelow: -1 }), /index\.scanBelow: must be a whole number of 0/],
  [index({ recall: Number.NaN }), /index\.recall: must be "exact" or a number from 0\.5 to below 1/],
  [index({ recall: 1 }), /index\.recall: must be "exact" or a number/],
  [index({ recall: "0.98" }), /index\.recall: must be "exact" or a number/],
  [index({ faissBytes: "128 MiB" }), /index\.faissBytes: must be a number/],
  [index({ vectorWeight: -1 }), /index\.vectorWeight: must be a number/],
  [index({ batchSize: 0 }), /index\.batchSize: must be a whole number of 1/],
  [index({ retries: Number.NaN }), /index\.retries: must be a whole number/],
  [index({ cacheSize: 1.5 }), /index\.cacheSize: must be a whole number/],
  [{ durability: "none" }, /durability: must be one of "full", "normal"/],
  [{ busyTimeoutMs: Number.NaN }, /busyTimeoutMs: must be a number 0 or more/],
  [{ busyTimeout: 5 }, /unknown option "busyTimeout" \(did you mean "busyTimeoutMs"\?\)/],
  [{ limits: { valueChars: "16" } }, /limits\.valueChars: must be a whole number/],
  [{ limits: { valueChar: 16 } }, /unknown option "limits\.valueChar" \(did you mean "valueChars"\?\)/],
  [{ ttl: 60 }, /ttl: must be \{ defaultTtl/],
  [{ ttl: { defaultTtl: 0 } }, /ttl\.defaultTtl: must be a number of minutes above 0/],
  [{ ttl: { defaultTTL: 60 } }, /unknown option "ttl\.defaultTTL" \(did you mean "defaultTtl"\?\)/],
  [{ ttl: { refreshOnRead: "yes" } }, /ttl\.refreshOnRead: must be true or false/],
  [{ checkpointEvery: 0 }, /checkpointEvery: must be a number 1 or more/],
  [{ onWarning: "log" }, /onWarning: must be a function/],
  [{ now: 5 }, /unknown option "now"/],
];

describe("options of a store", () => {
  it.each(WRONG)("%o are refused, and nothing is created", async (options, message) => {
    const path = join(temporaryDirectory(), "store");
    await expect(FaissStore.open(path, options as never)).rejects.toEqual(refusal(message));
    await expect(FaissStore.reembed(path, options as never)).rejects.toEqual(refusal(message));
    await expect(FaissStore.repair(path, options as never)).rejects.toEqual(refusal(message));
    expect(existsSync(path)).toBe(false);
  });

  it.each([undefined, null, "", " ", 5, {}])("refuse the path %j", async (path) => {
    await expect(FaissStore.open(path as never)).rejects.toEqual(refusal(/^FaissStore\.open: path: must be/));
  });

  it("have a hook for the progress of an embedding anew only", async () => {
    const more = { onProgress: () => undefined };
    await expect(FaissStore.open(":memory:", more as never)).rejects.toEqual(refusal(/"onProgress"/));
    expect(await FaissStore.reembed(":memory:", { index: { embeddings }, ...more })).toBe(0);
  });

  it("are the defaults where they are undefined", async () => {
    await using store = await FaissStore.open(":memory:", { limits: { keyChars: undefined } } as never);
    expect(await codeOf(() => store.put(["a"], "k".repeat(40_000), {}))).toBe("AGEMEM_STORE_LIMIT");
    await store.put(["a"], "k".repeat(300), {});
  });

  it("may say never with Infinity", async () => {
    const never = Number.POSITIVE_INFINITY;
    await using store = await FaissStore.open(":memory:", {
      index: { embeddings, faissBytes: never },
      checkpointEvery: never,
    });
    expect((await store.stats()).dims).toBeNull();
  });
});
