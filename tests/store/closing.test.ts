/** Operations that are under way when the store is closed: each ends well, or says that the store is closed. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { LexicalEmbeddings } from "../../src/models/lexical-embeddings.js";
import { FaissStore } from "../../src/store/faiss-store.js";

const NS = ["notes"];
const MODES = ["keyword", "vector", "hybrid"] as const;
const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

async function filled(place: "memory" | "directory"): Promise<FaissStore> {
  const path = place === "memory" ? ":memory:" : await mkdtemp(join(tmpdir(), "agemem-closing-"));
  if (place === "directory") folders.push(path);
  const store = await FaissStore.open(path, {
    index: { embeddings: new LexicalEmbeddings(), fields: ["text"] },
  });
  // More than a search analyzes itself, so that the first one has to index.
  const puts = Array.from({ length: 300 }, (_, i) => ({
    namespace: NS,
    key: `k${i}`,
    value: { text: `note ${i} about tea` },
  }));
  await store.batch(puts);
  return store;
}

function everything(store: FaissStore): Promise<unknown>[] {
  return Array.from({ length: 9 }, (_, i) => [
    store.search(NS, { query: `tea ${i}`, mode: MODES[i % 3] as (typeof MODES)[number], limit: 5 }),
    store.get(NS, "k1"),
    store.put(NS, `x${i}`, { text: "more tea" }),
    store.delete(NS, `k${i}`),
    store.listNamespaces(),
    store.stats(),
    store.verify(),
    store.fork(`fork-${i}`),
    store.history(NS, "k1"),
  ]).flat();
}

describe.each(["memory", "directory"] as const)("a store in a %s", (place) => {
  it.each([0, 1, 20])("closed %d ms after everything began answers or says so", async (wait) => {
    const store = await filled(place);
    const started = everything(store);
    const ended = Promise.allSettled(started);
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    await store.close();
    const failures = (await ended).flatMap((each) => (each.status === "rejected" ? [each.reason] : []));
    expect(failures.filter(({ code }) => code !== "AGEMEM_STORE_CLOSED")).toEqual([]);
  });

  it("is verified beside its own writes", async () => {
    await using store = await filled(place);
    const results = await Promise.all(
      Array.from({ length: 15 }, async (_, i) => {
        const write = store.put(NS, `y${i}`, { text: "more" });
        const { problems } = await store.verify();
        await write;
        return problems;
      }),
    );
    expect(results.flat()).toEqual([]);
  });
});
