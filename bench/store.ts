/**
 * Speed of the store against references measured in the same run: raw FAISS, raw SQLite, other stores.
 *
 * 384 dimensions, vectors in 200 clusters. Times that are compared are taken in turns, so that a busy machine slows
 * both. Every ratio is of medians. Memory is the store's own count (vectors and indexes in use) and the growth of the
 * collected heap (everything else but SQLite's page cache, at most 64 MiB): resident memory tells nothing of either.
 * `--sizes 1000,10000`, `--namespaces 0`, `--distributions 10000` and `--million 0` shorten a run, and so does
 * `--vectors minilm,lexical` (of `minilm,lexical,isotropic,clusters-0.1,clusters-1,clusters-10`). Other vectors than these
 * clusters, real texts among them: `store-distributions.ts`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { FaissStore } from "../src/store/faiss-store.js";
import { SIDECAR_FILE } from "../src/store/vectors/sidecar/sidecar-format.js";
import { measurePeers } from "./peers/store-peers.js";
import { measureAdds, measureForkTimes } from "./store-adds.js";
import { KINDS, measureDistributions, measureMillion } from "./store-distributions.js";
import { Clustered, DIMS, heapBytes, inTurns, median, time } from "./store-tools.js";

const NS = ["bench"];
const faiss = createRequire(import.meta.url)("faiss-node") as {
  IndexFlatIP: new (
    dims: number,
  ) => { add(v: number[]): void; search(q: number[], k: number): { labels: number[] } };
};

type Row = Record<string, number | null>;

/** Runs the benchmark and returns what its last line prints. */
export async function run(args: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args,
    options: {
      sizes: { type: "string", default: "1000,10000,100000" },
      namespaces: { type: "string", default: "10000" },
      distributions: { type: "string", default: "10000,100000" },
      vectors: { type: "string", default: KINDS.join() },
      million: { type: "string", default: "1000000" },
      data: { type: "string" },
      json: { type: "boolean" },
    },
  });
  const rows: Row[] = [];
  for (const size of values.sizes
    .split(",")
    .map(Number)
    .filter((one) => one > 0)) {
    rows.push(await measure(size));
    if (!values.json) console.error(rows.at(-1));
  }
  const count = Number(values.namespaces);
  const namespaces = count > 0 ? await measureNamespaces(count) : null;
  const sizes = values.distributions
    .split(",")
    .map(Number)
    .filter((size) => size > 0);
  const report = (row: object) => {
    if (!values.json) console.error(row);
  };
  const kinds = await measureDistributions(sizes, values.vectors.split(","), values.data, report);
  const million = Number(values.million);
  return {
    rows,
    namespaces,
    ...kinds,
    million: million > 0 ? await measureMillion(million, values.data, report) : null,
  };
}

