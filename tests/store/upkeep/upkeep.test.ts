/** Upkeep beside use: vacuum, backup and verification while others write, pins, times to live. */
import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { FaissStore } from "../../../src/store/faiss-store.js";
import { codeOf, LetterEmbeddings, openStore, stopClock, temporaryDirectory } from "../helpers.js";

const NS = ["memories", "ada"];

function fill(store: FaissStore, rows: number): Promise<unknown> {
  return store.batch(
    Array.from({ length: rows }, (_, i) => ({ namespace: NS, key: `k${i}`, value: { text: `text ${i}` } })),
  );
}

describe("vacuum", () => {
  it("lets writers in while it removes rows and while it shrinks the file", async () => {
    const path = temporaryDirectory();
    const store = await openStore(path);
    for (let round = 0; round < 4; round++) {
      await store.batch(
        Array.from({ length: 1500 }, (_, i) => ({
          namespace: NS,
          key: `k${i}`,
          value: { text: `round ${round} ${"x".repeat(500)}` },
        })),
      );
    }
    const watcher = new Database(`${path}/memory.db`, { readonly: true });
    const rows = () => watcher.prepare("SELECT count(*) AS n FROM versions").get() as { n: number };
    const pages = () => watcher.pragma("page_count", { simple: true }) as number;
    const before = { rows: rows().n, pages: pages() };
    let done = false;
    const vacuumed = store.vacuum().finally(() => {
      done = true;
    });
    const seen: { rows: number; pages: number }[] = [];
    for (let i = 0; !done; i++) {
      await store.put(["others"], "k", { text: `beside ${i}` });
      await setImmediate();
      seen.push({ rows: rows().n, pages: pages() });
    }
    expect((await vacuumed).removed).toBeGreaterThanOrEqual(4500);
    const after = { rows: rows().n, pages: pages() };
    watcher.close();
    expect(
      seen.filter(({ rows }) => rows < before.rows - 100 && rows > after.rows + 100).length,
    ).toBeGreaterThan(2);
    expect(seen.filter(({ pages }) => pages < before.pages && pages > after.pages).length).toBeGreaterThan(0);
    expect(after.pages).toBeLessThan(before.pages / 2);
    expect(await store.verify()).toMatchObject({ ok: true });
    expect((await store.search(NS, { limit: 2000 })).length).toBe(1500);
  });

  it("keeps what was forked and pinned while it ran", async () => {
    const store = await openStore(temporaryDirectory());
    for (let round = 0; round < 3; round++) await fill(store, 1200);
    const vacuumed = store.vacuum();
    const fork = await store.fork("beside");
    await store.pin("beside");
    await fork.put(NS, "k0", { text: "on the fork" });
    await store.put(NS, "k0", { text: "on the trunk" });
    await vacuumed;
    await store.vacuum();
    expect((await fork.search(NS, { limit: 2000 })).length).toBe(1200);
    expect((await fork.get(NS, "k0"))?.value.text).toBe("on the fork");
    expect(await store.verify()).toMatchObject({ ok: true });
  });

  it("keeps a user's pins, whatever their name, and drops those of exports that were killed", async () => {
    const path = temporaryDirectory();
    const store = await openStore(path);
    await store.put(NS, "a", { text: "old" });
    const version = store.version();
    await store.pin("export-1");
    await store.pin("export-2000-01-01");
    const day = 86_400_000;
    const db = new Database(`${path}/memory.db`);
    const killed = `export-${Date.now() - 2 * day}-0f8fad5b-d9cb-469f-a165-70867728950e`;
    db.prepare("INSERT INTO pins (name, branch, rev) VALUES (?, 1, 1)").run(killed);
    await store.put(NS, "a", { text: "new" });
    await store.vacuum();
    expect((await store.at(version).get(NS, "a"))?.value).toEqual({ text: "old" });
    const names = db.prepare("SELECT name FROM pins ORDER BY name").all() as { name: string }[];
    db.close();
    expect(names.map(({ name }) => name)).toEqual(["export-1", "export-2000-01-01"]);
    expect(await codeOf(() => store.pin("agemem:export-1"))).toBe("AGEMEM_INPUT_ARGUMENT");
    expect(await codeOf(() => store.pin(""))).toBe("AGEMEM_INPUT_ARGUMENT");
  });
});

