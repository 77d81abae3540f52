import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { FaissStore } from "../../../src/store/faiss-store.js";
import { codeOf, keysOf, LetterEmbeddings, openStore, stopClock, temporaryDirectory } from "../helpers.js";

const NS = ["memories", "ada"];

async function fill(store: FaissStore): Promise<void> {
  await store.put(NS, "a", { text: "walnut" });
  await store.put(NS, "b", { text: "zebra", list: ["x"] });
  await store.put(["other"], "c", { text: "orbit" }, false, { ttl: 60 });
  await store.put(NS, "a", { text: "walnuts" });
}

describe("export and import", () => {
  it("carries items, times, index paths and vectors, and can be run twice", async () => {
    const file = join(temporaryDirectory(), "items.jsonl");
    const store = await openStore();
    await fill(store);
    expect(await store.export(file)).toBe(3);
    const embeddings = new LetterEmbeddings();
    const target = await openStore(":memory:", { index: { embeddings, fields: ["text"] } });
    expect(await target.import(file)).toEqual({ imported: 3, skipped: 0 });
    expect(await target.import(file)).toEqual({ imported: 0, skipped: 3 });
    expect(embeddings.texts).toBe(0);
    expect(await target.search([], { limit: 9 })).toEqual(await store.search([], { limit: 9 }));
    expect(await target.search(NS, { query: "walnut" })).toEqual(await store.search(NS, { query: "walnut" }));
    expect(await target.verify()).toMatchObject({ ok: true });
  });

  it("embeds for another model, and names the broken line", async () => {
    const file = join(temporaryDirectory(), "items.jsonl");
    const store = await openStore();
    await fill(store);
    await store.export(file);
    const other = await openStore(":memory:", {
      index: { embeddings: new LetterEmbeddings(7), embeddingName: "other", fields: ["text"] },
    });
    await other.import(file);
    expect((await other.search(NS, { query: "walnuts" }))[0]?.score).toBeCloseTo(1, 5);
    writeFileSync(
      file,
      '{"namespace":["x"],"key":"k","value":{"text":"fine"}}\n{"namespace":["a.b"],"key":"k","value":{}}\n',
    );
    await expect(store.import(file)).rejects.toMatchObject({
      code: "AGEMEM_INPUT_FORMAT",
      details: { line: 2 },
    });
    expect(await codeOf(() => store.import(`${file}.none`))).toBe("AGEMEM_INPUT_FILE");
  });
});

describe("backup", () => {
  it("copies a store in use and refuses to overwrite one", async () => {
    const directory = temporaryDirectory();
    const store = await openStore(join(directory, "one"));
    await fill(store);
    await store.backup(join(directory, "two"));
    await store.put(NS, "later", { text: "not in the copy" });
    const copy = await openStore(join(directory, "two"));
    expect(keysOf(await copy.search([], { limit: 9 })).sort()).toEqual(["a", "b", "c"]);
    expect(await copy.history(NS, "a")).toHaveLength(2);
    expect(await codeOf(() => store.backup(join(directory, "two")))).toBe("AGEMEM_STORE_PATH");
    expect(existsSync(join(directory, "two", "memory.db.partial"))).toBe(false);
  });
});

