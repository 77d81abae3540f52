/**
 * Finds the live rows of a namespace whose text contains what a filter asks for, without reading the others into memory.
 *
 * Leaves out the filter itself (`search/filter.ts`): a text may contain the words elsewhere, so each row is still to be tested.
 */
import type { View } from "./branches.js";
import type { Ledger } from "./ledger.js";
import { isLive, type VersionRow } from "./version-row.js";

/** What a filter tests. */
export type MatchingRow = Pick<VersionRow, "id" | "value">;

/**
 * Live rows of a namespace that a view sees, in any order.
 *
 * @param words of each list, a row's JSON must contain one
 */
export function* matchingRows(
  ledger: Ledger,
  view: View,
  ns: number,
  words: readonly (readonly string[])[],
): Generator<MatchingRow> {
  const contains = words.map((list) => ` AND (${list.map(() => "instr(v.value, ?) > 0").join(" OR ")})`);
  const sql = `SELECT v.id, v.item, v.op, v.expires_at, v.value FROM versions v
    WHERE v.ns = ? AND v.branch = ? AND v.op = 1 AND v.rev <= ? AND (v.end_rev IS NULL OR v.end_rev > ?)${contains.join("")}`;
  const now = Date.now();
  for (const [depth, { branch, limit }] of view.levels.entries()) {
    const rows = ledger.db.iterate<VersionRow>(sql, ns, branch, limit, limit, ...words.flat());
    for (const row of rows) if (isLive(row, now) && !ledger.isHidden(view, depth, row.item)) yield row;
  }
}
