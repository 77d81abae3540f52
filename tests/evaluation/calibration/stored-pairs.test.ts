import { expect, it } from "vitest";
import { storedPairs } from "../../../src/evaluation/calibration/stored-pairs.js";
import { LexicalEmbeddings } from "../../../src/models/lexical-embeddings.js";
import { FaissStore } from "../../../src/store/faiss-store.js";

it("pairs each memory with its nearest neighbors of the same namespace, never with itself", async () => {
  const store = await FaissStore.open(":memory:", {
    index: { embeddings: new LexicalEmbeddings(), fields: ["content"] },
  });
  for (const [user, content] of [
    ["ada", "Ada lives in Porto."],
    ["ada", "Ada lives in Ghent."],
    ["ada", "Ada plays the oboe."],
    ["bob", "Ada lives in Porto."],
  ] as const) {
    await store.put(["memories", user], content.replace(/\W/g, ""), { content }, ["content"]);
  }
  await store.put(["memories", "ada"], "empty", { content: 5 }, false);
  const pairs = await storedPairs(store);
  expect(pairs.every(({ match, group }) => !match && group === "stored")).toBe(true);
  expect(pairs).toHaveLength(6); // Bob's one memory has no neighbor.
  expect(Math.max(...pairs.map(({ score }) => score))).toBeLessThan(0.99);
  await store.close();
});
