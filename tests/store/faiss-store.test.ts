import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AsyncBatchedStore, type Operation } from "@langchain/langgraph";
import { InvalidNamespaceError } from "@langchain/langgraph-checkpoint";
import { describe, expect, it } from "vitest";
import { InputError, StoreError } from "../../src/errors.js";
import { FaissStore } from "../../src/store/faiss-store.js";
import { codeOf, keysOf, LetterEmbeddings, openStore, stopClock, temporaryDirectory } from "./helpers.js";

const NS = ["memories", "ada"];

describe("FaissStore: contract", () => {
  it("stores, replaces, keeps createdAt, deletes", async () => {
    const clock = stopClock(1000);
    const store = await openStore();
    await store.put(NS, "k", { text: "tea" });
    clock.advance(1000);
    await store.put(NS, "k", { text: "coffee", tags: ["x"] });
    const item = await store.get(NS, "k");
    expect(item).toEqual({
      namespace: NS,
      key: "k",
      value: { text: "coffee", tags: ["x"] },
      createdAt: new Date(1000),
      updatedAt: new Date(2000),
    });
    await store.delete(NS, "k");
    expect(await store.get(NS, "k")).toBeNull();
    await store.delete(NS, "never");
    expect(store.version().revision).toBe(3);
  });

  it("does nothing through a closed handle, while the store goes on", async () => {
    const store = await openStore();
    await store.put(NS, "k", { text: "tea" });
    const fork = await store.fork("closed");
    await fork.close();
    for (const call of [
      () => fork.get(NS, "k"),
      () => fork.put(NS, "k", { text: "coffee" }),
      () => fork.history(NS, "k"),
      () => fork.itemsWithVectors(NS),
      () => fork.fork("deeper"),
      () => fork.version(),
      () => fork.stats(),
    ]) {
      expect(await codeOf(call)).toBe("AGEMEM_STORE_CLOSED");
    }
    expect((await store.get(NS, "k"))?.value).toEqual({ text: "tea" });
    const [one, other] = [await store.branch("main"), await store.branch("main")];
    await Promise.all([one.close(), other.close()]);
    expect(await codeOf(() => store.get(NS, "k"))).toBe("AGEMEM_STORE_CLOSED");
  });

  it("ranks by cosine and does not leak a prefix", async () => {
    const store = await openStore();
    await store.put(["users", "1"], "a", { text: "abc" });
    await store.put(["users", "10"], "b", { text: "abc" });
    await store.put(["users", "1", "deep"], "c", { text: "abz" });
    const found = await store.search(["users", "1"], { query: "abc" });
    expect(keysOf(found)).toEqual(["a", "c"]);
    expect(found[0]?.score).toBeCloseTo(1, 6);
    expect(found[1]?.score).toBeCloseTo(2 / 3, 6);
    expect(keysOf(await store.search([], { query: "abc" }))).toHaveLength(3);
  });

  it("reads see the state before the batch's writes, and a bad operation writes nothing", async () => {
    const store = await openStore();
    await store.put(NS, "k", { text: "old" });
    const results = await store.batch([
      { namespace: NS, key: "k", value: { text: "new" } },
      { namespace: NS, key: "k" },
    ] as Operation[]);
    expect((results[1] as unknown as { value: unknown }).value).toEqual({ text: "old" });
    const bad = [
      { namespace: NS, key: "x", value: { text: "x" } },
      { namespace: ["a.b"], key: "y", value: { text: "y" } },
    ] as Operation[];
    expect(await codeOf(() => store.batch(bad))).toBe("AGEMEM_NAMESPACE_INVALID");
    expect(await store.get(NS, "x")).toBeNull();
  });

  it("refuses a namespace with an error that is LangGraph's too", async () => {
    const store = await openStore();
    const caught: unknown[] = [];
    for (const namespace of [[], ["a.b"], ["langgraph"], ["ok", ""]]) {
      await store.put(namespace, "k", { text: "x" }).catch((error) => caught.push(error));
      await store.delete(namespace, "k").catch((error) => caught.push(error));
    }
    expect(caught).toHaveLength(8);
    for (const error of caught) {
      expect(error).toBeInstanceOf(InvalidNamespaceError);
      expect(error).toBeInstanceOf(InputError);
      expect(error).not.toBeInstanceOf(StoreError);
      expect(error).toMatchObject({ name: "InvalidNamespaceError", code: "AGEMEM_NAMESPACE_INVALID" });
      expect((error as InputError).toLine()).toMatch(/^AGEMEM_NAMESPACE_INVALID: .+ Use one or more/);
    }
  });

  it("validates what arrives through AsyncBatchedStore", async () => {
    const batched = new AsyncBatchedStore(await openStore());
    batched.start();
    // From LangGraph 1.7 on the wrapper refuses a dot itself; it lets through what is not well-formed.
    await expect(batched.put(["bad.ns"], "k", { text: "x" })).rejects.toThrow("cannot contain periods");
    expect(await codeOf(() => batched.put(["bad\ud800"], "k", { text: "x" }))).toBe(
      "AGEMEM_NAMESPACE_INVALID",
    );
    await batched.put(NS, "k", { text: "x" });
    expect((await batched.get(NS, "k"))?.value).toEqual({ text: "x" });
    await batched.stop();
  });

  it("checks namespaces itself, in every method and whatever LangGraph refuses", async () => {
    const store = await openStore();
    const namespace = ["users", "google:123", "nul\0"];
    await store.put(namespace, "k", { text: "x" });
    expect((await store.get(namespace, "k"))?.value).toEqual({ text: "x" });
    expect(keysOf(await store.search(namespace))).toEqual(["k"]);
    expect(await store.listNamespaces({ prefix: ["users", "google:123"] })).toEqual([namespace]);
    expect((await store.at(store.version()).get(namespace, "k"))?.value).toEqual({ text: "x" });
    await store.delete(namespace, "k");
    expect(await store.get(namespace, "k")).toBeNull();
    expect(await store.listNamespaces({ prefix: ["bad.ns"] })).toEqual([]);
    for (const call of [() => store.get(["bad.ns"], "k"), () => store.delete(["bad.ns"], "k")])
      expect(await codeOf(call)).toBe("AGEMEM_NAMESPACE_INVALID");
  });

  it("a selective filter still returns its items", async () => {
    const store = await openStore();
    for (let i = 0; i < 500; i++) await store.put(NS, `k${i}`, { text: "aaa", n: i });
    await store.put(NS, "far", { text: "zzz", n: -1 });
    expect(keysOf(await store.search(NS, { query: "aaa", filter: { n: { $lt: 0 } } }))).toEqual(["far"]);
  });
});

