/**
 * Other stores on the same vectors: LangGraph's InMemoryStore, mem0's default vector store (SQLite), LanceDB without
 * an index, usearch and FAISS's partitions (approximate), sqlite-vec; each with its recall. `npm run bench:peers` installs
 * them in this folder, apart from what the other benchmarks and the type check see; one that is not installed gives null,
 * and so does one that would take too long. `add` is milliseconds per item, added one at a time, LanceDB's the median of 20.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InMemoryStore } from "@langchain/langgraph";
import Database from "better-sqlite3";
import { messageOf } from "../../src/errors.js";
import { cpuTime, inTurns, median, time } from "../store-tools.js";

interface Vectors {
  vectors: readonly Float32Array[];
  queries: readonly Float32Array[];
}
interface Times {
  search: number;
  /** The same in processor time. */
  cpu: number;
  add: number;
  /** Numbers of the vectors that each of the first queries found. */
  found: number[][];
}
interface Peer {
  name: string;
  /** Larger stores are not measured. */
  most: number;
  measure(data: Vectors, directory: string): Promise<Times>;
}

const QUERIES = 50;
const PEERS: readonly Peer[] = [
  { name: "in_memory_store", most: 10_000, measure: inMemoryStore },
  { name: "mem0", most: 10_000, measure: mem0 },
  { name: "lancedb", most: Number.POSITIVE_INFINITY, measure: lanceDb },
  { name: "usearch", most: Number.POSITIVE_INFINITY, measure: usearch },
  { name: "sqlite_vec", most: Number.POSITIVE_INFINITY, measure: sqliteVec },
  { name: "faiss_ivf", most: Number.POSITIVE_INFINITY, measure: faissIvf },
];
const absent = new Set<string>();

export async function measurePeers(
  n: number,
  vectors: readonly Float32Array[],
  queries: readonly Float32Array[],
  truth: readonly ReadonlySet<number>[],
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
    out[`peer_${name}_search_cpu_ms`] = times?.cpu ?? null;
    out[`peer_${name}_add_ms`] = times?.add ?? null;
    out[`peer_${name}_recall_at_10`] = times ? recallOf(times.found, truth) : null;
  }
  return out;
}

function recallOf(found: readonly number[][], truth: readonly ReadonlySet<number>[]): number {
  const hits = found.map((numbers, i) => numbers.filter((number) => truth[i]?.has(number)).length);
  return hits.reduce((sum, count) => sum + count, 0) / (found.length * 10);
}

/** Median time of a search for the ten nearest, after warming up, and what the queries found. */
async function searches(
  queries: readonly Float32Array[],
  search: (query: Float32Array, i: number) => unknown,
  numbersOf: (result: never) => number[],
): Promise<{ search: number; cpu: number; found: number[][] }> {
  const asked = queries.slice(0, QUERIES);
  const works = [(i: number) => search(asked[i] as Float32Array, i)];
  const [ms] = await inTurns(asked.length, works);
  const [cpu] = await inTurns(asked.length, works, 1, cpuTime);
  const found: number[][] = [];
  for (const [i, query] of asked.entries()) found.push(numbersOf((await search(query, i)) as never));
  return { search: ms as number, cpu: cpu as number, found };
}

/** The number in a key such as "k17". */
const numberIn = (key: string): number => Number(key.slice(1));

async function inMemoryStore({ vectors, queries }: Vectors): Promise<Times> {
  const plain = vectors.map((vector) => [...vector]);
  const embeddings = {
    embedQuery: async (text: string) => [...(queries[Number(text)] as Float32Array)],
    embedDocuments: async (texts: string[]) => texts.map((text) => plain[Number(text)] as number[]),
  };
  const store = new InMemoryStore({
    index: { dims: plain[0]?.length ?? 0, embeddings: embeddings as never, fields: ["text"] },
  });
  const added = await time(async () => {
    for (let i = 0; i < plain.length; i++) await store.put(["bench"], `k${i}`, { text: String(i) });
  });
  return {
    add: added / plain.length,
    ...(await searches(
      queries,
      (_, i) => store.search(["bench"], { query: String(i) }),
      (items: { key: string }[]) => items.map(({ key }) => numberIn(key)),
    )),
  };
}

