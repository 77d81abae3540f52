/**
 * Time of an exact search by scan and by FAISS, and of an approximate one with what it finds, by size and dimension.
 *
 * Vectors and queries have no order in them, which is the hardest case for the approximate search and makes no
 * difference to the exact ones. The three take turns, so that a busy machine slows all of them.
 * `--sizes 10000,100000 --dims 384` chooses the cases.
 */
import { parseArgs } from "node:util";
import { createRandom, type Random } from "../src/lib/random.js";
import { FaissIndex, loadFaiss } from "../src/store/vectors/vector-indexes/faiss.js";
import { scan } from "../src/store/vectors/vector-indexes/flat.js";
import { PartitionedIndex } from "../src/store/vectors/vector-indexes/partitioned.js";
import { normalize } from "../src/store/vectors/vector-math.js";
import { SEES_ALL, VectorTable } from "../src/store/vectors/vector-table.js";
import { inTurns, time } from "./store-tools.js";

type Row = Record<string, number | null>;

/** Runs the benchmark; one row per size and dimension. */
export async function run(args: string[]): Promise<{ rows: Row[] }> {
  const { values } = parseArgs({
    args,
    options: {
      sizes: { type: "string", default: "2000,10000,20000,100000" },
      dims: { type: "string", default: "384,1536" },
    },
  });
  const rows: Row[] = [];
  for (const dims of values.dims.split(",").map(Number)) {
    for (const size of values.sizes.split(",").map(Number)) {
      rows.push(await measure(size, dims));
      console.error(rows.at(-1));
    }
  }
  return { rows };
}

const isotropic = (random: Random, dims: number): Float32Array =>
  Float32Array.from({ length: dims }, () => random.next() + random.next() + random.next() - 1.5);

async function measure(n: number, dims: number): Promise<Row> {
  const random = createRandom(`exact/${n}/${dims}`);
  const table = new VectorTable(dims);
  const slots = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = 0; i < n; i++) {
    const facts = { version: i + 1, item: i, ns: 1, branch: 1, rev: i + 1, endRev: null, born: i + 1 };
    table.append(facts, isotropic(random, dims));
  }
  const queries = Array.from({ length: 32 }, () => normalize(isotropic(random, dims)));
  const query = (i: number): Float32Array => queries[i % queries.length] as Float32Array;
  const faiss = loadFaiss();
  const index = faiss ? new FaissIndex(table, faiss, Number.POSITIVE_INFINITY) : null;
  const partitions = new PartitionedIndex(table);
  for (const slot of slots) {
    index?.add(slot);
    partitions.add(slot);
  }
  // Each search hands some vectors over.
  const handing = await time(() => {
    for (let done = 0; index && done < n; done += 1024) index.search(query(0), 10, SEES_ALL);
  });
  const training = await time(async () => {
    partitions.startTraining();
    await partitions.ready();
  });
  const [scanned, byFaiss, approximate] = await inTurns(32, [
    (i) => scan(table, [slots], query(i), 10, SEES_ALL),
    (i) => index?.search(query(i), 10, SEES_ALL),
    (i) => partitions.search(query(i), 10, SEES_ALL),
  ]);
  return {
    n,
    dims,
    scan_ms: scanned as number,
    faiss_ms: index ? (byFaiss as number) : null,
    faiss_build_ms: index ? Math.round(handing) : null,
    approximate_ms: approximate as number,
    approximate_train_ms: Math.round(training),
    approximate_recall_at_10: (await partitions.recall())?.searched ?? null,
  };
}
