/** The time of one durable write of the store, and of a fork, beside an insert into SQLite, in turns. */
import { join } from "node:path";
import Database from "better-sqlite3";
import type { FaissStore } from "../src/store/faiss-store.js";
import { inTurns, median } from "./store-tools.js";

/** Forks that a group of rollouts asks for at once. */
const GROUP = 8;

/** Adds an item for each vector to the store, and a row to a database in `directory`. */
export async function measureAdds(
  store: FaissStore,
  directory: string,
  vectors: readonly Float32Array[],
  namespace: string[],
): Promise<Record<"raw_sqlite_ms" | "add_ms" | "add_vs_raw_sqlite", number>> {
  const db = openRaw(directory);
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

/**
 * A fork beside the insert of a short row, which like the fork is as long as the disk takes; and one of a group of forks that are
 * asked for at once.
 */
export async function measureForkTimes(
  store: FaissStore,
  directory: string,
): Promise<Record<"fork_ms" | "fork_vs_raw_sqlite" | "fork_in_group_ms", number>> {
  const db = openRaw(directory);
  const insert = db.prepare("INSERT INTO t (ns, key, at) VALUES (?, ?, ?)");
  const [rawMs, forkMs] = await inTurns(60, [
    (i) => insert.run("fork", `f${i}`, Date.now()),
    () => store.fork(),
  ]);
  const groupMs = await median(20, () => Promise.all(Array.from({ length: GROUP }, () => store.fork())));
  db.close();
  return {
    fork_ms: forkMs as number,
    fork_vs_raw_sqlite: (forkMs as number) / (rawMs as number),
    fork_in_group_ms: groupMs / GROUP,
  };
}

function openRaw(directory: string): Database.Database {
  const db = new Database(join(directory, "raw.db"));
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.exec(
    "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, ns TEXT, key TEXT, value TEXT, at INTEGER, vector BLOB)",
  );
  return db;
}
