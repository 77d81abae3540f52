/**
 * Other stores on the same vectors: LangGraph's InMemoryStore, mem0's default vector store (SQLite), LanceDB without
 * an index, usearch (approximate). `npm run bench:peers` installs them; one that is not installed gives null, and so
 * does one that would take too long. `add` is milliseconds per item, added one at a time, LanceDB's the median of 20.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InMemoryStore } from "@langchain/langgraph";
import { messageOf } from "../src/errors.js";
import { DIMS, inTurns, median, time } from "./store-tools.js";

interface Vectors {
  vectors: readonly Float32Array[];
  queries: readonly Float32Array[];
}
interface Times {
  search: number;
  add: number;
}
interface Peer {
  name: string;
  /** Larger stores are not measured. */
  most: number;
  measure(data: Vectors, directory: string): Promise<Times>;
}

const QUERIES = 20;
const PEERS: readonly Peer[] = [
  { name: "in_memory_store", most: 10_000, measure: inMemoryStore },
  { name: "mem0", most: 10_000, measure: mem0 },
  { name: "lancedb", most: Number.POSITIVE_INFINITY, measure: lanceDb },
  { name: "usearch", most: Number.POSITIVE_INFINITY, measure: usearch },
];
const absent = new Set<string>();

export async function measurePeers(
  n: number,
  vectors: readonly Float32Array[],
  queries: readonly Float32Array[],
): Promise<Record<string, number | null>> {
  const out: Record<string, number | null> = {};
  for (const { name, most, measure } of PEERS) {
    const directory = mkdtempSync(join(tmpdir(), `agemem-bench-${name}-`));
    let times: Times | null = null;
    try {
      if (n <= most && !absent.has(name)) times = await measure({ vectors, queries }, directory);
    } catch (error) {
      absent.add(name);
      console.error(
        `peer ${name} is not measured: ${messageOf(error).split("\n")[0]}; npm run bench:peers installs it`,
      );
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
    out[`peer_${name}_search_ms`] = times?.search ?? null;
    out[`peer_${name}_add_ms`] = times?.add ?? null;
  }
  return out;
}

/** Median time of a search for the ten nearest, after warming up. */
async function searchTime(
  queries: readonly Float32Array[],
  search: (query: Float32Array, i: number) => unknown,
): Promise<number> {
  const [ms] = await inTurns(QUERIES, [(i) => search(queries[i] as Float32Array, i)]);
  return ms as number;
}

async function inMemoryStore({ vectors, queries }: Vectors): Promise<Times> {
  const plain = vectors.map((vector) => [...vector]);
  const embeddings = {
    embedQuery: async (text: string) => [...(queries[Number(text)] as Float32Array)],
    embedDocuments: async (texts: string[]) => texts.map((text) => plain[Number(text)] as number[]),
  };
  const store = new InMemoryStore({
    index: { dims: DIMS, embeddings: embeddings as never, fields: ["text"] },
  });
  const added = await time(async () => {
    for (let i = 0; i < plain.length; i++) await store.put(["bench"], `k${i}`, { text: String(i) });
  });
  return {
    add: added / plain.length,
    search: await searchTime(queries, (_, i) => store.search(["bench"], { query: String(i) })),
  };
}

async function mem0({ vectors, queries }: Vectors, directory: string): Promise<Times> {
  // Read when the package loads: it must neither report anything nor write to the home directory.
  process.env.MEM0_TELEMETRY = "false";
  process.env.MEM0_DIR = directory;
  const name = "mem0ai/oss";
  const { MemoryVectorStore } = (await import(name)) as {
    MemoryVectorStore: new (config: {
      dimension: number;
      dbPath: string;
    }) => {
      insert(vectors: number[][], ids: string[], payloads: object[]): Promise<void>;
      search(query: number[], topK: number): Promise<unknown[]>;
    };
  };
  const store = new MemoryVectorStore({ dimension: DIMS, dbPath: join(directory, "vectors.db") });
  const plain = vectors.map((vector) => [...vector]);
  const added = await time(async () => {
    for (const [i, vector] of plain.entries())
      await store.insert([vector], [`k${i}`], [{ data: `memory ${i}` }]);
  });
  return {
    add: added / plain.length,
    search: await searchTime(queries, (query) => store.search([...query], 10)),
  };
}

interface LanceTable {
  add(rows: object[]): Promise<unknown>;
  search(query: number[]): { limit(k: number): { toArray(): Promise<unknown[]> } };
  close(): void;
}

async function lanceDb({ vectors, queries }: Vectors, directory: string): Promise<Times> {
  const name = "@lancedb/lancedb";
  const { connect } = (await import(name)) as {
    connect(path: string): Promise<{
      createTable(name: string, rows: object[]): Promise<LanceTable>;
      close(): void;
    }>;
  };
  const connection = await connect(directory);
  const rows = (from: number, to: number): object[] =>
    vectors.slice(from, to).map((vector, i) => ({ key: `k${from + i}`, vector: [...vector] }));
  const table = await connection.createTable("bench", rows(0, 10_000));
  for (let from = 10_000; from < vectors.length; from += 10_000) await table.add(rows(from, from + 10_000));
  const search = await searchTime(queries, (query) =>
    table
      .search([...query])
      .limit(10)
      .toArray(),
  );
  const one = rows(0, 1);
  const add = await median(QUERIES, () => table.add(one));
  table.close();
  connection.close();
  return { search, add };
}

async function usearch({ vectors, queries }: Vectors): Promise<Times> {
  // Its ES module build calls itself without end under Node 20.
  const { Index } = createRequire(import.meta.url)("usearch") as {
    Index: new (
      options: object,
    ) => {
      add(key: bigint, vector: Float32Array): void;
      search(query: Float32Array, k: number): unknown;
    };
  };
  const index = new Index({ metric: "ip", connectivity: 16, dimensions: DIMS });
  const added = await time(() => {
    vectors.forEach((vector, i) => {
      index.add(BigInt(i), vector);
    });
  });
  return {
    add: added / vectors.length,
    search: await searchTime(queries, (query) => index.search(query, 10)),
  };
}
