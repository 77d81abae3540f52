/**
 * Runs a batch: checks every operation, embeds what needs embedding, then reads and writes in one transaction.
 *
 * Reads see the state before the batch's writes. Nothing is written unless every operation is valid and every embedding
 * succeeded.
 */
import type { Item, ListNamespacesOperation } from "@langchain/langgraph";
import { StoreError } from "../errors.js";
import type { Engine } from "./engine.js";
import type { StoreLimits } from "./limits.js";
import { asNamespaceError } from "./namespace-error.js";
import { type Checked, type CheckedPut, checkOperation } from "./operations.js";
import { preparePuts } from "./prepare.js";
import type { View } from "./rows/branches.js";
import type { Ledger } from "./rows/ledger.js";
import { namespacePath } from "./rows/namespaces.js";
import { hasItems, liveRow, toItem } from "./rows/reader.js";
import { writePuts } from "./rows/writer.js";
import { runSearch, type UnfinishedSearch } from "./search/run-search.js";
import type { SearchOp } from "./search/search-options.js";
import { refreshTtl } from "./upkeep/expiry.js";
import { indexWaiting } from "./upkeep/index-waiting.js";

/** What a batch works on: the view that its reads see, and the branch that its writes go to (null: read-only). */
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
  let checked: Checked[];
  try {
    // Without a pause, so that writes are queued in the order in which they were requested.
    checked = checkAll(operations, engine.options.limits);
  } catch (error) {
    throw await asNamespaceError(error);
  }
  const puts = checked.filter((one): one is CheckedPut => one.kind === "put");
  const results =
    puts.length === 0 ? await read(engine, target, checked) : await write(engine, target, checked, puts);
  return finish(engine, target, checked, results);
}

async function read(engine: Engine, target: Target, checked: readonly Checked[]): Promise<unknown[]> {
  const queries = await embedQueries(engine, checked);
  if (checked.some(usesKeywords)) await indexWaiting(engine);
  return engine.transactions.patientRead(() => readAll(engine, target.view(), checked, queries));
}

function write(
  engine: Engine,
  target: Target,
  checked: readonly Checked[],
  puts: readonly CheckedPut[],
): Promise<unknown[]> {
  const { branch } = target;
  if (branch === null) {
    throw new StoreError("AGEMEM_STORE_READ_ONLY", "A view of an earlier version cannot be written", {
      remedy: "Fork it: store.fork(name, { from: version }).",
    });
  }
  const { ledger, vectors, transactions } = engine;
  const prepare = async () => ({
    queries: await embedQueries(engine, checked),
    prepared: await preparePuts(engine, puts),
  });
  type Ready = Awaited<ReturnType<typeof prepare>>;
  const put = ({ prepared }: Ready): void => {
    ledger.branches.open(branch);
    vectors.recordModel(prepared);
    writePuts(ledger, branch, prepared);
  };
  // Reads need earlier writes loaded into memory, so a batch with reads has a transaction of its own.
  if (puts.length < checked.length) {
    return transactions.write((ready: Ready) => {
      ledger.branches.open(branch);
      const results = readAll(engine, target.view(), checked, ready.queries);
      put(ready);
      return results;
    }, prepare);
  }
  return transactions.writeTogether((ready: Ready) => {
    put(ready);
    return checked.map(() => undefined);
  }, prepare);
}

function checkAll(operations: readonly unknown[], limits: StoreLimits): Checked[] {
  if (operations.length > limits.batchOperations) {
    throw new StoreError("AGEMEM_STORE_LIMIT", `A batch of ${operations.length} operations is too large`, {
      remedy: "Split it.",
      details: { size: operations.length, limit: limits.batchOperations },
    });
  }
  return operations.map((operation) => checkOperation(operation, limits));
}

function usesKeywords(one: Checked): boolean {
  return (
    one.kind === "search" && Boolean(one.op.query) && (one.op.mode === "keyword" || one.op.mode === "hybrid")
  );
}

/** Lets rerankers finish the searches, and restarts the TTL of returned items. */
async function finish(
  engine: Engine,
  target: Target,
  checked: readonly Checked[],
  results: readonly unknown[],
): Promise<unknown[]> {
  const done = await Promise.all(results.map((one) => (isUnfinished(one) ? one() : one)));
  if (engine.options.refreshTtlOnRead) {
    const items = checked.flatMap(({ kind }, i) =>
      kind === "get" || kind === "search" ? ([done[i] ?? []].flat() as Item[]) : [],
    );
    // A reranker may have dropped some items and copied others: only those that the caller gets are refreshed.
    const versions = items.flatMap(({ namespace, key }) => {
      const row = liveRow(engine.ledger, target.view(), namespacePath(namespace), key);
      return row && row.ttl !== null ? [row.id] : [];
    });
    if (versions.length > 0) await refreshTtl(engine, versions);
  }
  return done;
}

const isUnfinished = (result: unknown): result is UnfinishedSearch => typeof result === "function";

async function embedQueries(
  { vectors: { embedder } }: Engine,
  checked: readonly Checked[],
): Promise<Map<string, Float32Array>> {
  const queries = new Map<string, Float32Array>();
  if (!embedder) return queries;
  for (const one of checked) {
    if (one.kind !== "search" || !one.op.query || one.op.mode === "keyword") continue;
    const { query, embedAs } = one.op;
    const vector =
      embedAs === "document" ? (await embedder.embedTexts([query]))[0] : await embedder.embedQuery(query);
    queries.set(queryKey(one.op), vector as Float32Array);
  }
  return queries;
}

/** One text may be embedded both ways in a batch. */
const queryKey = ({ query, embedAs = "query" }: SearchOp): string => `${embedAs}:${query ?? ""}`;

function readAll(
  engine: Engine,
  view: View,
  checked: readonly Checked[],
  queries: Map<string, Float32Array>,
): unknown[] {
  return checked.map((one) => {
    switch (one.kind) {
      case "get": {
        const row = liveRow(engine.ledger, view, namespacePath(one.op.namespace), one.op.key);
        return row ? toItem(engine.ledger, row) : null;
      }
      case "search":
        return runSearch(engine, view, one, queries.get(queryKey(one.op)));
      case "list":
        return listNamespaces(engine.ledger, view, one.op);
      default:
        return undefined;
    }
  });
}

function listNamespaces(ledger: Ledger, view: View, op: ListNamespacesOperation): string[][] {
  const { matchConditions = [], maxDepth, limit = 100, offset = 0 } = op;
  const seen = new Set<string>();
  const out: string[][] = [];
  for (const { id, labels } of ledger.namespaces.matching(matchConditions)) {
    const cut = maxDepth === undefined ? labels : labels.slice(0, maxDepth);
    const path = namespacePath(cut);
    if (seen.has(path) || !hasItems(ledger, view, id)) continue;
    seen.add(path);
    if (seen.size > offset) out.push([...cut]);
    if (out.length >= limit) break;
  }
  return limit === 0 ? [] : out;
}
