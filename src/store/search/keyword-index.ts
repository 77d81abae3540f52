/**
 * The keyword index: SQLite FTS5 as an inverted index over version rows.
 *
 * Each row is one FTS5 document whose tokens are `term_namespace`, so a lookup in one namespace never reads (or
 * is influenced by) another. FTS5 keeps postings only; scoring is in `keyword.ts`, because FTS5's own bm25()
 * counts over all namespaces, branches and old rows. Rows are indexed in batches, some time after they were
 * written; the rows not yet indexed are analysed by the search itself.
 */

import type { Engine } from "../engine.js";
import type { Connection } from "../rows/database.js";
import { isStoredJson } from "../rows/stored-json.js";
import { analyze } from "./analyze.js";
import { leafTexts, textsAt } from "./field-paths.js";

const WATERMARK = "fts_upto";
/** Rows that may wait before a search or write indexes them. */
export const MAX_PENDING = 256;

/** Id of the last version row in the index. */
export function indexedUpTo(engine: Engine): number {
  return Number(engine.db.getMeta(WATERMARK) ?? "0");
}

/** Sets the watermark, inside a write transaction. */
export function setIndexedUpTo(engine: Engine, version: number): void {
  engine.db.setMeta(WATERMARK, String(version));
}

/** Indexes rows written since the last call, up to `limit` of them, inside a write transaction. */
export function indexPending(engine: Engine, limit: number): number {
  const { db } = engine;
  const rows = db.rows<{ id: number; ns: number; op: number; fields: string | null; value: string | null }>(
    "SELECT id, ns, op, fields, value FROM versions WHERE id > ? ORDER BY id LIMIT ?",
    indexedUpTo(engine),
    limit,
  );
  for (const row of rows) {
    if (row.op === 0) continue;
    const terms = termsOf(row);
    db.run("INSERT OR REPLACE INTO terms (version, length) VALUES (?, ?)", row.id, terms.length);
    const text = terms.map((term) => token(term, row.ns)).join(" ");
    if (text) db.run("INSERT INTO fts (rowid, text) VALUES (?, ?)", row.id, text);
  }
  const last = rows.at(-1);
  if (last) setIndexedUpTo(engine, last.id);
  return rows.length;
}

/** Indexes what waits when it is much, in pieces; a store locked by others is searched without. */
export async function indexWaiting(engine: Engine): Promise<void> {
  await engine.reading(() => undefined);
  while (engine.lastVersion - indexedUpTo(engine) > MAX_PENDING) {
    const done = await engine.write(
      async () => null,
      () => ({ result: indexPending(engine, 2000), rows: [] }),
    );
    if (done === 0) return;
  }
}

/** Removes a version row from the index. */
export function unindex(db: Connection, version: number): void {
  if (db.run("DELETE FROM terms WHERE version = ?", version).changes > 0) {
    db.run("DELETE FROM fts WHERE rowid = ?", version);
  }
}

/**
 * Terms of a row's indexed texts; `[]` for a row put with `index: false`, and for a damaged one, which must not take
 * keyword search from all others: reading it fails, and `verify` names it.
 */
export function termsOf(row: { fields: string | null; value: string | null }): string[] {
  if (row.value === null || row.fields === "false" || !isStoredJson(row.value)) return [];
  const value = JSON.parse(row.value) as Record<string, unknown>;
  const paths = JSON.parse(row.fields ?? '["$"]') as string[];
  const texts = paths.flatMap((path) =>
    path === "$" || path === "" ? leafTexts(value) : textsAt(value, [path]).map(({ text }) => text),
  );
  return texts.flatMap(analyze);
}

/** How often a term occurs in each document of some namespaces. */
export function* postings(
  engine: Engine,
  term: string,
  namespaces: ReadonlySet<number>,
): Generator<[number, number]> {
  const { db } = engine;
  if (namespaces.size <= 64) {
    for (const ns of namespaces) {
      const found = db.rows<{ doc: number; n: number }>(
        "SELECT doc, count(*) AS n FROM fts_terms WHERE term = ? GROUP BY doc",
        token(term, ns),
      );
      for (const { doc, n } of found) yield [doc, n];
    }
    return;
  }
  const start = `${encode(term)}_`;
  const found = db.rows<{ term: string; doc: number; n: number }>(
    "SELECT term, doc, count(*) AS n FROM fts_terms WHERE term >= ? AND term < ? GROUP BY term, doc",
    start,
    `${encode(term)}\``,
  );
  for (const { term: name, doc, n } of found) {
    if (namespaces.has(Number(name.slice(start.length)))) yield [doc, n];
  }
}

function token(term: string, ns: number): string {
  return `${encode(term)}_${ns}`;
}

/** ASCII for any term, since FTS5's tokeniser knows an older Unicode than JavaScript. */
function encode(term: string): string {
  if (term.length <= 64 && /^[a-z0-9]+$/.test(term)) return `a${term}`;
  return `x${Buffer.from(term.slice(0, 64), "utf8").toString("hex")}`;
}
