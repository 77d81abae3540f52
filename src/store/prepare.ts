/** Puts made ready to write: texts extracted, embedded with one call to the model, vectors checked. */
import { StoreError } from "../errors.js";
import type { Engine } from "./engine.js";
import type { Checked, PutOp } from "./operations.js";
import { VECTORS_PER_VERSION } from "./rows/schema.js";
import type { PreparedPut, StoredVector } from "./rows/writer.js";
import { textsAt } from "./search/field-paths.js";
import { textHash } from "./vectors/embedder.js";
import { storedModel } from "./vectors/embedding-model.js";

export type CheckedPut = Extract<Checked, { kind: "put" }>;

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
    ...(op.ifRevision === undefined ? {} : { ifRevision: op.ifRevision }),
    idempotencyKeys: op.idempotencyKey === undefined ? [] : [op.idempotencyKey],
  };
}

function textsOf(engine: Engine, op: PutOp): { path: string; text: string }[] {
  if (op.value === null || op.index === false) return [];
  if (!engine.embedder) {
    const stored = storedModel(engine.db);
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
