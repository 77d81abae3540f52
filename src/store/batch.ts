/**
 * Running a batch: check every operation, embed what needs embedding, then read and write at one moment.
 *
 * Reads see the state before the batch's writes. Nothing is written unless every operation is valid and every
 * embedding was made.
 */
import type { Item, ListNamespacesOperation } from "@langchain/langgraph";
import { StoreError } from "../errors.js";
import type { Engine } from "./engine.js";
import { asNamespaceError } from "./namespace-error.js";
import { type Checked, checkOperation, namespacePath, type StoreLimits } from "./operations.js";
import { type CheckedPut, preparePuts } from "./prepare.js";
import type { View } from "./rows/branches.js";
import { refreshTtl } from "./rows/expiry.js";
import { hasItems, liveRow, toItem } from "./rows/reader.js";
import { writePuts } from "./rows/writer.js";
import { indexWaiting } from "./search/keyword-index.js";
import { runSearch } from "./search/run-search.js";

/** Where a batch runs: the view its reads see, and the branch its writes go to (null = read only). */
export interface Target {
  view(): View;
  branch: number | null;
}

/** Runs the operations of a batch and returns their results in order. */
export async function runBatch(
  engine: Engine,
  target: Target,
  operations: readonly unknown[],
): Promise<unknown[]> {
  engine.assertOpen();
  const { limits } = engine.options;
  if (operations.length > limits.batchOperations) {
    throw new StoreError("AGEMEM_STORE_LIMIT", `A batch of ${operations.length} operations is too large`, {
      remedy: "Split it.",
      details: { size: operations.length, limit: limits.batchOperations },
    });
  }
  const checked = await checkAll(operations, limits);
  const puts = checked.filter((one): one is CheckedPut => one.kind === "put");
  if (puts.length > 0 && target.branch === null) {
    throw new StoreError("AGEMEM_STORE_READ_ONLY", "A view of an earlier version cannot be written", {
      remedy: "Fork it: store.fork(name, { from: version }).",
    });
  }
  if (puts.length === 0) {
    const queries = await embedQueries(engine, checked);
    if (checked.some(usesKeywords)) await indexWaiting(engine);
    const results = await engine.reading(() => readAll(engine, target.view(), checked, queries));
    return finish(engine, () => target.view(), checked, results);
  }
  const branch = target.branch as number;
  const results = await engine.write(
    async () => ({ queries: await embedQueries(engine, checked), prepared: await preparePuts(engine, puts) }),
    ({ queries, prepared }) => {
      engine.branches.open(branch);
      const result =
        puts.length === checked.length
          ? checked.map(() => undefined)
          : readAll(engine, target.view(), checked, queries);
      const dims = prepared.find((put) => put.vectors.length > 0)?.vectors[0]?.vector.length;
      if (dims !== undefined) engine.recordEmbedding(dims);
      return { result, rows: writePuts(engine, branch, prepared) };
    },
  );
  return finish(engine, () => target.view(), checked, results);
}

async function checkAll(operations: readonly unknown[], limits: StoreLimits): Promise<Checked[]> {
  try {
    return operations.map((operation) => checkOperation(operation, limits));
  } catch (error) {
    throw await asNamespaceError(error);
  }
}

function usesKeywords(one: Checked): boolean {
  return (
    one.kind === "search" && Boolean(one.op.query) && (one.op.mode === "keyword" || one.op.mode === "hybrid")
  );
}

/** Waits for rerankers, which may be asynchronous, and starts the TTL of returned items again. */
async function finish(
  engine: Engine,
  view: () => View,
  checked: readonly Checked[],
  results: readonly unknown[],
): Promise<unknown[]> {
  const done = await Promise.all(results);
  if (engine.options.refreshTtlOnRead) {
    const items = checked.flatMap(({ kind }, i) =>
      kind === "get" || kind === "search" ? ([done[i] ?? []].flat() as Item[]) : [],
    );
    // A reranker may have dropped some and copied others: what counts is what the caller gets.
    const versions = items.flatMap(({ namespace, key }) => {
      const row = liveRow(engine, view(), namespacePath(namespace), key);
      return row && row.ttl !== null ? [row.id] : [];
    });
    if (versions.length > 0) await refreshTtl(engine, versions);
  }
  return done;
}

async function embedQueries(engine: Engine, checked: readonly Checked[]): Promise<Map<string, Float32Array>> {
  const queries = new Map<string, Float32Array>();
  if (!engine.embedder) return queries;
  for (const one of checked) {
    if (one.kind !== "search" || !one.op.query || one.op.mode === "keyword") continue;
    queries.set(one.op.query, await engine.embedder.embedQuery(one.op.query));
  }
  return queries;
}

function readAll(
  engine: Engine,
  view: View,
  checked: readonly Checked[],
  queries: Map<string, Float32Array>,
): unknown[] {
  return checked.map((one) => {
    switch (one.kind) {
      case "get": {
        const row = liveRow(engine, view, namespacePath(one.op.namespace), one.op.key);
        return row ? toItem(engine, row) : null;
      }
      case "search":
        return runSearch(engine, view, one, one.op.query ? queries.get(one.op.query) : undefined);
      case "list":
        return listNamespaces(engine, view, one.op);
      default:
        return undefined;
    }
  });
}

function listNamespaces(engine: Engine, view: View, op: ListNamespacesOperation): string[][] {
  const { matchConditions = [], maxDepth, limit = 100, offset = 0 } = op;
  const seen = new Set<string>();
  const out: string[][] = [];
  for (const { id, labels } of engine.namespaces.matching(matchConditions)) {
    const cut = maxDepth === undefined ? labels : labels.slice(0, maxDepth);
    const path = namespacePath(cut);
    if (seen.has(path) || !hasItems(engine, view, id)) continue;
    seen.add(path);
    if (seen.size > offset) out.push([...cut]);
    if (out.length >= limit) break;
  }
  return limit === 0 ? [] : out;
}
