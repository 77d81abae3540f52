/** Reads beside another process's commits: each sees one state of the database, and misses nothing for good. */
import { describe, expect, it } from "vitest";
import type { Engine } from "../../src/store/engine.js";
import type { FaissStore } from "../../src/store/faiss-store.js";
import { namespacePath } from "../../src/store/rows/namespaces.js";
import { writePuts } from "../../src/store/rows/writer.js";
import { takeOver } from "../../src/store/vectors/loader.js";
import { keysOf, LetterEmbeddings, openStore, temporaryDirectory } from "./helpers.js";

const NS = ["n"];
const engineOf = (store: FaissStore): Engine => Reflect.get(store, "engine") as Engine;

/** Commits items of a handle at once, as another process would in the middle of a statement of this one. */
async function committer(store: FaissStore): Promise<(items: Record<string, string>, ns?: string[]) => void> {
  const { db, ledger, vectors: memory, transactions } = engineOf(store);
  const model = new LetterEmbeddings(64);
  const vectors = new Map<string, Float32Array>();
  for (const text of ["aaa", "bbb", "ccc"]) vectors.set(text, new Float32Array(await model.embedQuery(text)));
  return (items, ns = NS) => {
    db.run("BEGIN IMMEDIATE");
    transactions.poll();
    const puts = Object.entries(items).map(([key, text]) => ({
      path: namespacePath(ns),
      key,
      json: JSON.stringify({ text }),
      fields: null,
      vectors: [{ path: "text", hash: Buffer.alloc(16), vector: vectors.get(text) as Float32Array }],
      ttl: null,
      idempotencyKeys: [],
    }));
    writePuts(ledger, 1, puts);
    db.run("COMMIT");
    for (const row of ledger.takeWritten()) takeOver(ledger, memory, row);
  };
}

/** Runs `action` once, before the n-th statement whose text holds `sql` reads its first row. */
function interleave(
  store: FaissStore,
  method: "iterate" | "row",
  sql: string,
  action: () => void,
  n = 1,
): void {
  const { db } = engineOf(store);
  let left = n;
  const look = (text: string): void => {
    if (text.includes(sql) && --left === 0) action();
  };
  const [iterate, row] = [db.iterate.bind(db), db.row.bind(db)];
  const hooked = {
    *iterate(text: string, ...params: unknown[]) {
      look(text);
      yield* iterate(text, ...params);
    },
    row(text: string, ...params: unknown[]) {
      look(text);
      return row(text, ...params);
    },
  };
  Reflect.set(db, method, hooked[method]);
}

async function pair(): Promise<[FaissStore, FaissStore]> {
  const path = temporaryDirectory();
  // Scopes with an index of their own look the namespace of every new row up.
  const index = { embeddings: new LetterEmbeddings(64), fields: ["text"], scanBelow: 1 };
  const [reader, writer] = [await openStore(path, { index }), await openStore(path, { index })];
  await writer.put(NS, "first", { text: "aaa" });
  await reader.search([], { query: "aaa" });
  return [reader, writer];
}

describe("a read beside commits of another process", () => {
  it("takes a row over with its vector", async () => {
    const [reader, writer] = await pair();
    const commit = await committer(writer);
    // A commit without vectors makes the reader look; the next one lands between its statements.
    await writer.delete(NS, "first");
    interleave(reader, "iterate", "FROM versions WHERE id >", () => commit({ late: "bbb" }));
    await reader.search(NS, { query: "bbb" });
    expect(await reader.search(NS, { query: "bbb" })).toMatchObject([{ key: "late", score: 1 }]);
    expect((await reader.stats()).vectors).toBe(2);
    expect(engineOf(reader).vectors.table?.size).toBe(2);
  });

  it("knows the namespace of every row it takes over", async () => {
    const [reader, writer] = await pair();
    const commit = await committer(writer);
    await writer.put(NS, "second", { text: "aaa" });
    interleave(reader, "row", "FROM meta WHERE key", () => commit({ far: "ccc" }, ["other"]));
    expect(keysOf(await reader.search([], { query: "ccc", limit: 1 }))).not.toEqual(["far"]);
    expect(keysOf(await reader.search([], { query: "ccc", limit: 1 }))).toEqual(["far"]);
    expect(await reader.listNamespaces()).toEqual([NS, ["other"]]);
  });

  it("sees all or nothing of another batch in the reads of its own", async () => {
    const [reader, writer] = await pair();
    const commit = await committer(writer);
    commit({ a: "aaa", b: "aaa" });
    interleave(reader, "row", "ORDER BY v.rev DESC LIMIT 1", () => commit({ a: "bbb", b: "bbb" }), 2);
    const read = await reader.batch([
      { namespace: NS, key: "a" },
      { namespace: NS, key: "b" },
      { namespacePrefix: NS, filter: { text: "bbb" } },
    ]);
    expect(read).toMatchObject([{ value: { text: "aaa" } }, { value: { text: "aaa" } }, []]);
    expect((await reader.get(NS, "b"))?.value).toEqual({ text: "bbb" });
  });

  it("looks again after a failure half way", async () => {
    const [reader, writer] = await pair();
    await writer.put(NS, "second", { text: "bbb" });
    interleave(reader, "iterate", "FROM versions WHERE id >", () => {
      throw new Error("the disk hiccups");
    });
    await expect(reader.search(NS, { query: "bbb" })).rejects.toThrow("hiccups");
    expect(keysOf(await reader.search(NS, { query: "bbb", limit: 1 }))).toEqual(["second"]);
  });

  it("leaves no transaction open, whatever becomes of it", async () => {
    const [reader] = await pair();
    const { db, transactions } = engineOf(reader);
    expect(() =>
      transactions.read(() => {
        throw new Error("work");
      }),
    ).toThrow("work");
    expect(db.db.inTransaction).toBe(false);
    await reader.put(NS, "after", { text: "ccc" });
    expect(db.db.inTransaction).toBe(false);
  });
});
