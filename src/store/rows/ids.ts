/**
 * Row ids, none of which is ever used twice in a store.
 *
 * SQLite reuses the id of a removed last row. What outlives the row (an interrupted conversion, a handle of a discarded
 * branch, a copy in another process) would then mistake the new row for the old one.
 */
import type { Connection } from "./database.js";

const TABLES = ["versions", "items", "namespaces", "branches"] as const;
type IdTable = (typeof TABLES)[number];

/** The id for the next row. Call inside a write transaction. */
export function nextId(db: Connection, table: IdTable): number {
  return Math.max(highest(db, table), Number(db.getMeta(key(table)) ?? "0")) + 1;
}

/** Records the highest ids. Call in a write transaction that removes rows, before it does. */
export function keepIds(db: Connection): void {
  for (const table of TABLES) db.setMeta(key(table), String(nextId(db, table) - 1));
}

function highest(db: Connection, table: IdTable): number {
  return db.row<{ id: number | null }>(`SELECT max(id) AS id FROM ${table}`)?.id ?? 0;
}

function key(table: IdTable): string {
  return `last_id_${table}`;
}
