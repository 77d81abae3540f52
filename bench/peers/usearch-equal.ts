/**
 * usearch at the recall of the store: its graph is searched more widely until it finds as much, then both in turns.
 *
 * Leaves out usearch at its default (`store-peers.ts`).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpuTime, inTurns } from "../store-tools.js";

/** How many candidates a search of the graph keeps; 64 is its default. */
const EXPANSIONS = [64, 96, 128, 192, 256, 384, 512];

interface Graph {
  add(key: bigint, vector: Float32Array): void;
  search(query: Float32Array, k: number): { keys: ArrayLike<bigint> };
  save(path: string): void;
  load(path: string): void;
}

/** What the store is asked, and finds. */
interface Compared {
  vectors: readonly Float32Array[];
  queries: readonly Float32Array[];
  truth: readonly ReadonlySet<number>[];
  recall: number;
  search(i: number): Promise<unknown>;
}

/** Nulls where usearch is not installed, or does not reach the recall. */
export async function compareWithUsearch(asked: Compared): Promise<Record<string, number | null>> {
  const directory = mkdtempSync(join(tmpdir(), "agemem-bench-usearch-"));
  try {
    const graph = equallyGood(asked, directory);
    if (!graph) return ratios(null);
    const works = [
      (i: number) => graph.index.search(asked.queries[i] as Float32Array, 10),
      (i: number) => asked.search(i),
    ];
    const [theirs, ours] = await inTurns(asked.truth.length, works);
    const [theirCpu, ourCpu] = await inTurns(asked.truth.length, works, 1, cpuTime);
    return ratios({ ...graph, theirs, ours, theirCpu, ourCpu });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function ratios(measured: Record<string, unknown> | null): Record<string, number | null> {
  const { expansion, recall, theirs, ours, theirCpu, ourCpu } = (measured ?? {}) as Record<string, number>;
  const over = (a?: number, b?: number): number | null => (a === undefined || b === undefined ? null : a / b);
  return {
    usearch_equal_expansion: expansion ?? null,
    usearch_equal_recall_at_10: recall ?? null,
    search_vs_usearch_equal: over(ours, theirs),
    search_cpu_vs_usearch_equal: over(ourCpu, theirCpu),
  };
}

function equallyGood(
  { vectors, queries, truth, recall: wanted }: Compared,
  directory: string,
): { index: Graph; expansion: number; recall: number } | null {
  const Index = graphs();
  if (!Index) return null;
  const options = { metric: "ip", connectivity: 16, dimensions: vectors[0]?.length ?? 0 };
  const made = new Index(options);
  for (const [i, vector] of vectors.entries()) made.add(BigInt(i), vector);
  const path = join(directory, "graph");
  made.save(path);
  for (const expansion of EXPANSIONS) {
    const index = new Index({ ...options, expansion_search: expansion });
    index.load(path);
    let found = 0;
    for (const [i, best] of truth.entries()) {
      const { keys } = index.search(queries[i] as Float32Array, 10);
      found += Array.from(keys, Number).filter((key) => best.has(key)).length;
    }
    const recall = found / (truth.length * 10);
    if (recall >= wanted) return { index, expansion, recall };
  }
  return null;
}

function graphs(): (new (options: object) => Graph) | null {
  try {
    // Its ES module build calls itself without end under Node 20.
    return (createRequire(import.meta.url)("usearch") as { Index: new (options: object) => Graph }).Index;
  } catch {
    // `store-peers.ts` says how it is installed.
    return null;
  }
}
