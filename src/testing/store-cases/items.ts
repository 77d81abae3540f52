/** Conformance: single items, and batches. */
import assert from "node:assert/strict";
import type { Operation } from "@langchain/langgraph";
import type { StoreCase } from "./case.js";

const NS = ["conformance", "items"];

export const itemCases: readonly StoreCase[] = [
  {
    name: "get of an absent item is null",
    needs: [],
    async run(store) {
      assert.equal(await store.get(NS, "none"), null);
    },
  },
  {
    name: "put, then get gives the item with its times",
    needs: [],
    async run(store) {
      const before = Date.now() - 1;
      await store.put(NS, "k", { text: "tea", n: 1, deep: { list: [1, null, true] } });
      const item = await store.get(NS, "k");
      assert.deepEqual(item?.value, { text: "tea", n: 1, deep: { list: [1, null, true] } });
      assert.deepEqual(item?.namespace, NS);
      assert.equal(item?.key, "k");
      assert.ok(item.createdAt instanceof Date && item.updatedAt instanceof Date);
      assert.ok(item.createdAt.getTime() >= before && item.updatedAt.getTime() >= item.createdAt.getTime());
    },
  },
  {
    name: "put replaces the whole value and keeps createdAt",
    needs: [],
    async run(store) {
      await store.put(NS, "k", { text: "one", extra: 1 });
      const first = (await store.get(NS, "k"))?.createdAt.getTime();
      await new Promise((resolve) => setTimeout(resolve, 5));
      await store.put(NS, "k", { text: "two" });
      const item = await store.get(NS, "k");
      assert.deepEqual(item?.value, { text: "two" });
      assert.equal(item?.createdAt.getTime(), first);
      assert.ok((item?.updatedAt.getTime() ?? 0) > (first ?? 0));
    },
  },
  {
    name: "delete removes, and deleting again is no error",
    needs: [],
    async run(store) {
      await store.put(NS, "k", { text: "x" });
      await store.delete(NS, "k");
      assert.equal(await store.get(NS, "k"), null);
      await store.delete(NS, "k");
      await store.put(NS, "k", { text: "y" });
      assert.deepEqual((await store.get(NS, "k"))?.value, { text: "y" });
    },
  },
  {
    name: "a returned item is a copy",
    needs: [],
    async run(store) {
      await store.put(NS, "k", { text: "x", list: [1] });
      const item = await store.get(NS, "k");
      assert.ok(item);
      item.value.text = "changed";
      (item.value.list as number[]).push(2);
      assert.deepEqual((await store.get(NS, "k"))?.value, { text: "x", list: [1] });
    },
  },
  {
    name: "a stored value is a copy",
    needs: [],
    async run(store) {
      const value = { text: "x", list: [1] };
      await store.put(NS, "k", value);
      value.list.push(2);
      assert.deepEqual((await store.get(NS, "k"))?.value, { text: "x", list: [1] });
    },
  },
  {
    name: "keys and values keep every character",
    needs: [],
    async run(store) {
      for (const key of [
        "a:b",
        "%",
        "_",
        "'\"",
        "..",
        "/",
        "été",
        "日本",
        "\u{1f600}",
        " ",
        "k".repeat(1000),
      ]) {
        await store.put(NS, key, { text: key });
        assert.deepEqual((await store.get(NS, key))?.value, { text: key }, `key ${JSON.stringify(key)}`);
      }
    },
  },
  {
    name: "batch answers in the order of its operations",
    needs: ["batch"],
    async run(store) {
      await store.put(NS, "a", { text: "a" });
      const results = (await store.batch([
        { namespace: NS, key: "a" },
        { namespacePrefix: NS },
        { namespace: NS, key: "none" },
        { namespace: NS, key: "b", value: { text: "b" } },
      ] as Operation[])) as unknown as [{ key: string }, { key: string }[], null, undefined];
      assert.equal(results.length, 4);
      assert.equal(results[0].key, "a");
      assert.deepEqual(
        results[1].map(({ key }) => key),
        ["a"],
      );
      assert.equal(results[2], null);
    },
  },
  {
    name: "reads of a batch see the state before its writes",
    needs: ["batch"],
    async run(store) {
      await store.put(NS, "k", { text: "old" });
      const [, read] = (await store.batch([
        { namespace: NS, key: "k", value: { text: "new" } },
        { namespace: NS, key: "k" },
      ] as Operation[])) as unknown as [undefined, { value: unknown }];
      assert.deepEqual({ ...(read.value as object) }, { text: "old" });
      assert.deepEqual((await store.get(NS, "k"))?.value, { text: "new" });
    },
  },
  {
    name: "the last put of a key in a batch wins",
    needs: ["batch"],
    async run(store) {
      await store.batch([
        { namespace: NS, key: "k", value: { text: "1" } },
        { namespace: NS, key: "k", value: { text: "2" } },
        { namespace: NS, key: "gone", value: { text: "3" } },
        { namespace: NS, key: "gone", value: null },
      ] as Operation[]);
      assert.deepEqual((await store.get(NS, "k"))?.value, { text: "2" });
      assert.equal(await store.get(NS, "gone"), null);
    },
  },
  {
    name: "a batch with an unknown operation writes nothing",
    needs: ["batch", "atomicBatch"],
    async run(store) {
      const operations = [{ namespace: NS, key: "k", value: { text: "1" } }, { what: "is this" }];
      await assert.rejects(async () => store.batch(operations as unknown as Operation[]));
      assert.equal(await store.get(NS, "k"), null);
    },
  },
  {
    name: "an empty batch is answered",
    needs: ["batch"],
    async run(store) {
      assert.deepEqual(await store.batch([]), []);
    },
  },
];