async function mem0({ vectors, queries }: Vectors, directory: string): Promise<Times> {
  // Read when the package loads: it must neither report anything nor write to the home directory.
  process.env.MEM0_TELEMETRY = "false";
  process.env.MEM0_DIR = directory;
  const name: string = "mem0ai/oss";
  const { MemoryVectorStore } = (await import(name)) as {
    MemoryVectorStore: new (config: {
      dimension: number;
      dbPath: string;
    }) => {
      insert(vectors: number[][], ids: string[], payloads: object[]): Promise<void>;
      search(query: number[], topK: number): Promise<unknown[]>;
    };
  };
  const store = new MemoryVectorStore({
    dimension: vectors[0]?.length ?? 0,
    dbPath: join(directory, "vectors.db"),
  });
  const plain = vectors.map((vector) => [...vector]);
  const added = await time(async () => {
    for (const [i, vector] of plain.entries())
      await store.insert([vector], [`k${i}`], [{ data: `memory ${i}` }]);
  });
  return {
    add: added / plain.length,
    ...(await searches(
      queries,
      (query) => store.search([...query], 10),
      (items: { id: string }[]) => items.map(({ id }) => numberIn(id)),
    )),
  };
}

interface LanceTable {
  add(rows: object[]): Promise<unknown>;
  search(query: number[]): { limit(k: number): { toArray(): Promise<unknown[]> } };
  close(): void;
}

async function lanceDb({ vectors, queries }: Vectors, directory: string): Promise<Times> {
  const name: string = "@lancedb/lancedb";
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
  const found = await searches(
    queries,
    (query) =>
      table
        .search([...query])
        .limit(10)
        .toArray(),
    (rows: { key: string }[]) => rows.map(({ key }) => numberIn(key)),
  );
  const one = rows(0, 1);
  const add = await median(20, () => table.add(one));
  table.close();
  connection.close();
  return { ...found, add };
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
  const index = new Index({ metric: "ip", connectivity: 16, dimensions: vectors[0]?.length ?? 0 });
  const added = await time(() => {
    vectors.forEach((vector, i) => {
      index.add(BigInt(i), vector);
    });
  });
  return {
    add: added / vectors.length,
    ...(await searches(
      queries,
      (query) => index.search(query, 10),
      ({ keys }: { keys: ArrayLike<bigint> }) => Array.from(keys, Number),
    )),
  };
}

/** Its virtual table of float vectors, which it scans. */
async function sqliteVec({ vectors, queries }: Vectors): Promise<Times> {
  const name: string = "sqlite-vec";
  const { load } = (await import(name)) as { load(db: Database.Database): void };
  const db = new Database(":memory:");
  load(db);
  const dims = vectors[0]?.length ?? 0;
  db.exec(`CREATE VIRTUAL TABLE bench USING vec0(vector float[${dims}] distance_metric=cosine)`);
  const insert = db.prepare("INSERT INTO bench (rowid, vector) VALUES (?, ?)");
  const bytes = (one: Float32Array): Buffer => Buffer.from(one.buffer, one.byteOffset, one.byteLength);
  const added = await time(() => {
    for (const [i, vector] of vectors.entries()) insert.run(BigInt(i), bytes(vector));
  });
  const select = db.prepare("SELECT rowid FROM bench WHERE vector MATCH ? AND k = 10");
  const found = await searches(
    queries,
    (query) => select.all(bytes(query)),
    (rows: { rowid: number }[]) => rows.map(({ rowid }) => rowid),
  );
  db.close();
  return { add: added / vectors.length, ...found };
}

interface FaissTrained {
  train(vectors: number[]): void;
  add(vectors: number[]): void;
  search(query: number[], k: number): { labels: number[] };
  toBuffer(): Buffer;
}
interface FaissIvf {
  MetricType: { METRIC_INNER_PRODUCT: number };
  Index: {
    fromFactory(dims: number, description: string, metric: number): FaissTrained;
    fromBuffer(bytes: Buffer): FaissTrained;
  };
}

/** FAISS's partitions, root n of them, a fifth of them looked at (set in the serialized index). */
async function faissIvf({ vectors, queries }: Vectors): Promise<Times> {
  const { Index, MetricType } = createRequire(import.meta.url)("faiss-node") as FaissIvf;
  const lists = Math.round(Math.sqrt(vectors.length));
  const dims = vectors[0]?.length ?? 0;
  const index = Index.fromFactory(dims, `IVF${lists},Flat`, MetricType.METRIC_INNER_PRODUCT);
  const added = await time(() => {
    index.train(vectors.slice(0, lists * 40).flatMap((vector) => [...vector]));
    for (let i = 0; i < vectors.length; i += 500) {
      index.add(vectors.slice(i, i + 500).flatMap((vector) => [...vector]));
    }
  });
  const bytes = index.toBuffer();
  if (bytes.readBigUInt64LE(37) !== BigInt(lists)) throw new Error("the serialized index is another one");
  bytes.writeBigUInt64LE(BigInt(Math.round(lists / 5)), 45);
  const probing = Index.fromBuffer(bytes);
  const found = await searches(
    queries,
    (query) => probing.search([...query], 10),
    ({ labels }: { labels: number[] }) => labels,
  );
  return { add: added / vectors.length, ...found };
}
