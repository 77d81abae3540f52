/**
 * The documents of a namespace for keyword search: the length of each, and its terms until it is indexed.
 *
 * Owns reading them for a view, and caching them until the namespace is written to. Leaves out scores (`keyword.ts`)
 * and the inverted index (`keyword-index.ts`).
 */
import { LRUCache } from "lru-cache";
import type { View } from "../rows/branches.js";
import type { Ledger } from "../rows/ledger.js";
import { countTerms } from "./analyze.js";
import { indexedUpTo, termsOf } from "./keyword-index.js";

/** Documents kept in memory, over all namespaces and views. */
const CAPACITY = 500_000;

export interface KeywordDocument {
  /** Number of terms. */
  length: number;
  /** Gives the order of creation. */
  born: number;
  /** Frequency of each term, for a row that is not in the index yet. */
  counts?: Map<string, number>;
}

/** The documents of one namespace that a view sees. */
export interface NamespaceDocuments {
  byVersion: Map<number, KeywordDocument>;
  /** Number of terms in all of them. */
  totalLength: number;
  /** When the first of them expires, in Unix milliseconds; after that they must be read again. */
  until: number;
}

export class DocumentCache {
  readonly #kept = new LRUCache<string, { stamp: string; documents: NamespaceDocuments }>({
    maxSize: CAPACITY,
    // A namespace larger than the cache is still cached, alone.
    sizeCalculation: ({ documents }) => Math.min(documents.byVersion.size + 1, CAPACITY),
  });

  /** The documents of a namespace that a view sees. */
  of(ledger: Ledger, view: View, ns: number): NamespaceDocuments {
    const stamp = `${ledger.generation}/${ledger.lastWriteTo(ns)}/${indexedUpTo(ledger.db)}`;
    const key = `${ns}/${view.levels.map(({ branch, limit }) => `${branch}:${limit}`).join("/")}`;
    const known = this.#kept.get(key);
    if (known?.stamp === stamp && Date.now() < known.documents.until) return known.documents;
    const documents = readDocuments(ledger, view, ns);
    this.#kept.set(key, { stamp, documents });
    return documents;
  }
}

interface DocumentRow {
  id: number;
  item: number;
  born: number;
  fields: string | null;
  length: number | null;
  expires_at: number | null;
  value: string | null;
}

function readDocuments(ledger: Ledger, view: View, ns: number): NamespaceDocuments {
  const byVersion = new Map<number, KeywordDocument>();
  const now = Date.now();
  let totalLength = 0;
  let until = Number.POSITIVE_INFINITY;
  view.levels.forEach(({ branch, limit }, depth) => {
    const rows = ledger.db.rows<DocumentRow>(
      `SELECT v.id, v.item, v.born, v.fields, v.expires_at, t.length,
         CASE WHEN t.version IS NULL THEN v.value END AS value
       FROM versions v LEFT JOIN terms t ON t.version = v.id
       WHERE v.ns = ? AND v.branch = ? AND v.op = 1 AND v.rev <= ? AND (v.end_rev IS NULL OR v.end_rev > ?)`,
      ns,
      branch,
      limit,
      limit,
    );
    for (const row of rows) {
      if (row.expires_at !== null && row.expires_at <= now) continue;
      if (row.fields === "false" || ledger.isHidden(view, depth, row.item)) continue;
      const terms = row.length === null ? termsOf(row) : null;
      const length = terms?.length ?? row.length ?? 0;
      if (length === 0) continue;
      byVersion.set(row.id, { length, born: row.born, ...(terms ? { counts: countTerms(terms) } : {}) });
      totalLength += length;
      until = Math.min(until, row.expires_at ?? until);
    }
  });
  return { byVersion, totalLength, until };
}
