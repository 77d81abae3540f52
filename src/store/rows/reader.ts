/**
 * Reads items of a view from SQLite: one item, the rows of a namespace, an item's history.
 *
 * Leaves out ranking (`search/ranking.ts`) and which vectors a view sees (`vectors/vector-table.ts`), which follows the
 * same rule as rows.
 */
import type { Item } from "@langchain/langgraph";
import type { View } from "./branches.js";
import type { Ledger } from "./ledger.js";
import { storedJson } from "./stored-json.js";
import { type FoundRow, isLive, type VersionRow } from "./version-row.js";

/** One entry of an item's history, newest first. */
export interface HistoryEntry {
  branch: string;
  revision: number;
  operation: "put" | "delete";
  /** Null for a deletion. */
  value: Record<string, unknown> | null;
  at: Date;
}

const COLUMNS = "v.*, i.key AS key";

const ROWS_AT_ONCE = 12;
/** Longest value, in characters, that is cached between searches. */
const KEPT_CHARS = 4000;
const BY_IDS = `SELECT v.id, v.ns, v.op, v.born, v.created_at, v.updated_at, v.expires_at, v.ttl, v.value, i.key
  FROM versions v JOIN items i ON i.id = v.item WHERE v.id IN (${"?, ".repeat(ROWS_AT_ONCE - 1)}?)`;

/**
 * The newest row of an item that a view sees, which may be a deletion. A row that has ended without a successor,
 * because its deletion was vacuumed, counts as absent.
 */
export function latestRow(ledger: Ledger, view: View, item: number): VersionRow | undefined {
  for (const { branch, limit } of view.levels) {
    const row = ledger.db.row<VersionRow>(
      `SELECT ${COLUMNS} FROM versions v JOIN items i ON i.id = v.item
       WHERE v.item = ? AND v.branch = ? AND v.rev <= ? ORDER BY v.rev DESC LIMIT 1`,
      item,
      branch,
      limit,
    );
    if (row) return row.end_rev !== null && row.end_rev <= limit ? undefined : row;
  }
  return undefined;
}

export function itemId(ledger: Ledger, path: string, key: string): number | undefined {
  const ns = ledger.namespaces.find(path);
  if (!ns) return undefined;
  return ledger.db.row<{ id: number }>("SELECT id FROM items WHERE ns = ? AND key = ?", ns.id, key)?.id;
}

/** The live row of an item, or undefined when it is absent, deleted or expired. */
export function liveRow(ledger: Ledger, view: View, path: string, key: string): VersionRow | undefined {
  const item = itemId(ledger, path, key);
  const row = item === undefined ? undefined : latestRow(ledger, view, item);
  return row && isLive(row) ? row : undefined;
}

/** A version row by its id, or undefined when it is a deletion, was vacuumed or has expired. */
export function rowById(ledger: Ledger, version: number): VersionRow | undefined {
  const row = ledger.db.row<VersionRow>(
    `SELECT ${COLUMNS} FROM versions v JOIN items i ON i.id = v.item WHERE v.id = ?`,
    version,
  );
  return row && isLive(row) ? row : undefined;
}

/** The live rows among some version rows, by id, read many at once: ten single reads would cost as much as a search. */
export function rowsByIds(ledger: Ledger, versions: readonly number[]): Map<number, FoundRow> {
  const now = Date.now();
  const rows = new Map<number, FoundRow>();
  const missing: (number | null)[] = [];
  for (const id of versions) {
    const known = ledger.found.get(id);
    if (known) rows.set(id, known);
    else missing.push(id);
  }
  for (let from = 0; from < missing.length; from += ROWS_AT_ONCE) {
    const ids = missing.slice(from, from + ROWS_AT_ONCE);
    while (ids.length < ROWS_AT_ONCE) ids.push(null);
    for (const row of ledger.db.rows<FoundRow>(BY_IDS, ...ids)) {
      if (isLive(row, now)) rows.set(row.id, row);
      keep(ledger.found, row);
    }
  }
  return rows;
}

/** Caches a row that cannot expire; such rows never change, and a vacuum clears the cache. */
function keep(found: Ledger["found"], row: FoundRow): void {
  if (row.op === 0 || row.ttl !== null || row.expires_at !== null) return;
  if ((row.value?.length ?? 0) > KEPT_CHARS) return;
  found.set(row.id, row);
}

/** Live rows of a namespace in order of creation. Before a write, read to the end or call `return()`. */
export function* rowsOf(ledger: Ledger, view: View, ns: number): Generator<VersionRow> {
  const now = Date.now();
  const streams = view.levels.map((_, depth) => levelRows(ledger, view, ns, depth));
  try {
    const heads = streams.map((stream) => stream.next());
    for (;;) {
      let best = -1;
      for (let i = 0; i < heads.length; i++) {
        const head = heads[i];
        if (head?.done !== false) continue;
        const leader = heads[best];
        if (leader?.done !== false || head.value.born < leader.value.born) best = i;
      }
      const chosen = heads[best];
      if (chosen?.done !== false) return;
      if (isLive(chosen.value, now)) yield chosen.value;
      heads[best] = (streams[best] as Generator<VersionRow>).next();
    }
  } finally {
    for (const stream of streams) stream.return(undefined);
  }
}

function* levelRows(ledger: Ledger, view: View, ns: number, depth: number): Generator<VersionRow, undefined> {
  const level = view.levels[depth];
  if (!level) return undefined;
  const { limit } = level;
  const rows = ledger.db.iterate<VersionRow>(
    `SELECT ${COLUMNS} FROM versions v JOIN items i ON i.id = v.item
     WHERE v.ns = ? AND v.branch = ? AND v.op = 1 AND v.rev <= ? AND (v.end_rev IS NULL OR v.end_rev > ?)
     ORDER BY v.born -- one statement per level, since all levels are read at once: ${depth}`,
    ns,
    level.branch,
    limit,
    limit,
  );
  for (const row of rows) if (!ledger.isHidden(view, depth, row.item)) yield row;
  return undefined;
}

/** Whether a view sees any live item in a namespace. */
export function hasItems(ledger: Ledger, view: View, ns: number): boolean {
  const rows = rowsOf(ledger, view, ns);
  const found = rows.next().done === false;
  rows.return(undefined);
  return found;
}

/** Every state of an item that a view sees, newest first. */
export function historyOf(ledger: Ledger, view: View, item: number): HistoryEntry[] {
  return view.levels.flatMap(({ branch, limit }) =>
    ledger.db
      .rows<VersionRow>(
        `SELECT ${COLUMNS} FROM versions v JOIN items i ON i.id = v.item
         WHERE v.item = ? AND v.branch = ? AND v.rev <= ? ORDER BY v.rev DESC`,
        item,
        branch,
        limit,
      )
      .map((row) => ({
        branch: ledger.branches.get(branch)?.name ?? String(branch),
        revision: row.rev,
        operation: row.op === 1 ? ("put" as const) : ("delete" as const),
        value: row.value === null ? null : storedJson(row.value, `The item "${row.key}"`),
        at: new Date(row.updated_at),
      })),
  );
}

/** A fresh copy of the item in a row. */
export function toItem(ledger: Ledger, row: FoundRow): Item {
  return {
    namespace: [...ledger.namespaces.get(row.ns).labels],
    key: row.key,
    value: storedJson(row.value ?? "null", `The item "${row.key}"`),
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
  };
}