/** Another connection that writes without a pause, in a thread of its own, until it is told to stop. */
async function beside(path: string): Promise<() => Promise<number>> {
  const script = `
    const { parentPort, workerData } = require("node:worker_threads");
    const Database = require("better-sqlite3");
    const db = new Database(workerData + "/memory.db", { timeout: 5000 });
    const put = db.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES ('beside', ?)");
    let n = 0, stop = false;
    parentPort.on("message", () => { stop = true; });
    (function again() {
      if (stop) { db.close(); parentPort.postMessage(n); return parentPort.close(); }
      put.run(String(n++));
      if (n === 1) parentPort.postMessage(0);
      setTimeout(again, 1);
    })();`;
  const worker = new Worker(script, { eval: true, workerData: path });
  await once(worker, "message");
  return async () => {
    worker.postMessage("stop");
    const [count] = (await once(worker, "message")) as [number];
    return count;
  };
}

describe("backup", () => {
  it("ends while another process writes all the time, and holds one moment", async () => {
    const path = temporaryDirectory();
    const store = await openStore(path);
    for (let i = 0; i < 6; i++) {
      await store.batch(
        Array.from({ length: 1000 }, (_, k) => ({
          namespace: NS,
          key: `k${k}`,
          value: { text: `${i} ${"y".repeat(2000)}` },
        })),
      );
    }
    const stop = await beside(path);
    const target = `${temporaryDirectory()}/copy`;
    let steps = 0;
    await store.backup(target, {
      onProgress: () => {
        if (++steps > 200) throw new Error("the copy begins again and again");
      },
    });
    expect(await stop()).toBeGreaterThan(0);
    const copy = await openStore(target);
    expect((await copy.search(NS, { limit: 2000 })).length).toBe(1000);
    expect(await copy.verify()).toMatchObject({ ok: true });
  });
});

describe("verification", () => {
  it("raises no alarm about what is written while it looks", async () => {
    for (const path of [temporaryDirectory(), ":memory:"]) {
      const store = await openStore(path);
      await fill(store, 1500);
      let ended = false;
      const verified = store.verify().finally(() => {
        ended = true;
      });
      const other = path === ":memory:" ? store : await openStore(path);
      for (let i = 0; !ended; i++) {
        await other.batch(
          Array.from({ length: 40 }, (_, k) => ({
            namespace: NS,
            key: `k${(i * 40 + k) % 1500}`,
            value: { text: `again ${i}` },
          })),
        );
        await setImmediate();
        if (i % 5 === 4) await other.vacuum({ shrink: false });
      }
      expect(await verified).toEqual({ ok: true, problems: [], versions: 1500, vectors: 1500 });
    }
  });
});

describe("time to live", () => {
  it("starts again for what was returned only", async () => {
    const clock = stopClock(1_000_000);
    const store = await FaissStore.open(":memory:", {
      index: { embeddings: new LetterEmbeddings(), fields: ["text"] },
      ttl: { defaultTtl: 10, refreshOnRead: true },
    });
    for (const key of ["a", "b", "c", "d", "e"]) await store.put(NS, key, { text: key });
    clock.advance(9 * 60_000);
    const found = await store.search(NS, {
      query: "a",
      limit: 1,
      offset: 1,
      rerank: (_, items) => [...items].reverse(),
    });
    const listed = await store.search(NS, { limit: 1, offset: 2 });
    await store.itemsWithVectors(NS);
    await store.get(["none"], "none");
    clock.advance(2 * 60_000);
    const left = await store.search(NS, { limit: 10 });
    expect(left.map(({ key }) => key).sort()).toEqual([found[0]?.key, listed[0]?.key].sort());
    await store.close();
  });

  it("takes expired items out of the statistics of keyword search", async () => {
    const clock = stopClock(1_000_000);
    const open = () => FaissStore.open(":memory:");
    const [aged, fresh] = [await open(), await open()];
    for (const store of [aged, fresh]) {
      await store.put(NS, "tea", { text: "green tea" });
      await store.put(NS, "dog", { text: "walks his dog in the park every single morning" });
    }
    for (let i = 0; i < 20; i++) {
      await aged.put(NS, `x${i}`, { text: "green green green" }, undefined, { ttl: 1 });
    }
    const scores = async (store: FaissStore) =>
      (await store.search(NS, { query: "green tea", mode: "keyword" })).map(({ key, score }) => [key, score]);
    expect(await scores(aged)).not.toEqual(await scores(fresh));
    clock.advance(61_000);
    expect(await scores(aged)).toEqual(await scores(fresh));
    await Promise.all([aged.close(), fresh.close()]);
  });
});
