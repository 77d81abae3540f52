/** Conformance: agemem's extensions of LangGraph's contract. */
import assert from "node:assert/strict";
import type { BaseStore } from "@langchain/langgraph";
import { isVersionedStore, type VersionedStore } from "../../types.js";
import type { StoreCase } from "./case.js";

const NS = ["conformance", "versions"];

function versioned(store: BaseStore): VersionedStore {
  assert.ok(isVersionedStore(store), "the store has no version(), at() and fork()");
  return store;
}

const texts = async (store: BaseStore): Promise<unknown[]> =>
  (await store.search(NS, { limit: 100 })).map(({ value }) => value.text).sort();

export const versionCases: readonly StoreCase[] = [
  {
    name: "revisions only grow",
    needs: ["versions"],
    async run(plain) {
      const store = versioned(plain);
      const seen = [store.version().revision];
      await store.put(NS, "a", { text: "1" });
      seen.push(store.version().revision);
      await store.delete(NS, "a");
      seen.push(store.version().revision);
      assert.ok((seen[0] ?? 0) < (seen[1] ?? 0) && (seen[1] ?? 0) < (seen[2] ?? 0), String(seen));
    },
  },
  {
    name: "at() shows an earlier version and refuses writes",
    needs: ["versions"],
    async run(plain) {
      const store = versioned(plain);
      await store.put(NS, "a", { text: "1" });
      const then = store.version();
      await store.put(NS, "a", { text: "2" });
      await store.put(NS, "b", { text: "3" });
      const old = store.at(then);
      assert.deepEqual(await texts(old), ["1"]);
      assert.deepEqual((await old.get(NS, "a"))?.value, { text: "1" });
      await assert.rejects(async () => old.put(NS, "c", { text: "4" }), { code: "AGEMEM_STORE_READ_ONLY" });
      assert.throws(() => store.at({ branch: "main", revision: 1e9 }), { code: "AGEMEM_STORE_BRANCH" });
    },
  },
  {
    name: "a fork and its parent do not see each other's writes",
    needs: ["versions"],
    async run(plain) {
      const store = versioned(plain);
      await store.put(NS, "a", { text: "shared" });
      const fork = await store.fork("conformance-fork");
      await fork.put(NS, "b", { text: "fork" });
      await store.put(NS, "c", { text: "parent" });
      await fork.delete(NS, "a");
      assert.deepEqual(await texts(fork), ["fork"]);
      assert.deepEqual(await texts(store), ["parent", "shared"]);
      const second = await fork.fork();
      await second.put(NS, "d", { text: "second" });
      assert.deepEqual(await texts(second), ["fork", "second"]);
      await fork.discard();
      await assert.rejects(async () => fork.get(NS, "b"), { code: "AGEMEM_STORE_BRANCH" });
      assert.deepEqual(await texts(second), ["fork", "second"]);
    },
  },
  {
    name: "an idempotency key writes once",
    needs: ["idempotency", "versions"],
    async run(plain) {
      const store = versioned(plain);
      await store.put(NS, "a", { text: "1" }, undefined, { idempotencyKey: "conformance-key" });
      await store.put(NS, "a", { text: "2" }, undefined, { idempotencyKey: "conformance-key" });
      assert.deepEqual((await store.get(NS, "a"))?.value, { text: "1" });
    },
  },
  {
    name: "keyword search finds words, hybrid search both",
    needs: ["keyword"],
    async run(store) {
      await store.put(NS, "a", { text: "the quick foxes" });
      await store.put(NS, "b", { text: "a lazy dog" });
      const search = (mode: string) => store.search(NS, { query: "fox", mode } as { query: string });
      assert.deepEqual(
        (await search("keyword")).map(({ key }) => key),
        ["a"],
      );
      assert.equal((await search("hybrid"))[0]?.key, "a");
    },
  },
];
