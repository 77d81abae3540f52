/**
 * Reading items of a view from SQLite: one item, the rows of a namespace, history.
 *
 * Leaves out ranking (`search.ts`) and visibility of vectors (`vector-table.ts`), which follow the same rule.
 */
import type { Item } from "@langchain/langgraph";
import type { Engine } from "../engine.js";
import type { View } from "./branches.js";
import { storedJson } from "./stored-json.js";

/** A row of `versions` with the item's key. */
export interface VersionRow {
  id: number;
  item: number;
  ns: number;
  branch: number;
  rev: number;
  end_rev: number | null;
  prev: number | null;
  born: number;
  op: number;
  created_at: number;
  updated_at: number;
  expires_at: number | null;
  ttl: number | null;
  fields: string | null;
  value: string | null;
  key: string;
}

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
/** Longest value of a row that is kept between searches. */
const KEPT_CHARS = 4000;
const BY_IDS = `SELECT v.id, v.ns, v.op, v.born, v.created_at, v.updated_at, v.expires_at, v.ttl, v.value, i.key
  FROM versions v JOIN items i ON i.id = v.item WHERE v.id IN (${"?, ".repeat(ROWS_AT_ONCE - 1)}?)`;

/**
 * The newest row of an item that a view sees, also when it is a deletion. A row that ended without a successor
 * (its deletion was vacuumed) counts as absent.
 */
export function latestRow(engine: Engine, view: View, item: number): VersionRow | undefined {
  for (const { branch, limit } of view.levels) {
    const row = engine.db.row<VersionRow>(
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

export function itemId(engine: Engine, path: string, key: string): number | undefined {
  const ns = engine.namespaces.find(path);
  if (!ns) return undefined;
  return engine.db.row<{ id: number }>("SELECT id FROM items WHERE ns = ? AND key = ?", ns.id, key)?.id;
}

/** The live row of an item, or undefined when it is absent, deleted or expired. */
export function liveRow(engine: Engine, view: View, path: string, key: string): VersionRow | undefined {
  const item = itemId(engine, path, key);
  const row = item === undefined ? undefined : latestRow(engine, view, item);
  return row && isLive(row, engine.now()) ? row : undefined;
}

/** A version row by its id, or undefined when it was vacuumed or has expired. */
export function rowById(engine: Engine, version: number): VersionRow | undefined {
  const row = engine.db.row<VersionRow>(
    `SELECT ${COLUMNS} FROM versions v JOIN items i ON i.id = v.item WHERE v.id = ?`,
    version,
  );
  return row && isLive(row, engine.now()) ? row : undefined;
}

/** A row as a search result needs it. */
export type FoundRow = Omit<VersionRow, "item" | "branch" | "rev" | "end_rev" | "prev" | "fields">;

/** The live ones of some version rows, by id; in one statement, since ten single ones cost as much as a search. */
export function rowsByIds(engine: Engine, versions: readonly number[]): Map<number, FoundRow> {
  const now = engine.now();
  const rows = new Map<number, FoundRow>();
  const missing: (number | null)[] = [];
  for (const id of versions) {
    const known = engine.foundRows.get(id);
    if (known) rows.set(id, known);
    else missing.push(id);
  }
  for (let from = 0; from < missing.length; from += ROWS_AT_ONCE) {
    const ids = missing.slice(from, from + ROWS_AT_ONCE);
    while (ids.length < ROWS_AT_ONCE) ids.push(null);
    for (const row of engine.db.rows<FoundRow>(BY_IDS, ...ids)) {
      if (isLive(row, now)) rows.set(row.id, row);
      keep(engine, row);
    }
  }
  return rows;
}

/** What a search needs of a row never changes, unless it expires; a vacuum clears what is kept. */
function keep({ foundRows }: Engine, row: FoundRow): void {
  if (row.op === 0 || row.ttl !== null || row.expires_at !== null) return;
  if ((row.value?.length ?? 0) > KEPT_CHARS) return;
  foundRows.set(row.id, row);
}

export function isLive(row: { op: number; expires_at: number | null }, now: number): boolean {
  return row.op === 1 && (row.expires_at === null || row.expires_at > now);
}

/** Live rows of one namespace in order of creation. Read to the end or closed with `return()` before a write. */
export function* rowsOf(engine: Engine, view: View, ns: number): Generator<VersionRow> {
  const now = engine.now();
  const streams = view.levels.map((_, depth) => levelRows(engine, view, ns, depth));
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

function* levelRows(engine: Engine, view: View, ns: number, depth: number): Generator<VersionRow, undefined> {
  const level = view.levels[depth];
  if (!level) return undefined;
  const { limit } = level;
  const rows = engine.db.iterate<VersionRow>(
    `SELECT ${COLUMNS} FROM versions v JOIN items i ON i.id = v.item
     WHERE v.ns = ? AND v.branch = ? AND v.op = 1 AND v.rev <= ? AND (v.end_rev IS NULL OR v.end_rev > ?)
     ORDER BY v.born -- one statement per level, since all levels are read at once: ${depth}`,
    ns,
    level.branch,
    limit,
    limit,
  );
  for (const row of rows) if (!engine.isHidden(view, depth, row.item)) yield row;
  return undefined;
}

/** Whether a view sees any live item in a namespace. */
export function hasItems(engine: Engine, view: View, ns: number): boolean {
  const rows = rowsOf(engine, view, ns);
  const found = rows.next().done === false;
  rows.return(undefined);
  return found;
}

/** Every state a view sees of an item, newest first. */
export function historyOf(engine: Engine, view: View, item: number): HistoryEntry[] {
  return view.levels.flatMap(({ branch, limit }) =>
    engine.db
      .rows<VersionRow>(
        `SELECT ${COLUMNS} FROM versions v JOIN items i ON i.id = v.item
         WHERE v.item = ? AND v.branch = ? AND v.rev <= ? ORDER BY v.rev DESC`,
        item,
        branch,
        limit,
      )
      .map((row) => ({
        branch: engine.branches.get(branch)?.name ?? String(branch),
        revision: row.rev,
        operation: row.op === 1 ? ("put" as const) : ("delete" as const),
        value: row.value === null ? null : storedJson(row.value, `The item "${row.key}"`),
        at: new Date(row.updated_at),
      })),
  );
}

/** The item a row holds: a fresh copy each time. */
export function toItem(engine: Engine, row: FoundRow): Item {
  return {
    namespace: [...engine.namespaces.get(row.ns).labels],
    key: row.key,
    value: storedJson(row.value ?? "null", `The item "${row.key}"`),
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
  };
}
