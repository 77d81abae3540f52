/**
 * Time of a search by scan, by our codes and by codes in FAISS, with what the last two find, by size and dimension.
 *
 * Vectors and queries have no order in them, the hardest case for codes. The three take turns, so that a busy machine
 * slows all of them. `--sizes 10000,100000 --dims 384` chooses the cases.
 */
import { parseArgs } from "node:util";
import { createRandom, type Random } from "../src/lib/random.js";
import { CodeTable } from "../src/store/vectors/codes/code-table.js";
import { Coder, centerOf } from "../src/store/vectors/codes/coder.js";
import type { SlotScore } from "../src/store/vectors/vector-index.js";
import { CodedIndex } from "../src/store/vectors/vector-indexes/coded.js";
import { FaissIndex, loadFaiss } from "../src/store/vectors/vector-indexes/faiss.js";
import { scan } from "../src/store/vectors/vector-indexes/flat.js";
import { normalize } from "../src/store/vectors/vector-math.js";
import { SEES_ALL, VectorTable } from "../src/store/vectors/vector-table.js";
import { inTurns, time } from "./store-tools.js";

type Row = Record<string, number | null>;

const QUERIES = 32;
const PROMISE = { target: 0.99, widen: 1 };

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
  const queries = Array.from({ length: QUERIES }, () => normalize(isotropic(random, dims)));
  const query = (i: number): Float32Array => queries[i % QUERIES] as Float32Array;
  const coder = new Coder(centerOf(table));
  const codes = new CodeTable(table, coder);
  const coding = await time(() => codes.cover());
  const coded = new CodedIndex(table, codes, [slots]);
  const faiss = loadFaiss();
  const held = faiss ? new FaissIndex(table, coder, faiss, Number.POSITIVE_INFINITY) : null;
  for (const slot of slots) held?.add(slot);
  const handing = await time(() => {
    while (held && !held.step());
  });
  const [scanned, byCodes, byFaiss] = await inTurns(QUERIES, [
    (i) => scan(table, [slots], query(i), 10, SEES_ALL),
    (i) => coded.search(query(i), 10, SEES_ALL, PROMISE),
    (i) => held?.search(query(i), 10, SEES_ALL, PROMISE),
  ]);
  const recallOf = (find: (unit: Float32Array) => SlotScore[]): number => {
    const found = queries.map((unit) => {
      const truth = new Set(scan(table, [slots], unit, 10, SEES_ALL).map(({ slot }) => slot));
      return find(unit).filter(({ slot }) => truth.has(slot)).length;
    });
    return found.reduce((sum, count) => sum + count, 0) / (QUERIES * 10);
  };
  return {
    n,
    dims,
    scan_ms: scanned as number,
    codes_ms: byCodes as number,
    codes_recall_at_10: recallOf((unit) => coded.search(unit, 10, SEES_ALL, PROMISE)),
    coding_us_per_vector: (coding / n) * 1000,
    faiss_ms: held ? (byFaiss as number) : null,
    faiss_recall_at_10: held ? recallOf((unit) => held.search(unit, 10, SEES_ALL, PROMISE)) : null,
    faiss_build_us_per_vector: held ? (handing / n) * 1000 : null,
  };
}