describe("verify and repair", () => {
  const faults: [string, string][] = [
    ["vector-without-row", "INSERT INTO vectors VALUES (4096000, 'text', x'00', x'00')"],
    ["vector-damaged", "UPDATE vectors SET vector = x'0011' WHERE id = (SELECT min(id) FROM vectors)"],
    ["vector-missing", "DELETE FROM vectors WHERE id = (SELECT max(id) FROM vectors)"],
    ["wrong-end", "UPDATE versions SET end_rev = NULL"],
    ["row-without-branch", "UPDATE versions SET branch = 77 WHERE id = 2"],
    ["row-without-item", "DELETE FROM items WHERE key = 'c'"],
    ["revision-missing", "DELETE FROM revisions WHERE rev = 1"],
    ["keyword-index", "INSERT INTO terms VALUES (999, 3)"],
  ];
  it.each(faults)("finds and repairs %s", async (kind, sql) => {
    const path = temporaryDirectory();
    const store = await openStore(path);
    await fill(store);
    expect(await store.verify()).toEqual({ ok: true, problems: [], versions: 4, vectors: 3 });
    await store.close();
    const db = new Database(join(path, "memory.db"));
    db.exec(sql);
    db.exec("UPDATE meta SET value = 'changed' WHERE key = 'sidecar_token'");
    db.close();
    const embeddings = new LetterEmbeddings();
    const damaged = await FaissStore.open(path, { index: { embeddings, fields: ["text"] } }).catch(
      () => null,
    );
    if (!damaged) {
      // A vector of the wrong size stops an opening with embeddings; repair opens without looking at them.
      expect(kind).toBe("vector-damaged");
      await FaissStore.repair(path, { index: { embeddings, fields: ["text"] } });
    } else {
      expect((await damaged.verify()).problems.map((problem) => problem.kind)).toContain(kind);
      expect((await damaged.repair()).after).toMatchObject({ ok: true, problems: [] });
      await damaged.close();
    }
    const repaired = await openStore(path);
    expect(await repaired.verify()).toMatchObject({ ok: true });
    expect((await repaired.search(NS, { query: "walnuts" }))[0]?.score).toBeCloseTo(1, 5);
  });
});

describe("reembed", () => {
  it("converts to another model, goes on after a failure, and keeps forks searchable", async () => {
    const path = temporaryDirectory();
    const store = await openStore(path);
    await fill(store);
    await (await store.fork("f")).put(NS, "z", { text: "quince" });
    await store.close();
    const embeddings = new LetterEmbeddings(7);
    const index = { embeddings, fields: ["text"], retries: 0 };
    expect(await codeOf(() => FaissStore.open(path, { index: { ...index, dims: 7 } }))).toBe(
      "AGEMEM_STORE_EMBEDDING",
    );
    embeddings.fail = true;
    expect(await codeOf(() => FaissStore.reembed(path, { index }))).toBe("AGEMEM_EMBEDDING_FAILED");
    await (await openStore(path)).close();
    embeddings.fail = false;
    expect(await FaissStore.reembed(path, { index })).toBe(4);
    const converted = await openStore(path, { index });
    expect((await converted.search(NS, { query: "walnuts" }))[0]?.score).toBeCloseTo(1, 5);
    expect((await (await converted.branch("f")).search(NS, { query: "quince" }))[0]?.key).toBe("z");
    expect(await converted.verify()).toMatchObject({ ok: true });
    expect(
      await codeOf(() => FaissStore.open(path, { index: { embeddings: new LetterEmbeddings(), dims: 26 } })),
    ).toBe("AGEMEM_STORE_EMBEDDING");
  });
});

describe("vacuum and time to live", () => {
  it("removes history and expired items, and shows expiry at once", async () => {
    const clock = stopClock(1_000_000);
    const path = temporaryDirectory();
    const store = await openStore(path, { ttl: { refreshOnRead: true } });
    for (let i = 0; i < 50; i++) await store.put(NS, "a", { text: `walnut ${i}` });
    await store.put(NS, "short", { text: "orbit" }, undefined, { ttl: 10 });
    clock.advance(9 * 60_000);
    expect(await store.get(NS, "short")).not.toBeNull();
    clock.advance(9 * 60_000);
    // Read after nine minutes, so it has lived for eighteen.
    expect(await store.search(NS, { query: "orbit", limit: 1 })).toMatchObject([{ key: "short" }]);
    clock.advance(11 * 60_000);
    expect(await store.get(NS, "short")).toBeNull();
    expect(keysOf(await store.search(NS, { query: "orbit" }))).toEqual(["a"]);
    expect(keysOf(await store.search(NS, { query: "orbit", mode: "keyword" }))).toEqual([]);
    const result = await store.vacuum();
    expect(result).toMatchObject({ removed: 51, expired: 1 });
    expect(await store.history(NS, "a")).toHaveLength(1);
    expect(await store.verify()).toMatchObject({ ok: true });
    expect(await codeOf(() => store.at({ branch: "main", revision: 3 }))).toBe("AGEMEM_STORE_BRANCH");
    expect(readFileSync(join(path, "memory.db")).includes("walnut 7")).toBe(false);
  });
});