async function measure(n: number): Promise<Row> {
  const directory = mkdtempSync(join(tmpdir(), "agemem-bench-"));
  const data = new Clustered(`bench/${n}`);
  try {
    const vectors = Array.from({ length: n }, () => data.next());
    const queries = Array.from({ length: 100 }, (_, i) => data.named(`query ${i}`));
    let store = await open(directory, data);
    const bulk = await time(() => fill(store, vectors));
    const raw = new faiss.IndexFlatIP(DIMS);
    for (let i = 0; i < n; i += 500) raw.add(vectors.slice(i, i + 500).flatMap((vector) => [...vector]));
    await store.search(NS, { query: "query 0" });
    await store.checkpoint();
    const search = await measureSearch(store, raw, queries);
    const { bytesInMemory } = await store.stats();
    const truth = queries.map((query) => new Set(raw.search([...query], 10).labels));
    const peers = await measurePeers(n, vectors, queries, truth);
    const added = Array.from({ length: 300 }, () => data.next());
    const adds = await measureAdds(store, directory, added, NS);
    const forks = {
      ...(await measureForkTimes(store, directory)),
      ...(await measureForks(store, data)),
    };
    await store.checkpoint();
    await store.close();
    const opened = await median(5, async () => {
      store = await open(directory, data);
      await store.close();
    });
    rmSync(join(directory, SIDECAR_FILE));
    const rebuilt = await time(async () => {
      store = await open(directory, data);
      await store.search(NS, { query: "query 0" });
      await store.checkpoint();
    });
    await store.close();
    return {
      n,
      ...search,
      ...adds,
      bulk_add_per_s: Math.round((n / bulk) * 1000),
      open_ms: opened,
      rebuild_ms: rebuilt,
      open_vs_rebuild: opened / rebuilt,
      ...forks,
      memory_bytes_per_item: bytesInMemory / n,
      ...peers,
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const open = (directory: string, data: Clustered): Promise<FaissStore> =>
  FaissStore.open(directory, {
    index: { embeddings: data, dims: DIMS, embeddingName: "bench", fields: ["text"], cacheSize: 0 },
  });

async function fill(store: FaissStore, vectors: readonly Float32Array[], namespace = NS): Promise<void> {
  for (let from = 0; from < vectors.length; from += 1000) {
    const puts = vectors.slice(from, from + 1000).map((vector, i) => ({
      namespace,
      key: `k${from + i}`,
      value: { text: `memory number ${from + i}, about nothing in particular` },
      vectors: [{ path: "text", vector }],
    }));
    await store.batch(puts);
  }
}

async function measureSearch(
  store: FaissStore,
  raw: { search(q: number[], k: number): { labels: number[] } },
  queries: readonly Float32Array[],
): Promise<Row> {
  const plain = queries.map((query) => [...query]);
  const [rawMs, storeMs] = await inTurns(
    queries.length,
    [(i) => raw.search(plain[i] as number[], 10), (i) => store.search(NS, { query: `query ${i}` })],
    200,
  );
  let found = 0;
  for (const [i, query] of plain.entries()) {
    const truth = new Set(raw.search(query, 10).labels.map((label) => `k${label}`));
    found += (await store.search(NS, { query: `query ${i}` })).filter(({ key }) => truth.has(key)).length;
  }
  return {
    raw_flat_ms: rawMs as number,
    search_ms: storeMs as number,
    search_vs_raw_flat: (storeMs as number) / (rawMs as number),
    recall_at_10: found / (queries.length * 10),
  };
}

async function measureForks(store: FaissStore, data: Clustered): Promise<Row> {
  const forkMs = await median(20, async () => (await store.fork()).discard());
  const before = (await store.stats()).bytesInMemory;
  const heapBefore = heapBytes();
  const forks = await Promise.all(Array.from({ length: 8 }, () => store.fork()));
  for (const fork of forks) {
    for (let i = 0; i < 100; i++) {
      const vectors = [{ path: "text", vector: data.next() }];
      await fork.put(NS, `f${i}`, { text: `fork ${i}` }, undefined, { vectors });
    }
  }
  const added = (await store.stats()).bytesInMemory - before + heapBytes() - heapBefore;
  const [parentMs, searchMs] = await inTurns(100, [
    (i) => store.search(NS, { query: `query ${i}` }),
    (i) => (forks[0] as FaissStore).search(NS, { query: `query ${i}` }),
  ]);
  return {
    fork_and_discard_ms: forkMs,
    forks_memory_share: added / before,
    forks_bytes_per_write: added / (8 * 100),
    fork_search_vs_parent: (searchMs as number) / (parentMs as number),
  };
}

/** Search in one of many namespaces against a store that holds only it. */
async function measureNamespaces(count: number): Promise<Row> {
  const data = new Clustered("namespaces");
  const [many, single] = [await open(":memory:", data), await open(":memory:", data)];
  const queries = Array.from({ length: 100 }, (_, i) => data.named(`query ${i}`));
  const heapBefore = heapBytes();
  for (let i = 0; i < count; i++) {
    const vectors = Array.from({ length: 50 }, () => data.next());
    await fill(many, vectors, ["tenant", `t${i}`]);
    if (i === 0) await fill(single, vectors, ["tenant", "t0"]);
  }
  const heap = heapBytes() - heapBefore;
  const [singleMs, manyMs] = await inTurns(queries.length, [
    (i) => single.search(["tenant", "t0"], { query: `query ${i}` }),
    (i) => many.search(["tenant", `t${(i * 97) % count}`], { query: `query ${i}` }),
  ]);
  const { bytesInMemory, items } = await many.stats();
  await many.close();
  await single.close();
  return {
    namespaces: count,
    items,
    namespace_search_ms: manyMs as number,
    namespace_search_vs_single: (manyMs as number) / (singleMs as number),
    memory_bytes_per_item: bytesInMemory / items,
    heap_bytes_per_item: heap / items,
  };
}
