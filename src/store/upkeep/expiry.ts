/** Time to live: deletes expired items, and restarts the TTL of items that were read. */
import type { Engine } from "../engine.js";
import { type PreparedPut, writePuts } from "../rows/writer.js";

/** Turns expired items into deletions, so that vacuum can remove them. Returns their number. */
export async function deleteExpired({ ledger, transactions }: Engine): Promise<number> {
  let deleted = 0;
  for (const { id } of ledger.branches.allOpen()) {
    deleted += await transactions.write(() => {
      if (ledger.branches.get(id)?.closed !== null) return 0;
      const expired = ledger.db.rows<{ path: string; key: string }>(
        `SELECT n.path, i.key FROM versions v JOIN items i ON i.id = v.item JOIN namespaces n ON n.id = v.ns
         WHERE v.expires_at <= ? AND v.branch = ? AND v.end_rev IS NULL AND v.op = 1`,
        Date.now(),
        id,
      );
      return writePuts(ledger, id, expired.map(deletion)).length;
    });
  }
  return deleted;
}

/** Restarts the TTL of these version rows. */
export async function refreshTtl(
  { ledger, transactions }: Engine,
  versions: readonly number[],
): Promise<void> {
  await transactions.write(() => {
    for (const id of versions) {
      ledger.db.run("UPDATE versions SET expires_at = ? + round(ttl * 60000) WHERE id = ?", Date.now(), id);
    }
  });
}

function deletion({ path, key }: { path: string; key: string }): PreparedPut {
  return { path, key, json: null, fields: null, vectors: [], ttl: null, idempotencyKeys: [] };
}
