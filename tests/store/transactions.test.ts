import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { codeOf, keysOf, LetterEmbeddings, openStore, temporaryDirectory } from "./helpers.js";

const NS = ["notes"];

/** Transactions committed to the write-ahead log of a store: its frames that end one. */
function commits(path: string): number {
  const wal = readFileSync(join(path, "memory.db-wal"));
  const page = wal.readUInt32BE(8);
  let count = 0;
  for (let at = 32; at + 24 + page <= wal.length; at += 24 + page) if (wal.readUInt32BE(at + 4) > 0) count++;
  return count;
}

it("writes what is asked for at once in few transactions, with one request to the model", async () => {
  const path = temporaryDirectory();
  const embeddings = new LetterEmbeddings();
  const store = await openStore(path, { index: { embeddings, fields: ["text"] } });
  await store.put(NS, "first", { text: "first" });
  const fork = await store.fork("trial");
  const [before, calls] = [commits(path), embeddings.calls];
  const texts = Array.from({ length: 40 }, (_, i) => "abcdefgh".repeat(i + 1));
  const handles = [store, fork];
  await Promise.all(texts.map((text, i) => handles[i % 2]?.put(NS, `n${i}`, { text })));
  expect(embeddings.calls - calls).toBe(1);
  // One would do; a slow machine may take a few.
  expect(commits(path) - before).toBeLessThan(20);
  const even = keysOf(await store.search(NS, { limit: 100 })).filter((key) => key !== "first");
  expect(even).toEqual(texts.flatMap((_, i) => (i % 2 === 0 ? [`n${i}`] : [])));
  expect(await fork.search(NS, { limit: 100 })).toHaveLength(21);
  expect(await store.verify()).toMatchObject({ ok: true, problems: [] });
});

it("takes back a write that fails, and none of those beside it", async () => {
  const store = await openStore(temporaryDirectory());
  const put = (namespace: string[], key: string, ifRevision?: number) =>
    store.put(namespace, key, { text: key }, undefined, ifRevision === undefined ? {} : { ifRevision });
  const outcomes = await Promise.all([
    codeOf(() => put(NS, "a")),
    codeOf(() => put(["new"], "b", 7)),
    codeOf(() =>
      store.batch([
        { namespace: ["other"], key: "c", value: { text: "c" } },
        { namespace: NS, key: "a", value: { text: "x" }, ifRevision: 9 } as never,
      ]),
    ),
    codeOf(() => put(NS, "d", 0)),
    codeOf(() => put(NS, "d", 0)),
  ]);
  expect(outcomes).toEqual([
    "no error",
    "AGEMEM_STORE_CONFLICT",
    "AGEMEM_STORE_CONFLICT",
    "no error",
    "AGEMEM_STORE_CONFLICT",
  ]);
  expect(keysOf(await store.search([], { limit: 10 }))).toEqual(["a", "d"]);
  expect(keysOf(await store.search([], { query: "d", limit: 1 }))).toEqual(["d"]);
  expect(await store.listNamespaces()).toEqual([NS]);
  await put(["new"], "b");
  expect(keysOf(await store.search(["new"], {}))).toEqual(["b"]);
  expect(await store.verify()).toMatchObject({ ok: true, problems: [] });
});

it("makes the forks of a group in few transactions, each of what was asked for before it", async () => {
  const path = temporaryDirectory();
  const store = await openStore(path);
  await store.put(NS, "first", { text: "first" });
  const doomed = await store.fork("doomed");
  const before = commits(path);
  const asked = Array.from({ length: 8 }, (_, i) => [
    store.put(NS, `n${i}`, { text: `${i}` }),
    store.fork(`rollout-${i}`),
    // Taken, the first time by a fork of the same transaction.
    codeOf(() => store.fork("rollout-0")),
  ]);
  const last = [
    doomed.discard(),
    codeOf(() => doomed.put(NS, "late", { text: "late" })),
    store.fork("doomed"),
  ];
  const outcomes = await Promise.all([...asked.flat(), ...last]);
  expect(outcomes.filter((one) => one === "AGEMEM_STORE_BRANCH")).toHaveLength(9);
  expect(commits(path) - before).toBeLessThan(15);
  for (let i = 0; i < 8; i++) {
    const seen = keysOf(await (await store.branch(`rollout-${i}`)).search(NS, { limit: 100 }));
    expect(seen).toEqual(["first", ...Array.from({ length: i + 1 }, (_, n) => `n${n}`)]);
  }
  expect((await store.branches()).map(({ name }) => name)).toEqual([
    "main",
    ...Array.from({ length: 8 }, (_, i) => `rollout-${i}`),
    "doomed",
  ]);
  expect(await store.verify()).toMatchObject({ ok: true, problems: [] });
});

it("keeps the order of writes, whatever the model takes for each", async () => {
  const embeddings = new LetterEmbeddings();
  const { embedDocuments } = embeddings;
  embeddings.embedDocuments = async (texts) => {
    await new Promise((resolve) => setTimeout(resolve, texts[0]?.startsWith("slow") ? 30 : 1));
    return embedDocuments.call(embeddings, texts);
  };
  const store = await openStore(temporaryDirectory(), { index: { embeddings, fields: ["text"] } });
  const writes = [];
  for (const text of ["slow one", "two", "slow three", "four"]) {
    writes.push(store.put(NS, "a", { text }));
    await new Promise((resolve) => setImmediate(resolve));
  }
  writes.push(store.delete(NS, "b"), store.fork("trial"));
  await Promise.all(writes);
  expect((await store.history(NS, "a")).map(({ value }) => value?.text)).toEqual([
    "four",
    "slow three",
    "two",
    "slow one",
  ]);
  expect((await (await store.branch("trial")).get(NS, "a"))?.value.text).toBe("four");
});

it("fails only the write whose text the model refuses", async () => {
  const embeddings = new LetterEmbeddings();
  const { embedDocuments } = embeddings;
  embeddings.embedDocuments = async (texts) => {
    if (texts.includes("poison")) throw new Error("refused");
    return embedDocuments.call(embeddings, texts);
  };
  const store = await openStore(":memory:", { index: { embeddings, fields: ["text"], retries: 0 } });
  const outcomes = await Promise.all(
    ["sound", "poison", "also sound"].map((text) => codeOf(() => store.put(NS, text, { text }))),
  );
  expect(outcomes).toEqual(["no error", "AGEMEM_EMBEDDING_FAILED", "no error"]);
  expect(keysOf(await store.search(NS, {}))).toEqual(["sound", "also sound"]);
});

it("lets searches come between the writes of one that never waits", async () => {
  const store = await openStore(temporaryDirectory());
  await store.put(NS, "a", { text: "a" });
  let [over, written] = [false, 0];
  const writer = (async () => {
    // The end is there so that a store which never lets go fails the test instead of running for ever.
    for (; !over && written < 5000; written++) await store.put(NS, "b", { text: `${written}` });
  })();
  for (let i = 0; i < 20; i++) {
    await store.search(NS, { query: "a" });
    await new Promise((resolve) => setImmediate(resolve));
  }
  over = true;
  await writer;
  expect(written).toBeLessThan(1000);
});
