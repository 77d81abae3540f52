/** The time of one durable write of the store beside an insert into SQLite with the same content, in turns. */
import { join } from "node:path";
import Database from "better-sqlite3";
import type { FaissStore } from "../src/store/faiss-store.js";
import { inTurns } from "./store-tools.js";

/** Adds an item for each vector to the store, and a row to a database in `directory`. */
export async function measureAdds(
  store: FaissStore,
  directory: string,
  vectors: readonly Float32Array[],
  namespace: string[],
): Promise<Record<"raw_sqlite_ms" | "add_ms" | "add_vs_raw_sqlite", number>> {
  const db = new Database(join(directory, "raw.db"));
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, ns TEXT, key TEXT, value TEXT, at INTEGER, vector BLOB)");
  const insert = db.prepare("INSERT INTO t (ns, key, value, at, vector) VALUES (?, ?, ?, ?, ?)");
  const value = (i: number) => ({ text: `added number ${i}, about nothing in particular` });
  const [rawMs, storeMs] = await inTurns(vectors.length, [
    (i) =>
      insert.run(
        "bench",
        `a${i}`,
        JSON.stringify(value(i)),
        Date.now(),
        Buffer.from(Float32Array.from(vectors[i] as Float32Array).buffer),
      ),
    (i) =>
      store.put(namespace, `a${i}`, value(i), undefined, {
        vectors: [{ path: "text", vector: vectors[i] as Float32Array }],
      }),
  ]);
  db.close();
  return {
    raw_sqlite_ms: rawMs as number,
    add_ms: storeMs as number,
    add_vs_raw_sqlite: (storeMs as number) / (rawMs as number),
  };
}
