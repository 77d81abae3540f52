/**
 * Search of the store on vectors of every kind, each with its recall against the truth, beside raw FAISS in the same run;
 * and while another writer writes. Leaves out the vectors (`distributions.ts`) and the peers (`peers/store-peers.ts`).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FaissStore } from "../src/store/faiss-store.js";
import { clusters, type Distribution, isotropic, likeReal, realText } from "./distributions.js";
import { measurePeers } from "./peers/store-peers.js";
import { compareWithUsearch } from "./peers/usearch-equal.js";
import { measureAdds, measureForkTimes } from "./store-adds.js";
import { cpuTime, inTurns, middle, time } from "./store-tools.js";

type Row = Record<string, number | string | null>;
/** A row, and that of a store which keeps its vectors as bytes. */
interface Million {
  [key: string]: Row[string] | Row;
  quantized: Row;
}
/** Vectors of length 1, queries, and FAISS's flat index of the vectors, which says what is true. */
interface Prepared {
  name: string;
  dims: number;
  vectors: readonly Float32Array[];
  queries: readonly Float32Array[];
  raw: Flat;
}
/** Rows of one kind of vectors, and the least recall among them. */
interface Kind {
  recall_at_10: number | null;
  rows: Row[];
}

const NS = ["bench"];
const WRITES_PER_TICK = 20;
const TICK_MS = 10;

interface Flat {
  add(vectors: number[]): void;
  search(query: number[], k: number): { labels: number[] };
}
const { IndexFlatIP } = createRequire(import.meta.url)("faiss-node") as {
  IndexFlatIP: new (dims: number) => Flat;
};

/** What {@link measureDistributions} can measure. */
export const KINDS = ["minilm", "lexical", "isotropic", "clusters-0.1", "clusters-1", "clusters-10"];

/** Measures real texts, isotropic vectors and clusters of the given sizes: the kinds that are named. */
export async function measureDistributions(
  sizes: readonly number[],
  kinds: readonly string[],
  data: string | undefined,
  report: (row: Row) => void,
): Promise<Record<"real_text" | "isotropic" | "clusters", Kind>> {
  const unknown = kinds.find((one) => !KINDS.includes(one));
  if (unknown !== undefined) throw new TypeError(`--vectors: no "${unknown}" among ${KINDS.join()}`);
  const out = { real_text: kind(), isotropic: kind(), clusters: kind() };
  const take = async (to: Kind, distribution: Distribution | null, withPeers: boolean): Promise<void> => {
    if (!distribution) return;
    const row = await measure(prepare(distribution), withPeers);
    to.rows.push(row);
    to.recall_at_10 = Math.min(to.recall_at_10 ?? 1, row.recall_at_10 as number);
    report(row);
  };
  for (const n of sizes) {
    for (const model of (["minilm", "lexical"] as const).filter((one) => kinds.includes(one))) {
      const real = await realText(n, model, data);
      if (!real)
        console.error(`no vectors of real texts by ${model}: see bench/texts.ts and bench/embedded.ts`);
      await take(out.real_text, real, model === "minilm");
    }
    if (kinds.includes("isotropic")) await take(out.isotropic, isotropic(n), false);
    const shares = [0.1, 1, 10].filter((share) => kinds.includes(`clusters-${share}`));
    for (const share of shares) await take(out.clusters, clusters(n, share), false);
  }
  return out;
}

/** A million vectors like those of real texts. */
export async function measureMillion(
  n: number,
  data: string | undefined,
  report: (row: Row) => void,
): Promise<Million | null> {
  const real = await realText(100_000, "minilm", data);
  if (!real) return null;
  const million = prepare(likeReal(real, n));
  const row = await measureOnDisk(million, false);
  report(row);
  return { ...row, quantized: await measureOnDisk(million, true) };
}

function prepare({ name, dims, vectors: given, queries }: Distribution): Prepared {
  const vectors = given.map(unit);
  const raw = new IndexFlatIP(dims);
  for (let from = 0; from < vectors.length; from += 500) {
    const part = vectors.slice(from, from + 500);
    const plain = new Array<number>(part.length * dims);
    for (const [i, vector] of part.entries())
      for (let c = 0; c < dims; c++) plain[i * dims + c] = vector[c] as number;
    raw.add(plain);
  }
  return { name, dims, vectors, queries: queries.map(unit), raw };
}

