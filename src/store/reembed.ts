/**
 * Changing the embedding model: every version row is embedded anew into a second table, which then takes the
 * place of the first in one transaction. Interrupted, it goes on where it stopped; until it is done the store
 * works with the old model.
 */
import { ConfigError } from "../errors.js";
import { textHash } from "./embedder.js";
import type { Engine } from "./engine.js";
import { textsAt } from "./field-paths.js";
import { VECTORS_PER_VERSION } from "./schema.js";
import type { Progress } from "./transfer.js";

export interface ReembedOptions {
  onProgress?: Progress;
}

const TABLE =
  "CREATE TABLE IF NOT EXISTS vectors_next (id INTEGER PRIMARY KEY, path TEXT NOT NULL, hash BLOB NOT NULL, vector BLOB NOT NULL)";

/** Embeds the whole store with the engine's model. Returns the number of vectors made in this run. */
export async function reembedStore(engine: Engine, options: ReembedOptions = {}): Promise<number> {
  const { embedder, db } = engine;
  if (!embedder) {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", "Embedding anew needs an embedding model", {
      remedy: "Pass `index`.",
    });
  }
  await begin(engine);
  let made = 0;
  for (;;) {
    const after = Number(db.getMeta("reembed_upto") ?? "0");
    const rows = db.rows<{ id: number; fields: string | null; value: string | null }>(
      "SELECT id, fields, value FROM versions WHERE id > ? ORDER BY id LIMIT ?",
      after,
      200,
    );
    if (rows.length === 0 && (await swap(engine, after))) return made;
    made += await embedRows(engine, rows);
    options.onProgress?.(made);
  }
}

async function begin(engine: Engine): Promise<void> {
  await engine.write(
    async () => null,
    () => {
      const { db, embedder } = engine;
      if (db.getMeta("reembed_name") !== embedder?.name) {
        db.db.exec(`DROP TABLE IF EXISTS vectors_next; ${TABLE}`);
        db.setMeta("reembed_name", embedder?.name ?? "");
        db.setMeta("reembed_upto", "0");
      } else db.db.exec(TABLE);
      return { result: undefined, rows: [] };
    },
  );
}

async function embedRows(
  engine: Engine,
  rows: readonly { id: number; fields: string | null; value: string | null }[],
): Promise<number> {
  const last = rows.at(-1);
  if (!last) return 0;
  const texts = rows.flatMap(({ id, fields, value }) => {
    if (value === null || fields === null || fields === "false") return [];
    const found = textsAt(JSON.parse(value) as Record<string, unknown>, JSON.parse(fields) as string[]);
    return found.map(({ path, text }, i) => ({ id: id * VECTORS_PER_VERSION + i, path, text }));
  });
  await engine.write(
    async () => engine.embedder?.embedTexts(texts.map(({ text }) => text)) ?? [],
    (vectors) => {
      texts.forEach(({ id, path, text }, i) => {
        const vector = vectors[i] as Float32Array;
        engine.db.run(
          "INSERT OR REPLACE INTO vectors_next (id, path, hash, vector) VALUES (?, ?, ?, ?)",
          id,
          path,
          textHash(text),
          Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength),
        );
      });
      engine.db.setMeta("reembed_upto", String(last.id));
      return { result: undefined, rows: [] };
    },
  );
  return texts.length;
}

/** Puts the new vectors in place, unless rows were written in the meantime. */
async function swap(engine: Engine, upTo: number): Promise<boolean> {
  const { db, embedder } = engine;
  const done = await engine.write(
    async () => null,
    () => {
      if (db.row("SELECT 1 FROM versions WHERE id > ? LIMIT 1", upTo)) return { result: false, rows: [] };
      db.run("DELETE FROM vectors");
      db.run(`INSERT INTO vectors (id, path, hash, vector) SELECT id, path, hash, vector FROM vectors_next
        WHERE id / ${VECTORS_PER_VERSION} IN (SELECT id FROM versions WHERE op = 1) ORDER BY id`);
      db.setMeta("embedding_name", embedder?.name ?? "");
      db.setMeta("embedding_dims", String(embedder?.dims ?? 0));
      db.run("DELETE FROM meta WHERE key IN ('reembed_name', 'reembed_upto')");
      engine.bumpEpoch();
      return { result: true, rows: [] };
    },
  );
  if (!done) return false;
  // Dropping wants no statement prepared on the table to be in use, so it waits until after the commit.
  db.db.exec("DROP TABLE IF EXISTS vectors_next");
  engine.converting = false;
  engine.forget();
  engine.poll();
  return true;
}
