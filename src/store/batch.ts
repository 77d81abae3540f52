/**
 * Running a batch: check every operation, embed what needs embedding, then read and write at one moment.
 *
 * Reads see the state before the batch's writes. Nothing is written unless every operation is valid and every
 * embedding was made.
 */
import type { ListNamespacesOperation } from "@langchain/langgraph";
import { StoreError } from "../errors.js";
import type { View } from "./branches.js";
import { toStoreError } from "./database.js";
import { textHash } from "./embedder.js";
import type { Engine } from "./engine.js";
import { refreshTtl } from "./expiry.js";
import { textsAt } from "./field-paths.js";
import { indexWaiting } from "./keyword-index.js";
import { type Checked, checkOperation, namespacePath, type PutOp } from "./operations.js";
import { hasItems, liveRow, toItem } from "./reader.js";
import { runSearch } from "./run-search.js";
import { VECTORS_PER_VERSION } from "./schema.js";
import { type PreparedPut, type StoredVector, writePuts } from "./writer.js";

/** Where a batch runs: the view its reads see, and the branch its writes go to (null = read only). */
export interface Target {
  view(): View;
  branch: number | null;
}

type CheckedPut = Extract<Checked, { kind: "put" }>;

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
  const checked = operations.map((operation) => checkOperation(operation, limits));
  const puts = checked.filter((one): one is CheckedPut => one.kind === "put");
  if (puts.length > 0 && target.branch === null) {
    throw new StoreError("AGEMEM_STORE_READ_ONLY", "A view of an earlier version cannot be written", {
      remedy: "Fork it: store.fork(name, { from: version }).",
    });
  }
  if (puts.length === 0) {
    const queries = await embedQueries(engine, checked);
    if (checked.some(usesKeywords)) await indexWaiting(engine);
    try {
      engine.poll();
      return await finish(engine, readAll(engine, target.view(), checked, queries));
    } catch (error) {
      throw toStoreError(error);
    }
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
  return finish(engine, results);
}

function usesKeywords(one: Checked): boolean {
  return (
    one.kind === "search" && Boolean(one.op.query) && (one.op.mode === "keyword" || one.op.mode === "hybrid")
  );
}

/** Waits for rerankers, which may be asynchronous, and starts the TTL of returned items again. */
async function finish(engine: Engine, results: readonly unknown[]): Promise<unknown[]> {
  const touched = engine.touched.splice(0);
  if (touched.length > 0) await refreshTtl(engine, touched);
  return Promise.all(results);
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

/** Extracts and embeds the texts of all puts with one call to the model. */
export async function preparePuts(engine: Engine, puts: readonly CheckedPut[]): Promise<PreparedPut[]> {
  const texts = puts.map((put) => (put.op.vectors ? [] : textsOf(engine, put.op)));
  const flat = texts.flat();
  const vectors =
    flat.length > 0 && engine.embedder ? await engine.embedder.embedTexts(flat.map(({ text }) => text)) : [];
  let at = 0;
  return puts.map((put, i) => {
    const own = (texts[i] ?? []).map(
      ({ path, text }): StoredVector => ({
        path,
        hash: textHash(text),
        vector: vectors[at++] as Float32Array,
      }),
    );
    return prepared(engine, put, put.op.vectors ? givenVectors(engine, put.op) : own);
  });
}

function prepared(engine: Engine, { op, path, json }: CheckedPut, vectors: StoredVector[]): PreparedPut {
  return {
    path,
    key: op.key,
    json,
    fields: op.value === null ? null : JSON.stringify(op.index ?? engine.embedder?.fields ?? ["$"]),
    vectors,
    ttl: op.ttl ?? engine.options.defaultTtl,
    idempotencyKeys: op.idempotencyKey === undefined ? [] : [op.idempotencyKey],
  };
}

function textsOf(engine: Engine, op: PutOp): { path: string; text: string }[] {
  if (op.value === null || op.index === false) return [];
  if (!engine.embedder) {
    if (engine.db.getMeta("embedding_name") === undefined) return [];
    throw new StoreError(
      "AGEMEM_STORE_EMBEDDING",
      "The store has an embedding model, but was opened without one",
      {
        remedy: "Open it with the same `index`, or put with index false.",
        details: { stored: engine.db.getMeta("embedding_name") },
      },
    );
  }
  const texts = textsAt(op.value, op.index ?? engine.embedder.fields);
  if (texts.length <= VECTORS_PER_VERSION) return texts;
  throw new StoreError("AGEMEM_STORE_LIMIT", `An item has ${texts.length} texts to embed`, {
    remedy: "Index fewer paths, or split the item.",
    details: { texts: texts.length, limit: VECTORS_PER_VERSION },
  });
}

function givenVectors(engine: Engine, op: PutOp): StoredVector[] {
  if (!engine.embedder || op.value === null) return [];
  const { embedder } = engine;
  return (op.vectors ?? []).map(({ path, vector, text }) => ({
    path,
    hash: textHash(text ?? ""),
    vector: embedder.check(vector),
  }));
}
