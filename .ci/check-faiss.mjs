/** Fails unless a store's search really goes through FAISS, and finds what it must. Run with `--import tsx`. */
import assert from "node:assert/strict";
import { FaissStore } from "../src/store/faiss-store.ts";

/** Smaller scopes than this are scanned, which needs no FAISS. */
const COUNT = 4000;

/** Unit vectors on a circle in the first two of eight dimensions, all different. */
const vectorOf = (text) => {
  const angle = (Number(text) / COUNT) * 2 * Math.PI;
  return [Math.cos(angle), Math.sin(angle), 0, 0, 0, 0, 0, 0];
};
const embeddings = {
  embedDocuments: async (texts) => texts.map(vectorOf),
  embedQuery: async (text) => vectorOf(text),
};

const index = { embeddings, embeddingName: "circle", fields: ["content"], kind: "faiss" };
const store = await FaissStore.open(":memory:", { index });
const key = (i) => `k${String(i).padStart(4, "0")}`;
await store.batch(
  Array.from({ length: COUNT }, (_, i) => ({
    namespace: ["ci"],
    key: key(i),
    value: { content: String(i) },
  })),
);
const found = await store.search(["ci"], { query: "2000", limit: 3 });
const { indexes } = await store.stats();
await store.close();

assert.deepEqual(found.map((item) => item.key).sort(), [key(1999), key(2000), key(2001)]);
assert.equal(found[0].key, key(2000));
assert.deepEqual(
  indexes.map(({ kind, size }) => ({ kind, size })),
  [{ kind: "faiss", size: COUNT }],
);
console.log(
  `FAISS was used: a search over ${COUNT} vectors went through faiss-node and found the right ones`,
);
