/** Prepares puts for writing: extracts their texts, embeds them, checks given vectors. */
import { StoreError } from "../errors.js";
import type { Engine } from "./engine.js";
import type { CheckedPut, PutOp } from "./operations.js";
import { VECTORS_PER_VERSION } from "./rows/schema.js";
import type { StoredVector } from "./rows/vector-rows.js";
import type { PreparedPut } from "./rows/writer.js";
import { textsAt } from "./search/field-paths.js";
import { type Embedder, textHash } from "./vectors/embedder.js";
import { storedModel } from "./vectors/embedding-model.js";

/** Prepares puts; the texts of all of them are embedded together. */
export async function preparePuts(engine: Engine, puts: readonly CheckedPut[]): Promise<PreparedPut[]> {
  const { embedder } = engine.vectors;
  const texts = puts.map((put) => (put.op.vectors ? [] : textsOf(engine, put.op)));
  const flat = texts.flat().map(({ text }) => text);
  const vectors = flat.length > 0 && embedder ? await embedder.embedTexts(flat) : [];
  let at = 0;
  return puts.map((put, i) => {
    const own = (texts[i] ?? []).map(
      ({ path, text }): StoredVector => ({
        path,
        hash: textHash(text),
        vector: vectors[at++] as Float32Array,
      }),
    );
    return prepared(engine, put, put.op.vectors ? givenVectors(embedder, put.op) : own);
  });
}

/** The index paths of a value, or false, as JSON. */
export function indexedFields(embedder: Embedder | null, index: PutOp["index"] | null): string {
  return JSON.stringify(index ?? embedder?.fields ?? ["$"]);
}

function prepared(
  { vectors: { embedder }, options }: Engine,
  { op, path, json }: CheckedPut,
  vectors: StoredVector[],
): PreparedPut {
  return {
    path,
    key: op.key,
    json,
    fields: op.value === null ? null : indexedFields(embedder, op.index),
    vectors,
    ttl: op.ttl ?? options.defaultTtl,
    ...(op.ifRevision === undefined ? {} : { ifRevision: op.ifRevision }),
    idempotencyKeys: op.idempotencyKey === undefined ? [] : [op.idempotencyKey],
  };
}

function textsOf({ db, vectors: { embedder } }: Engine, op: PutOp): { path: string; text: string }[] {
  if (op.value === null || op.index === false) return [];
  if (!embedder) {
    const stored = storedModel(db);
    if (stored === undefined) return [];
    throw new StoreError(
      "AGEMEM_STORE_EMBEDDING",
      "The store has an embedding model, but was opened without one",
      {
        remedy: "Open it with the same `index`, or put with index false.",
        details: { stored: stored.name },
      },
    );
  }
  const texts = textsAt(op.value, op.index ?? embedder.fields);
  if (texts.length <= VECTORS_PER_VERSION) return texts;
  throw new StoreError("AGEMEM_STORE_LIMIT", `An item has ${texts.length} texts to embed`, {
    remedy: "Index fewer paths, or split the item.",
    details: { texts: texts.length, limit: VECTORS_PER_VERSION },
  });
}

function givenVectors(embedder: Embedder | null, op: PutOp): StoredVector[] {
  if (!embedder || op.value === null) return [];
  return (op.vectors ?? []).map(({ path, vector, text }) => ({
    path,
    hash: textHash(text ?? ""),
    vector: embedder.check(vector),
  }));
}
