/**
 * The keyword index: SQLite FTS5 as an inverted index over version rows.
 *
 * Each row is one FTS5 document. Its tokens consist of a term and the number of the namespace, so that a lookup in one
 * namespace neither reads another nor depends on it. FTS5 only stores the postings; `keyword.ts` computes the scores,
 * because FTS5's own bm25() counts all namespaces, branches and old rows. Rows are indexed in batches, some time after
 * they were written (`upkeep/index-waiting.ts`); until then searches analyze them.
 */
import type { Connection } from "../rows/database.js";
import { isStoredJson } from "../rows/stored-json.js";
import { analyze } from "./analyze.js";
import { leafTexts, textsAt } from "./field-paths.js";

const WATERMARK = "fts_upto";

/** Id of the last version row in the index. */
export function indexedUpTo(db: Connection): number {
  return Number(db.getMeta(WATERMARK) ?? "0");
}

/** Sets the id of the last version row in the index. Call inside a write transaction. */
export function setIndexedUpTo(db: Connection, version: number): void {
  db.setMeta(WATERMARK, String(version));
}

/** Indexes up to `limit` rows that are not indexed yet; returns their number. Call inside a write transaction. */
export function indexPending(db: Connection, limit: number): number {
  const rows = db.rows<{ id: number; ns: number; op: number; fields: string | null; value: string | null }>(
    "SELECT id, ns, op, fields, value FROM versions WHERE id > ? ORDER BY id LIMIT ?",
    indexedUpTo(db),
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
  if (last) setIndexedUpTo(db, last.id);
  return rows.length;
}

/** Removes a version row from the index. */
export function unindex(db: Connection, version: number): void {
  if (db.run("DELETE FROM terms WHERE version = ?", version).changes > 0) {
    db.run("DELETE FROM fts WHERE rowid = ?", version);
  }
}

/**
 * Terms of a row's indexed texts: none for a row put with `index: false`, and none for a damaged one, so that it does
 * not break keyword search for all others. Reading that item fails, and `verify` reports it.
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
  db: Connection,
  term: string,
  namespaces: ReadonlySet<number>,
): Generator<[version: number, count: number]> {
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

/** Encodes any term in ASCII, because FTS5's tokenizer knows an older Unicode version than JavaScript. */
function encode(term: string): string {
  if (term.length <= 64 && /^[a-z0-9]+$/.test(term)) return `a${term}`;
  return `x${Buffer.from(term.slice(0, 64), "utf8").toString("hex")}`;
}
