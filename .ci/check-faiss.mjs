/** Fails unless a store's search really goes through FAISS, and finds what it must. Run with `--import tsx`. */
import assert from "node:assert/strict";
import { FaissStore } from "../src/store/faiss-store.ts";

/** Smaller scopes than this are scanned, which needs no FAISS. */
const COUNT = 4000;

/** Unit vectors along a closed curve in 64 dimensions, all different; neighbors are nearest. */
const vectorOf = (text) => {
  const angle = (Number(text) / COUNT) * 2 * Math.PI;
  const turns = Array.from({ length: 32 }, (_, i) => (i + 1) * angle);
  return turns.flatMap((turn) => [Math.cos(turn) / Math.sqrt(32), Math.sin(turn) / Math.sqrt(32)]);
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
const search = () => store.search(["ci"], { query: "2000", limit: 3 });
await search();
// The index is made in the background; until then the scope is searched without it.
let { indexes } = await store.stats();
for (let waited = 0; indexes[0]?.kind !== "faiss" && waited < 60_000; waited += 100) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  await search();
  ({ indexes } = await store.stats());
}
const found = await search();
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
