/** Repairs what verification finds, in this order: rows, their ends, vectors, keyword index, memory. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { StoreError } from "../../errors.js";
import type { Engine } from "../engine.js";
import type { Connection } from "../rows/database.js";
import { keepIds } from "../rows/ids.js";
import { VECTORS_PER_VERSION } from "../rows/schema.js";
import { isStoredJson } from "../rows/stored-json.js";
import { deleteVectors, writeVectors } from "../rows/vector-rows.js";
import { textsAt } from "../search/field-paths.js";
import { setIndexedUpTo } from "../search/keyword-index.js";
import { textHash } from "../vectors/embedder.js";
import { SIDECAR_FILE } from "../vectors/sidecar/sidecar-format.js";
import { indexWaiting } from "./index-waiting.js";
import { type VerifyResult, verifyStore } from "./verify.js";

export interface RepairResult {
  /** What was found before the repair. */
  before: VerifyResult;
  /** What is left: damaged values, and vectors that could not be made without an embedding model. */
  after: VerifyResult;
}

/**
 * Repairs a store. Rows without an item, namespace or branch are removed; no item is made up.
 *
 * @throws StoreError `AGEMEM_STORE_CORRUPT` when SQLite's own check fails, so that only a backup can help
 */
export async function repairStore(engine: Engine): Promise<RepairResult> {
  const { db, ledger, vectors, transactions } = engine;
  const before = await verifyStore(engine);
  if (before.problems.some(({ kind }) => kind === "database")) {
    throw new StoreError("AGEMEM_STORE_CORRUPT", "SQLite reports that the database is damaged", {
      remedy: "Restore a backup, or export what can be read.",
    });
  }
  await transactions.write(() => {
    repairRows(db);
    ledger.bumpEpoch();
  });
  await embedMissing(engine);
  if (db.directory) rmSync(join(db.directory, SIDECAR_FILE), { force: true });
  vectors.converting = false;
  transactions.reload();
  await indexWaiting(engine);
  return { before, after: await verifyStore(engine) };
}

function repairRows(db: Connection): void {
  keepIds(db);
  db.run(`DELETE FROM versions WHERE branch NOT IN (SELECT id FROM branches) OR item NOT IN (SELECT id FROM items)
    OR ns NOT IN (SELECT id FROM namespaces) OR ns <> (SELECT ns FROM items WHERE items.id = versions.item)`);
  db.run(`UPDATE versions SET end_rev = fixed.next FROM (
      SELECT id, end_rev, lead(rev) OVER (PARTITION BY item, branch ORDER BY rev) AS next FROM versions) AS fixed
    WHERE fixed.id = versions.id AND fixed.next IS NOT NULL AND versions.end_rev IS NOT fixed.next`);
  db.run(
    "INSERT OR IGNORE INTO revisions (rev, branch, at) SELECT rev, branch, max(updated_at) FROM versions GROUP BY rev",
  );
  db.run(`DELETE FROM vectors WHERE NOT EXISTS
    (SELECT 1 FROM versions v WHERE v.id = vectors.id / ${VECTORS_PER_VERSION} AND v.op = 1)`);
  db.run("INSERT INTO fts(fts) VALUES ('delete-all')");
  db.run("DELETE FROM terms");
  setIndexedUpTo(db, 0);
}

/** If any vectors are damaged, missing or of another text, embeds all texts again. */
async function embedMissing(engine: Engine): Promise<void> {
  const { db, transactions } = engine;
  const { embedder } = engine.vectors;
  const { problems } = await verifyStore(engine);
  const wanted = problems.some(({ kind }) => kind === "vector-damaged" || kind === "vector-missing");
  if (!wanted || !embedder) return;
  const all = db
    .rows<{ id: number; fields: string; value: string }>(
      "SELECT id, fields, value FROM versions WHERE op = 1 AND fields IS NOT NULL AND fields <> 'false' ORDER BY id",
    )
    .filter(({ value }) => isStoredJson(value));
  for (let from = 0; from < all.length; from += 256) {
    const rows = all.slice(from, from + 256);
    const texts = rows.map((row) =>
      textsAt(JSON.parse(row.value) as Record<string, unknown>, JSON.parse(row.fields) as string[]),
    );
    const made = await embedder.embedTexts(texts.flat().map(({ text }) => text));
    await transactions.write(() => {
      let at = 0;
      rows.forEach(({ id }, i) => {
        const own = (texts[i] ?? []).map(({ path, text }) => ({
          path,
          hash: textHash(text),
          vector: made[at++] as Float32Array,
        }));
        if (isGiven(db, id, embedder.dims ?? 0)) return;
        deleteVectors(db, id);
        writeVectors(db, id, own);
      });
    });
  }
}

/** Whether a row has usable vectors that the caller supplied. */
function isGiven(db: Connection, version: number, dims: number): boolean {
  const first = db.row<{ hash: Buffer; vector: Buffer }>(
    "SELECT hash, vector FROM vectors WHERE id = ?",
    version * VECTORS_PER_VERSION,
  );
  return first?.hash.equals(textHash("")) === true && first.vector.byteLength === dims * 4;
}