describe("FaissStore: opening", () => {
  it("keeps everything over a reopen", async () => {
    const path = temporaryDirectory();
    const first = await openStore(path);
    await first.put(NS, "a", { text: "abc" });
    await first.put(NS, "b", { text: "xyz" });
    await first.close();
    const second = await openStore(path);
    expect(keysOf(await second.search(NS, { query: "abc", limit: 1 }))).toEqual(["a"]);
    expect(second.version()).toEqual({ branch: "main", revision: 2 });
  });

  it("names what is wrong with a path, a model, a closed store", async () => {
    const path = temporaryDirectory();
    writeFileSync(join(path, "file"), "x");
    expect(await codeOf(() => FaissStore.open(join(path, "file")))).toBe("AGEMEM_STORE_PATH");
    mkdirSync(join(path, "junk"));
    writeFileSync(join(path, "junk", "memory.db"), "not a database ".repeat(500));
    expect(await codeOf(() => FaissStore.open(join(path, "junk")))).toBe("AGEMEM_STORE_CORRUPT");
    const store = await openStore(join(path, "ok"));
    await store.put(NS, "a", { text: "abc" });
    const other = { index: { embeddings: new LetterEmbeddings(7), dims: 7, fields: ["text"] } };
    expect(await codeOf(() => FaissStore.open(join(path, "ok"), other))).toBe("AGEMEM_STORE_EMBEDDING");
    await store.close();
    expect(await codeOf(() => store.get(NS, "a"))).toBe("AGEMEM_STORE_CLOSED");
    expect(await codeOf(() => store.put(NS, "a", {}))).toBe("AGEMEM_STORE_CLOSED");
  });

  it("two handles on one directory see each other's writes at once", async () => {
    const path = temporaryDirectory();
    const [one, two] = [await openStore(path), await openStore(path)];
    await one.put(NS, "a", { text: "abc" });
    expect(keysOf(await two.search(NS, { query: "abc" }))).toEqual(["a"]);
    await two.put(NS, "a", { text: "xyz" });
    expect((await one.search(NS, { query: "xyz" }))[0]?.score).toBeCloseTo(1, 6);
    expect(one.version()).toEqual(two.version());
  });

  it("a failed embedding stores nothing", async () => {
    const embeddings = new LetterEmbeddings();
    const store = await openStore(":memory:", { index: { embeddings, fields: ["text"], retries: 0 } });
    embeddings.fail = true;
    expect(await codeOf(() => store.put(NS, "a", { text: "abc" }))).toBe("AGEMEM_EMBEDDING_FAILED");
    expect(await store.get(NS, "a")).toBeNull();
  });
});

