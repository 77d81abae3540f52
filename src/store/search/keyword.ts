/**
 * Keyword ranking: BM25 over exactly the documents that the view sees in the search scope.
 *
 * So a fork or an old version ranks as a fresh store with the same items would, and no tenant's texts change
 * another's scores.
 */

import type { Engine } from "../engine.js";
import type { View } from "../rows/branches.js";
import type { NamespaceRow } from "../rows/namespaces.js";
import { rowById } from "../rows/reader.js";
import { analyzeQuery, countTerms } from "./analyze.js";
import { indexedUpTo, postings, termsOf } from "./keyword-index.js";
import { passes, type RankedRow, type SearchRequest } from "./search.js";

// The usual values for short texts (Anserini's defaults): memories are sentences, not documents.
const K1 = 0.9;
const B = 0.4;

interface Doc {
  length: number;
  born: number;
  /** Set for rows not in the index yet. */
  counts?: Map<string, number>;
}

/** The documents a view sees in one namespace. */
export interface NamespaceDocs {
  docs: Map<number, Doc>;
  total: number;
  /** When the first of them expires; from then on they are read again. */
  until: number;
}

/** What a query found: score and order of creation, by version row. */
export type KeywordScores = ReadonlyMap<number, { score: number; born: number }>;

/** BM25 of every document in the scope that has at least one term of the query. */
export function keywordScores(engine: Engine, request: SearchRequest, query: string): KeywordScores {
  const terms = analyzeQuery(query);
  if (terms.length === 0) return new Map();
  const scope = engine.namespaces.under(request.prefix);
  const docs = scope.map((ns) => docsOf(engine, request.view, ns));
  const byId =
    docs.length === 1 ? (docs[0] as NamespaceDocs).docs : new Map(docs.flatMap(({ docs }) => [...docs]));
  const total = docs.reduce((sum, { total }) => sum + total, 0);
  return scoreAll(engine, terms, byId, total / Math.max(byId.size, 1), scope);
}

/** The `wanted` best rows that pass the filter. */
export function bestByKeyword(
  engine: Engine,
  request: SearchRequest,
  scores: KeywordScores,
  wanted: number,
): RankedRow[] {
  const out: RankedRow[] = [];
  if (wanted === 0) return out;
  const order = [...scores].sort(([, a], [, b]) => b.score - a.score || a.born - b.born);
  for (const [version, { score }] of order) {
    const row = rowById(engine, version);
    if (!row || !passes(row, request.filter)) continue;
    out.push({ row, score });
    if (out.length === wanted) break;
  }
  return out;
}

function scoreAll(
  engine: Engine,
  terms: readonly string[],
  docs: Map<number, Doc>,
  averageLength: number,
  scope: readonly NamespaceRow[],
): KeywordScores {
  const scores = new Map<number, { score: number; born: number }>();
  const pending = [...docs].filter(([, doc]) => doc.counts);
  const ids = new Set(scope.map(({ id }) => id));
  for (const term of terms) {
    const matches: [number, Doc, number][] = [];
    for (const [version, count] of postings(engine, term, ids)) {
      const doc = docs.get(version);
      if (doc && !doc.counts) matches.push([version, doc, count]);
    }
    for (const [version, doc] of pending) {
      const count = doc.counts?.get(term);
      if (count) matches.push([version, doc, count]);
    }
    const idf = Math.log(1 + (docs.size - matches.length + 0.5) / (matches.length + 0.5));
    for (const [version, doc, count] of matches) {
      const norm = K1 * (1 - B + (B * doc.length) / Math.max(averageLength, 1e-9));
      const found = scores.get(version) ?? { score: 0, born: doc.born };
      found.score += (idf * count * (K1 + 1)) / (count + norm);
      scores.set(version, found);
    }
  }
  return scores;
}

/** Documents of a namespace under a view, kept until the namespace is written again. */
function docsOf(engine: Engine, view: View, ns: NamespaceRow): NamespaceDocs {
  const upTo = indexedUpTo(engine);
  const stamp = `${engine.epoch}/${engine.lastWriteTo(ns.id)}/${upTo}`;
  const key = `${ns.id}/${view.levels.map(({ branch, limit }) => `${branch}:${limit}`).join("/")}`;
  const now = engine.now();
  return engine.docCache.get(
    key,
    stamp,
    () => readDocs(engine, view, ns.id),
    ({ until }) => now < until,
  );
}

function readDocs(engine: Engine, view: View, ns: number): NamespaceDocs {
  const docs = new Map<number, Doc>();
  const now = engine.now();
  let total = 0;
  let until = Number.POSITIVE_INFINITY;
  view.levels.forEach((level, depth) => {
    const rows = engine.db.rows<{
      id: number;
      item: number;
      born: number;
      fields: string | null;
      length: number | null;
      expires_at: number | null;
      value: string | null;
    }>(
      `SELECT v.id, v.item, v.born, v.fields, v.expires_at, t.length,
         CASE WHEN t.version IS NULL THEN v.value END AS value
       FROM versions v LEFT JOIN terms t ON t.version = v.id
       WHERE v.ns = ? AND v.branch = ? AND v.op = 1 AND v.rev <= ? AND (v.end_rev IS NULL OR v.end_rev > ?)`,
      ns,
      level.branch,
      level.limit,
      level.limit,
    );
    for (const row of rows) {
      if (row.expires_at !== null && row.expires_at <= now) continue;
      if (row.fields === "false" || engine.isHidden(view, depth, row.item)) continue;
      const terms = row.length === null ? termsOf(row) : null;
      const length = terms?.length ?? row.length ?? 0;
      if (length === 0) continue;
      docs.set(row.id, { length, born: row.born, ...(terms ? { counts: countTerms(terms) } : {}) });
      total += length;
      until = Math.min(until, row.expires_at ?? until);
    }
  });
  return { docs, total, until };
}
