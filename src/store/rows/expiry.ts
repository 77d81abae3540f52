/** Time to live: deleting what has expired, and starting the time anew for what was read. */
import type { Engine } from "../engine.js";
import { type WrittenRow, writePuts } from "./writer.js";

/** Turns expired items into deletions, so that vacuum can remove them. Returns their number. */
export async function deleteExpired(engine: Engine): Promise<number> {
  let deleted = 0;
  for (const { id } of engine.branches.all().filter(({ closed }) => closed === null)) {
    deleted += await engine.write(
      async () => null,
      () => {
        if (engine.branches.get(id)?.closed !== null) return { result: 0, rows: [] as WrittenRow[] };
        const expired = engine.db.rows<{ path: string; key: string }>(
          `SELECT n.path, i.key FROM versions v JOIN items i ON i.id = v.item JOIN namespaces n ON n.id = v.ns
           WHERE v.expires_at <= ? AND v.branch = ? AND v.end_rev IS NULL AND v.op = 1`,
          engine.now(),
          id,
        );
        const rows = writePuts(engine, id, expired.map(deletion));
        return { result: rows.length, rows };
      },
    );
  }
  return deleted;
}

/** Starts the time to live of version rows again from now. */
export async function refreshTtl(engine: Engine, versions: readonly number[]): Promise<void> {
  await engine.write(
    async () => null,
    () => {
      for (const id of versions) {
        engine.db.run(
          "UPDATE versions SET expires_at = ? + round(ttl * 60000) WHERE id = ?",
          engine.now(),
          id,
        );
      }
      return { result: undefined, rows: [] };
    },
  );
}

function deletion({ path, key }: { path: string; key: string }) {
  return { path, key, json: null, fields: null, vectors: [], ttl: null, idempotencyKeys: [] };
}