describe("FaissStore: versions", () => {
  it("forks, isolates, looks back, discards", async () => {
    const store = await openStore();
    await store.put(NS, "a", { text: "abc" });
    const before = store.version();
    await store.put(NS, "a", { text: "xyz" });
    const fork = await store.fork("try", { from: before });
    expect((await fork.get(NS, "a"))?.value).toEqual({ text: "abc" });
    await fork.put(NS, "b", { text: "bbb" });
    await fork.delete(NS, "a");
    expect(await fork.search(NS, { query: "abc" })).toMatchObject([{ key: "b" }]);
    expect(await store.search(NS, { query: "xyz" })).toMatchObject([{ key: "a", value: { text: "xyz" } }]);
    expect(await store.at(before).search(NS, { query: "abc" })).toMatchObject([{ value: { text: "abc" } }]);
    expect(await codeOf(() => store.at(before).put(NS, "c", {}))).toBe("AGEMEM_STORE_READ_ONLY");
    expect(await codeOf(() => store.fork("try"))).toBe("AGEMEM_STORE_BRANCH");
    expect(await codeOf(() => store.at({ branch: "main", revision: 99 }))).toBe("AGEMEM_STORE_BRANCH");
    const grandchild = await fork.fork("deeper");
    await fork.discard();
    expect(await codeOf(() => fork.get(NS, "b"))).toBe("AGEMEM_STORE_BRANCH");
    expect(keysOf(await grandchild.search(NS, { query: "bbb" }))).toEqual(["b"]);
  });

  it("history lists every state, newest first", async () => {
    const store = await openStore();
    await store.put(NS, "a", { text: "1" });
    await store.put(NS, "a", { text: "2" });
    await store.delete(NS, "a");
    const history = await store.history(NS, "a");
    expect(history.map(({ operation, value }) => [operation, value])).toEqual([
      ["delete", null],
      ["put", { text: "2" }],
      ["put", { text: "1" }],
    ]);
  });

  it("an idempotency key writes once per line of history", async () => {
    const store = await openStore();
    await store.put(NS, "a", { text: "1" }, undefined, { idempotencyKey: "call-1" });
    await store.put(NS, "a", { text: "2" }, undefined, { idempotencyKey: "call-1" });
    expect((await store.get(NS, "a"))?.value).toEqual({ text: "1" });
    const fork = await store.fork();
    await fork.put(NS, "a", { text: "3" }, undefined, { idempotencyKey: "call-1" });
    expect((await fork.get(NS, "a"))?.value).toEqual({ text: "1" });
    expect(store.version().revision).toBe(1);
  });
});
