/**
 * Keyword ranking: BM25 over exactly the documents that the view sees in the search scope.
 *
 * A fork or an old version therefore ranks like a fresh store with the same items, and no tenant's texts change
 * another's scores.
 */
import { inverseFrequency, termWeight } from "../../text/bm25.js";
import type { NamespaceRow } from "../rows/namespaces.js";
import { rowById } from "../rows/reader.js";
import { analyzeQuery } from "./analyze.js";
import type { Corpus, SearchRequest } from "./corpus.js";
import type { KeywordDocument, NamespaceDocuments } from "./documents.js";
import { postings } from "./keyword-index.js";
import { passes, type RankedRow } from "./ranking.js";

// Anserini's defaults, usual for short texts: memories are sentences, not documents.
const SETTINGS = { k1: 0.9, b: 0.4 };

type Documents = ReadonlyMap<number, KeywordDocument>;

/** Score and creation order of what a query found, by version row. */
type KeywordScores = ReadonlyMap<number, { score: number; born: number }>;

/** BM25 scores of the documents in the scope that have at least one term of the query. */
export function keywordScores(corpus: Corpus, request: SearchRequest, query: string): KeywordScores {
  const { ledger, documents } = corpus;
  const terms = analyzeQuery(query);
  if (terms.length === 0) return new Map();
  const scope = ledger.namespaces.under(request.prefix);
  const found = scope.map(({ id }) => documents.of(ledger, request.view, id));
  const byVersion =
    found.length === 1
      ? (found[0] as NamespaceDocuments).byVersion
      : new Map(found.flatMap(({ byVersion }) => [...byVersion]));
  const totalLength = found.reduce((sum, one) => sum + one.totalLength, 0);
  return scoreAll(corpus, terms, byVersion, totalLength / Math.max(byVersion.size, 1), scope);
}

/** The `wanted` best rows that pass the filter. */
export function bestByKeyword(
  { ledger }: Corpus,
  request: SearchRequest,
  scores: KeywordScores,
  wanted: number,
): RankedRow[] {
  const out: RankedRow[] = [];
  if (wanted === 0) return out;
  const order = [...scores].sort(([, a], [, b]) => b.score - a.score || a.born - b.born);
  for (const [version, { score }] of order) {
    const row = rowById(ledger, version);
    if (!row || !passes(row, request.filter)) continue;
    out.push({ row, score });
    if (out.length === wanted) break;
  }
  return out;
}

function scoreAll(
  { ledger }: Corpus,
  terms: readonly string[],
  documents: Documents,
  averageLength: number,
  scope: readonly NamespaceRow[],
): KeywordScores {
  const scores = new Map<number, { score: number; born: number }>();
  const pending = [...documents].filter(([, doc]) => doc.counts);
  const ids = new Set(scope.map(({ id }) => id));
  for (const term of terms) {
    const matches: [number, KeywordDocument, number][] = [];
    for (const [version, count] of postings(ledger.db, term, ids)) {
      const doc = documents.get(version);
      if (doc && !doc.counts) matches.push([version, doc, count]);
    }
    for (const [version, doc] of pending) {
      const count = doc.counts?.get(term);
      if (count) matches.push([version, doc, count]);
    }
    const idf = inverseFrequency(documents.size, matches.length);
    for (const [version, doc, count] of matches) {
      const found = scores.get(version) ?? { score: 0, born: doc.born };
      found.score += idf * termWeight(count, doc.length, averageLength, SETTINGS);
      scores.set(version, found);
    }
  }
  return scores;
}
