/** Troubles from outside: a model that hangs, values too deep, queries too long, directories that go away, damage. */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Database } from "better-sqlite3";
import { describe, expect, it, vi } from "vitest";
import type { Engine } from "../../src/store/engine.js";
import { FaissStore } from "../../src/store/faiss-store.js";
import { analyzeQuery } from "../../src/store/search/analyze.js";
import { codeOf, LetterEmbeddings, openStore, temporaryDirectory } from "./helpers.js";

const NS = ["memories", "ada"];

describe("a model that hangs", () => {
  class Hanging extends LetterEmbeddings {
    override async embedDocuments(texts: string[]): Promise<number[][]> {
      if (texts.includes("hang")) return new Promise(() => undefined);
      return super.embedDocuments(texts);
    }

    override async embedQuery(text: string): Promise<number[]> {
      if (text === "hang") return new Promise(() => undefined);
      return super.embedQuery(text);
    }
  }

  it("fails in time, lets the writes after it through, and lets the store close", async () => {
    const store = await FaissStore.open(temporaryDirectory(), {
      index: { embeddings: new Hanging(), fields: ["text"], timeoutMs: 50 },
    });
    const stuck = codeOf(() => store.put(NS, "stuck", { text: "hang" }));
    const after = store.put(NS, "after", { text: "after" });
    expect(await stuck).toBe("AGEMEM_EMBEDDING_FAILED");
    await after;
    expect(await codeOf(() => store.search(NS, { query: "hang" }))).toBe("AGEMEM_EMBEDDING_FAILED");
    expect((await store.search(NS, { limit: 9 })).map(({ key }) => key)).toEqual(["after"]);
    const last = codeOf(() => store.put(NS, "stuck", { text: "hang" }));
    await store.close();
    expect(await last).toBe("AGEMEM_EMBEDDING_FAILED");
    const wrong = { index: { embeddings: new Hanging(), timeoutMs: 0 } };
    expect(await codeOf(() => FaissStore.open(":memory:", wrong))).toBe("AGEMEM_CONFIG_INVALID");
  });
});

describe("a deeply nested value", () => {
  /** Deeper than recursion in plain JavaScript goes, and not too deep for JSON.stringify. */
  const DEEP = 3500;
  const nested = (depth: number) =>
    JSON.parse(`${'{"a":'.repeat(depth)}"walnut"${"}".repeat(depth)}`) as Record<string, unknown>;

  it("leaves keyword search to all", async () => {
    // As an earlier release could store it, which had no limit.
    const store = await FaissStore.open(":memory:", { limits: { valueDepth: 100_000 } });
    await store.put(["memories", "bob"], "deep", nested(DEEP));
    await store.put(NS, "tea", { text: "green tea" });
    expect((await store.search(NS, { query: "tea", mode: "keyword" })).map(({ key }) => key)).toEqual([
      "tea",
    ]);
    const bob = await store.search(["memories", "bob"], { query: "walnut", mode: "keyword" });
    expect(bob.map(({ key }) => key)).toEqual(["deep"]);
    await store.close();
  });

  it("is refused beyond the limit", async () => {
    const store = await openStore();
    expect(await codeOf(() => store.put(NS, "deep", nested(1001)))).toBe("AGEMEM_STORE_LIMIT");
    expect(
      await codeOf(() => store.put(NS, "path", { text: "x" }, ["a".repeat(2000).split("").join(".")])),
    ).toBe("AGEMEM_STORE_LIMIT");
    await store.put(NS, "deep", nested(1000));
    expect(await store.get(NS, "deep")).not.toBeNull();
  });
});

describe("a long query", () => {
  it("is looked up by the terms that tell most", () => {
    const long = Array.from({ length: 20_000 }, (_, i) => `word${i}`).join(" ");
    const terms = analyzeQuery(`${"walnut ".repeat(3)}${long}`);
    expect(terms.length).toBeLessThanOrEqual(128);
    expect(terms[0]).toBe("walnut");
    expect(analyzeQuery("where is the walnut")).toEqual(["walnut"]);
  });
});

