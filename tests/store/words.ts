/** A store of random words, and what it answers: two stores with equal answers hold the same. */
import { createRandom } from "../../src/lib/random.js";
import type { FaissStore } from "../../src/store/faiss-store.js";

export const NS = ["memories"];
export const WORDS = ["walnut", "tiger", "orbit", "lamp", "crystal", "zebra", "quince"];

/** Writes `n` items over at most `n` keys, so that some are replaced. */
export async function fill(store: FaissStore, n: number, seed: string): Promise<void> {
  const random = createRandom(seed);
  for (let i = 0; i < n; i++) {
    await store.put(NS, `k${random.integer(n)}`, {
      text: `${random.pick(WORDS)} ${random.pick(WORDS)} ${i}`,
    });
  }
}

/** What a search for each word finds, with scores. */
export async function answers(store: FaissStore): Promise<unknown[]> {
  const found = await Promise.all(WORDS.map((query) => store.search(NS, { query, limit: 8 })));
  return found.map((items) => items.map(({ key, value, score }) => [key, value, score]));
}
