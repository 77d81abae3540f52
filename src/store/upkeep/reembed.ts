/**
 * Changes the embedding model: embeds every version row again into a second table, which then replaces the first in one
 * transaction. After an interruption it continues where it stopped; until it is done the store works with the old
 * model.
 */
import { ConfigError } from "../../errors.js";
import type { Engine } from "../engine.js";
import type { Connection } from "../rows/database.js";
import { VECTORS_PER_VERSION } from "../rows/schema.js";
import { isStoredJson } from "../rows/stored-json.js";
import { toBlob } from "../rows/vector-rows.js";
import { textsAt } from "../search/field-paths.js";
import { type Embedder, textHash } from "../vectors/embedder.js";
import { recordModel } from "../vectors/embedding-model.js";
import type { OnProgress } from "./progress.js";

export interface ReembedOptions {
  onProgress?: OnProgress;
}

const TABLE =
  "CREATE TABLE IF NOT EXISTS vectors_next (id INTEGER PRIMARY KEY, path TEXT NOT NULL, hash BLOB NOT NULL, vector BLOB NOT NULL)";

/** Progress of a conversion. It starts over if a model with the same name gives another dimension. */
interface Conversion {
  name: string;
  /** Null until the first vector. */
  dims: number | null;
  /** Last version row that was embedded. Ids are never reused, so a vacuum does not change its meaning. */
  upTo: number;
}

const STATE = "reembed";

/** Embeds the whole store with the model that it was opened with. Returns the number of vectors made by this call. */
export async function reembedStore(engine: Engine, options: ReembedOptions = {}): Promise<number> {
  const { embedder } = engine.vectors;
  if (!embedder) {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", "Embedding again needs an embedding model", {
      remedy: "Pass `index`.",
    });
  }
  await begin(engine, embedder);
  let made = 0;
  for (;;) {
    const { upTo } = stateOf(engine.db, embedder);
    const rows = engine.db.rows<Row>(
      "SELECT id, fields, value FROM versions WHERE id > ? ORDER BY id LIMIT ?",
      upTo,
      200,
    );
    if (rows.length === 0 && (await swap(engine, embedder, upTo))) return made;
    const count = await embedRows(engine, embedder, rows);
    if (count === null) await begin(engine, embedder);
    else made += count;
    options.onProgress?.(made);
  }
}

interface Row {
  id: number;
  fields: string | null;
  value: string | null;
}

function stateOf(db: Connection, embedder: Embedder): Conversion {
  const stored = db.getMeta(STATE);
  return stored ? (JSON.parse(stored) as Conversion) : { name: embedder.name, dims: embedder.dims, upTo: 0 };
}

function save(db: Connection, state: Conversion): void {
  db.setMeta(STATE, JSON.stringify(state));
}

/** Continues a conversion to this model, or begins one. */
async function begin({ db, transactions }: Engine, embedder: Embedder): Promise<void> {
  await transactions.write(() => {
    const state = stateOf(db, embedder);
    const known = db.getMeta(STATE) !== undefined && state.name === embedder.name;
    const same = embedder.dims === null || state.dims === null || embedder.dims === state.dims;
    if (known && same) db.db.exec(TABLE);
    else {
      db.db.exec(`DROP TABLE IF EXISTS vectors_next; ${TABLE}`);
      save(db, { name: embedder.name, dims: embedder.dims, upTo: 0 });
    }
  });
}

/** Embeds some rows. Returns the number of vectors, or null if the model gives another dimension than before. */
async function embedRows(
  { db, transactions }: Engine,
  embedder: Embedder,
  rows: readonly Row[],
): Promise<number | null> {
  const last = rows.at(-1);
  if (!last) return 0;
  const texts = rows.flatMap(({ id, fields, value }) => {
    if (value === null || fields === null || fields === "false" || !isStoredJson(value)) return [];
    const found = textsAt(JSON.parse(value) as Record<string, unknown>, JSON.parse(fields) as string[]);
    return found.map(({ path, text }, i) => ({ id: id * VECTORS_PER_VERSION + i, path, text }));
  });
  return transactions.write(
    (vectors) => {
      const { dims } = stateOf(db, embedder);
      if (dims !== null && embedder.dims !== null && dims !== embedder.dims) return null;
      texts.forEach(({ id, path, text }, i) => {
        db.run(
          "INSERT OR REPLACE INTO vectors_next (id, path, hash, vector) VALUES (?, ?, ?, ?)",
          id,
          path,
          textHash(text),
          toBlob(vectors[i] as Float32Array),
        );
      });
      save(db, { name: embedder.name, dims: embedder.dims ?? dims, upTo: last.id });
      return texts.length;
    },
    () => embedder.embedTexts(texts.map(({ text }) => text)),
  );
}

/** Puts the new vectors in place, unless rows have been written in the meantime. */
async function swap(
  { db, ledger, vectors, transactions }: Engine,
  embedder: Embedder,
  upTo: number,
): Promise<boolean> {
  const done = await transactions.write(() => {
    if (db.row("SELECT 1 FROM versions WHERE id > ? LIMIT 1", upTo)) return false;
    db.run("DELETE FROM vectors");
    const { changes } = db.run(`INSERT INTO vectors (id, path, hash, vector)
      SELECT id, path, hash, vector FROM vectors_next
      WHERE id / ${VECTORS_PER_VERSION} IN (SELECT id FROM versions WHERE op = 1) ORDER BY id`);
    const { dims } = stateOf(db, embedder);
    recordModel(db, changes > 0 && dims !== null ? { name: embedder.name, dims } : null);
    db.run("DELETE FROM meta WHERE key = ?", STATE);
    ledger.bumpEpoch();
    return true;
  });
  if (!done) return false;
  // After the commit, because SQLite does not drop a table that a prepared statement is using.
  db.db.exec("DROP TABLE IF EXISTS vectors_next");
  vectors.converting = false;
  transactions.reload();
  return true;
}