describe("files of a store", () => {
  it("that were removed or moved take no more writes", async () => {
    for (const away of [
      (path: string) => rmSync(path, { recursive: true }),
      (path: string) => renameSync(path, `${path}-moved`),
      (path: string) => rmSync(join(path, "memory.db-wal")),
    ]) {
      const path = join(temporaryDirectory(), "store");
      const store = await FaissStore.open(path, { index: { embeddings: new LetterEmbeddings() } });
      await store.put(NS, "a", { text: "a" });
      away(path);
      expect(await codeOf(() => store.put(NS, "b", { text: "b" }))).toBe("AGEMEM_STORE_PATH");
      expect(await codeOf(() => store.fork("f"))).toBe("AGEMEM_STORE_PATH");
      expect(await codeOf(() => store.checkpoint())).toBe("AGEMEM_STORE_PATH");
      expect(["no error", "AGEMEM_STORE_PATH"]).toContain(await codeOf(() => store.close()));
    }
  });

  it("that are damaged fail with codes", async () => {
    const path = temporaryDirectory();
    const store = await openStore(path);
    for (let i = 0; i < 40; i++)
      await store.put(NS, `k${i}`, { text: `text ${i} ${"x".repeat(20_000)}` }, false);
    await store.checkpoint();
    await store.close();
    const file = join(path, "memory.db");
    const bytes = readFileSync(file);
    for (let at = 4096; at < bytes.length; at += 4096) {
      // Pages of long values begin with the number of the next one, pages of trees with their kind.
      if (bytes.readUInt16BE(at) === 0 && bytes.readUInt32BE(at) !== 0) bytes.fill(0x55, at, at + 4096);
    }
    writeFileSync(file, bytes);
    const damaged = await FaissStore.open(path);
    const codes = await Promise.all([
      codeOf(() => damaged.search(NS, { limit: 300 })),
      codeOf(() => damaged.history(NS, "k30")),
      codeOf(() => damaged.stats()),
      codeOf(() => damaged.itemsWithVectors(NS)),
      codeOf(() => damaged.export(join(path, "out.jsonl"))),
    ]);
    expect(new Set(codes)).toEqual(new Set(["AGEMEM_STORE_CORRUPT"]));
    expect((await damaged.verify()).problems.map(({ kind }) => kind)).toContain("database");
    await damaged.close();
  });

  it("whose text of one item is damaged answer all other questions", async () => {
    const store = await openStore();
    await store.put(["memories", "bob"], "bad", { text: "walnut" });
    await store.put(["memories", "bob"], "good", { text: "walnut" });
    const { engine } = store as unknown as { engine: { db: { db: Database } } };
    engine.db.db.exec(`UPDATE versions SET value = '{"text":"wal' WHERE id = 1`);
    // Some wait to be indexed, which a search does for all tenants.
    await store.batch(
      Array.from({ length: 300 }, (_, i) => ({ namespace: NS, key: `k${i}`, value: { text: "tea" } })),
    );
    for (const mode of ["keyword", "hybrid"] as const) {
      expect(await store.search(NS, { query: "tea", mode, limit: 400 })).toHaveLength(300);
    }
    const bob = await store.search(["memories", "bob"], { query: "walnut", mode: "keyword" });
    expect(bob.map(({ key }) => key)).toEqual(["good"]);
    expect(await codeOf(() => store.get(["memories", "bob"], "bad"))).toBe("AGEMEM_STORE_CORRUPT");
    expect(await codeOf(() => store.history(["memories", "bob"], "bad"))).toBe("AGEMEM_STORE_CORRUPT");
    expect(await codeOf(() => store.search(["memories"], { filter: { text: "walnut" } }))).toBe(
      "AGEMEM_STORE_CORRUPT",
    );
    const { problems } = await store.verify();
    expect(problems).toMatchObject([{ kind: "value-damaged", count: 1, examples: [1] }]);
    await store.delete(["memories", "bob"], "bad");
    expect(await store.search(["memories"], { filter: { text: "walnut" } })).toHaveLength(1);
  });

  it("that fail while a reader catches up say so with a code", async () => {
    const store = await openStore(temporaryDirectory());
    await store.put(NS, "a", { text: "a" });
    const { engine } = store as unknown as { engine: Engine };
    const failing = vi.spyOn(engine.db.prepare("PRAGMA data_version"), "get").mockImplementation(() => {
      throw Object.assign(new Error("disk I/O error"), { code: "SQLITE_IOERR_READ" });
    });
    expect(await codeOf(() => engine.transactions.poll())).toBe("AGEMEM_STORE_IO");
    expect(await codeOf(() => store.export(join(temporaryDirectory(), "out.jsonl")))).toBe("AGEMEM_STORE_IO");
    expect(await codeOf(() => store.search(NS, { query: "a", mode: "keyword" }))).toBe("AGEMEM_STORE_IO");
    failing.mockRestore();
    expect(await store.get(NS, "a")).not.toBeNull();
  });

  it("on a full disk refuse the write, and go on when there is room", async () => {
    const path = temporaryDirectory();
    const store = await openStore(path);
    await store.put(NS, "a", { text: "a" });
    const { db } = (store as unknown as { engine: { db: { db: Database } } }).engine.db;
    const pages = db.pragma("page_count", { simple: true }) as number;
    db.pragma(`max_page_count = ${pages + 2}`);
    expect(await codeOf(() => store.put(NS, "b", { text: "x".repeat(100_000) }, false))).toBe(
      "AGEMEM_STORE_IO",
    );
    expect(await store.get(NS, "b")).toBeNull();
    db.pragma("max_page_count = 100000");
    await store.put(NS, "b", { text: "room" });
    expect(await store.verify()).toMatchObject({ ok: true });
  });
});
