/**
 * Resident memory over searches in many namespaces in turn: it must reach a plateau.
 *
 * `npm run bench -- memory` prints it every 250 searches. `--kind faiss` insists on FAISS, `--faiss-mib` sets what FAISS
 * may hold, `--namespaces`, `--vectors` and `--searches` the size.
 */
import { parseArgs } from "node:util";
import { createRandom } from "../src/lib/random.js";
import { FaissStore } from "../src/store/faiss-store.js";
import { Clustered, DIMS } from "./store-tools.js";

const MIB = 1024 * 1024;

/** Runs the searches and returns what was resident on the way, in MiB. */
export async function run(args: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args,
    options: {
      kind: { type: "string", default: "auto" },
      "faiss-mib": { type: "string", default: "128" },
      namespaces: { type: "string", default: "150" },
      vectors: { type: "string", default: "2100" },
      searches: { type: "string", default: "5000" },
    },
  });
  const [namespaces, vectors, searches] = [values.namespaces, values.vectors, values.searches].map(
    Number,
  ) as [number, number, number];
  const data = new Clustered("memory");
  await using store = await FaissStore.open(":memory:", {
    index: {
      embeddings: data,
      dims: DIMS,
      embeddingName: "bench",
      fields: ["text"],
      kind: values.kind as "auto" | "faiss" | "flat",
      faissBytes: Number(values["faiss-mib"]) * MIB,
    },
  });
  for (let n = 0; n < namespaces; n++) await fill(store, data, ["tenant", `t${n}`], vectors);
  const residentMiB: number[] = [resident()];
  let mostFaiss = 0;
  const random = createRandom("queries");
  const start = performance.now();
  for (let i = 1; i <= searches; i++) {
    await store.search(["tenant", `t${i % namespaces}`], { query: `query ${random.integer(100)}` });
    if (i % 250 !== 0) continue;
    // Timers and finalizers get their turn, as between the requests of a server.
    await new Promise((resolve) => setImmediate(resolve));
    residentMiB.push(resident());
    mostFaiss = Math.max(mostFaiss, (await store.stats()).faissBytes);
    console.error(`${i} searches: ${residentMiB.at(-1)} MiB resident`);
  }
  const { index, indexes, bytesInMemory } = await store.stats();
  const half = residentMiB.slice(residentMiB.length / 2);
  return {
    ...values,
    index,
    indexes: indexes.length,
    vectors_mib: Math.round(bytesInMemory / MIB),
    resident_before_mib: residentMiB[0],
    resident_mib: residentMiB.slice(1),
    second_half_growth_mib: (half.at(-1) as number) - (half[0] as number),
    most_faiss_mib: Math.round((mostFaiss / MIB) * 10) / 10,
    seconds: Math.round((performance.now() - start) / 1000),
  };
}

const resident = (): number => Math.round(process.memoryUsage().rss / MIB);

async function fill(store: FaissStore, data: Clustered, namespace: string[], n: number): Promise<void> {
  for (let from = 0; from < n; from += 700) {
    const puts = Array.from({ length: Math.min(700, n - from) }, (_, i) => ({
      namespace,
      key: `k${from + i}`,
      value: { text: `memory number ${from + i}` },
      vectors: [{ path: "text", vector: data.next() }],
    }));
    await store.batch(puts);
  }
}