/** The same in a directory, and how long it takes to open it, to add to it and to fork it. */
async function measureOnDisk(prepared: Prepared, quantized: boolean): Promise<Row> {
  const directory = mkdtempSync(join(tmpdir(), "agemem-bench-"));
  const again = () => open(prepared.queries, prepared.dims, quantized, directory);
  try {
    const row = await measure(prepared, false, quantized, directory);
    const openings: number[] = [];
    const firsts: number[] = [];
    for (let i = 0; i < 3; i++) {
      const store = await timed(openings, again);
      await timed(firsts, () => store.search(NS, { query: `${i}` }));
      await store.close();
    }
    const store = await again();
    const forks = await measureForkTimes(store, directory);
    const adds = await measureAdds(store, directory, prepared.vectors.slice(0, 300), NS);
    await store.close();
    return { ...row, open_ms: middle(openings), first_search_ms: middle(firsts), ...forks, ...adds };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const kind = (): Kind => ({ recall_at_10: null, rows: [] });

async function measure(
  { name, dims, vectors, queries, raw }: Prepared,
  withPeers: boolean,
  quantized = false,
  directory = ":memory:",
): Promise<Row> {
  const n = vectors.length;
  const plain = queries.map((query) => [...query]);
  const store = await open(queries, dims, quantized, directory);
  const bulk = await time(() => fill(store, vectors));
  // The codes are made once the scope is searched, and their recall is measured after some searches, with others than those
  // that are timed.
  const turns = Math.min(n > 500_000 ? 50 : 100, queries.length);
  await store.search(NS, { query: `${turns % queries.length}` });
  const made = await time(() => store.checkpoint());
  for (let i = 0; i < 32; i++) await store.search(NS, { query: `${(turns + i) % queries.length}` });
  await store.stats();
  await (await store.fork()).discard();
  const works = [
    (i: number) => raw.search(plain[i] as number[], 10),
    (i: number) => store.search(NS, { query: `${i}` }),
  ];
  const [rawMs, storeMs] = await inTurns(turns, works);
  const [rawCpu, storeCpu] = await inTurns(Math.min(30, turns), works, 1, cpuTime);
  const truth = plain.slice(0, turns).map((query) => new Set(raw.search(query, 10).labels));
  let found = 0;
  for (const [i, best] of truth.entries()) {
    const hits = await store.search(NS, { query: `${i}` });
    found += hits.filter(({ key }) => best.has(Number(key))).length;
  }
  const { bytesInMemory, indexes } = await store.stats();
  const recall = found / (truth.length * 10);
  const search = (i: number) => store.search(NS, { query: `${i}` });
  const asked = { vectors, queries, truth, recall, search };
  const peers = withPeers ? await compareWithUsearch(asked) : {};
  const busy = await searchWhileWriting(store, vectors, turns);
  await store.close();
  return {
    vectors: name,
    n,
    dims,
    recall_at_10: recall,
    measured_recall: indexes[0]?.recall?.searched ?? null,
    served_by: indexes[0]?.kind ?? "scan",
    search_ms: storeMs as number,
    raw_flat_ms: rawMs as number,
    search_vs_raw_flat: (storeMs as number) / (rawMs as number),
    search_cpu_vs_raw_flat: (storeCpu as number) / (rawCpu as number),
    bulk_add_ms: bulk / n,
    index_ms: made / n,
    memory_bytes_per_item: bytesInMemory / n,
    memory_bytes_allowed: dims * 4 + 100,
    ...busy,
    ...peers,
    ...(withPeers ? await measurePeers(n, vectors, queries, truth) : {}),
  };
}

/**
 * Searches alone, and while 2,000 items a second are written by the same process. On a busy machine a search also waits for
 * other processes; the time that this process has used until the search was over (`cpu`) tells what it waited for here,
 * except for the disk.
 */
async function searchWhileWriting(
  store: FaissStore,
  vectors: readonly Float32Array[],
  turns: number,
): Promise<Row> {
  const idle = await times(store, turns);
  const writing = { over: false, written: 0 };
  const writer = (async () => {
    const began = performance.now();
    while (!writing.over) {
      const due = Math.floor((performance.now() - began) / TICK_MS) * WRITES_PER_TICK;
      if (writing.written < due) {
        await fill(store, vectors.slice(0, WRITES_PER_TICK), `w${writing.written}-`);
        writing.written += WRITES_PER_TICK;
      } else await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return (writing.written / (performance.now() - began)) * 1000;
  })();
  const busy = await times(store, turns * 3);
  writing.over = true;
  return {
    idle_p50_ms: at(idle.wall, 0.5),
    idle_p99_ms: at(idle.wall, 0.99),
    writing_per_s: Math.round(await writer),
    writing_p50_ms: at(busy.wall, 0.5),
    writing_p95_ms: at(busy.wall, 0.95),
    writing_p99_ms: at(busy.wall, 0.99),
    writing_p99_vs_idle_p50: at(busy.wall, 0.99) / at(idle.wall, 0.5),
    idle_cpu_p50_ms: at(idle.cpu, 0.5),
    writing_cpu_p99_ms: at(busy.cpu, 0.99),
    writing_cpu_p99_vs_idle_p50: at(busy.cpu, 0.99) / at(idle.cpu, 0.5),
  };
}

async function timed<T>(times: number[], work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const result = await work();
  times.push(performance.now() - began);
  return result;
}

async function times(store: FaissStore, turns: number): Promise<Record<"wall" | "cpu", number[]>> {
  const wall: number[] = [];
  const cpu: number[] = [];
  for (let i = 0; i < turns; i++) {
    const search = () => store.search(NS, { query: `${i % 100}` });
    cpu.push(
      await cpuTime(async () => {
        wall.push(await time(search));
      }),
    );
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { wall: wall.sort((a, b) => a - b), cpu: cpu.sort((a, b) => a - b) };
}

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;

const open = (
  queries: readonly Float32Array[],
  dims: number,
  quantized: boolean,
  directory: string,
): Promise<FaissStore> => {
  const embedQuery = async (text: string) => [...(queries[Number(text)] as Float32Array)];
  const embeddings = { embedQuery, embedDocuments: async () => [] };
  return FaissStore.open(directory, {
    index: { embeddings, dims, embeddingName: "bench", fields: ["text"], cacheSize: 1000, quantized },
  });
};

async function fill(store: FaissStore, vectors: readonly Float32Array[], prefix = ""): Promise<void> {
  for (let from = 0; from < vectors.length; from += 500) {
    const puts = vectors.slice(from, from + 500).map((vector, i) => ({
      namespace: prefix === "" ? NS : ["other"],
      key: `${prefix}${from + i}`,
      value: { text: `memory number ${from + i}` },
      vectors: [{ path: "text", vector }],
    }));
    await store.batch(puts);
  }
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
  return vector.map((x) => x / (length || 1));
}
