/** Fails unless a store's search really goes through FAISS, and finds what it must. Run with `--import tsx`. */
import assert from "node:assert/strict";
import { FaissStore } from "../src/store/faiss-store.ts";

/** Unit vectors on a circle in the first two of eight dimensions, 1,000 of them, all different. */
const vectorOf = (text) => {
  const angle = (Number(text) / 1000) * 2 * Math.PI;
  return [Math.cos(angle), Math.sin(angle), 0, 0, 0, 0, 0, 0];
};
const embeddings = {
  embedDocuments: async (texts) => texts.map(vectorOf),
  embedQuery: async (text) => vectorOf(text),
};

const index = { embeddings, embeddingName: "circle", fields: ["content"], kind: "faiss" };
const store = await FaissStore.open(":memory:", { index });
const key = (i) => `k${String(i).padStart(3, "0")}`;
await store.batch(
  Array.from({ length: 1000 }, (_, i) => ({ namespace: ["ci"], key: key(i), value: { content: String(i) } })),
);
const found = await store.search(["ci"], { query: "500", limit: 3 });
const { indexes } = await store.stats();
await store.close();

assert.deepEqual(found.map((item) => item.key).sort(), [key(499), key(500), key(501)]);
assert.equal(found[0].key, key(500));
assert.deepEqual(
  indexes.map(({ kind, size }) => ({ kind, size })),
  [{ kind: "faiss", size: 1000 }],
);
console.log("FAISS was used: a search over 1,000 vectors went through faiss-node and found the right ones");
