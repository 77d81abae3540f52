/** Other stores on the same vectors, as far as they are installed; a peer that is not gives null. */
import { InMemoryStore } from "@langchain/langgraph";
import { DIMS, inTurns, time } from "./store-tools.js";

export async function measurePeers(
  n: number,
  vectors: readonly Float32Array[],
  queries: readonly Float32Array[],
): Promise<Record<string, number | null>> {
  return { ...(await inMemoryStore(n, vectors, queries)), ...(await usearch(vectors, queries)) };
}

/** LangGraph's InMemoryStore; above 10,000 items it takes too long. */
async function inMemoryStore(
  n: number,
  vectors: readonly Float32Array[],
  queries: readonly Float32Array[],
): Promise<Record<string, number | null>> {
  if (n > 10_000) return { peer_in_memory_store_search_ms: null };
  const plain = vectors.map((vector) => [...vector]);
  const embeddings = {
    embedQuery: async (text: string) => [...(queries[Number(text)] as Float32Array)],
    embedDocuments: async (texts: string[]) => texts.map((text) => plain[Number(text)] as number[]),
  };
  const store = new InMemoryStore({
    index: { dims: DIMS, embeddings: embeddings as never, fields: ["text"] },
  });
  const added = await time(async () => {
    for (let i = 0; i < n; i++) await store.put(["bench"], `k${i}`, { text: String(i) });
  });
  const [search] = await inTurns(Math.min(queries.length, 20), [
    (i) => store.search(["bench"], { query: String(i) }),
  ]);
  return { peer_in_memory_store_search_ms: search ?? null, peer_in_memory_store_add_ms: added / n };
}

async function usearch(
  vectors: readonly Float32Array[],
  queries: readonly Float32Array[],
): Promise<Record<string, number | null>> {
  const name = "usearch";
  const module = (await import(name).catch(() => null)) as {
    Index: new (
      options: object,
    ) => { add(key: bigint, v: Float32Array): void; search(q: Float32Array, k: number): unknown };
  } | null;
  if (!module) return { peer_usearch_search_ms: null };
  const index = new module.Index({ metric: "ip", connectivity: 16, dimensions: DIMS });
  vectors.forEach((vector, i) => {
    index.add(BigInt(i), vector);
  });
  const [search] = await inTurns(queries.length, [(i) => index.search(queries[i] as Float32Array, 10)]);
  return { peer_usearch_search_ms: search ?? null };
}
