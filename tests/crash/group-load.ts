/** The load of the test of shared transactions: writer w writes two items at once, again and again, each time higher numbers. */
import { FaissStore } from "../../src/store/faiss-store.js";
import { CountEmbeddings } from "./load.js";

/** Writers at the same time, every other one on a fork. */
export const WRITERS = 12;
export const NAMESPACE = ["group"];

export async function openGroupStore(path: string): Promise<FaissStore> {
  const store = await FaissStore.open(path, {
    checkpointEvery: 200,
    index: { embeddings: new CountEmbeddings(), fields: ["text"] },
  });
  const forked = (await store.branches()).some(({ name }) => name === "trial");
  if (!forked) await store.fork("trial");
  return store;
}

/** One write of two items, which must stay together. Each also writes an item of its own, so that none hides another. */
export function writePair(store: FaissStore, lane: number, i: number): Promise<unknown> {
  const value = { text: `write ${i}`, i };
  return store.batch(
    [`left-${lane}`, `right-${lane}`, `own-${lane}-${i}`].map((key) => ({
      namespace: NAMESPACE,
      key,
      value,
    })),
  );
}

/** The numbers that the items of a writer have. */
export async function readLane(
  store: FaissStore,
  lane: number,
): Promise<{ left: number; right: number; own: number[] }> {
  const items = await store.search(NAMESPACE, { limit: 1_000_000 });
  const numberOf = (key: string): number =>
    Number(items.find((item) => item.key === key)?.value.i ?? Number.NEGATIVE_INFINITY);
  const own = items.filter(({ key }) => key.startsWith(`own-${lane}-`)).map(({ value }) => Number(value.i));
  return { left: numberOf(`left-${lane}`), right: numberOf(`right-${lane}`), own: own.sort((a, b) => a - b) };
}
