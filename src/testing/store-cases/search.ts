/** Conformance: listing items by search, and paging. */
import assert from "node:assert/strict";
import type { StoreCase } from "./case.js";

const NS = ["conformance", "search"];

export const searchCases: readonly StoreCase[] = [
  {
    name: "search without a query returns at most 10 items, in a stable order",
    needs: [],
    async run(store) {
      for (let i = 0; i < 12; i++) await store.put(NS, `k${i}`, { i });
      const first = await store.search(NS);
      assert.equal(first.length, 10);
      assert.deepEqual(
        (await store.search(NS)).map(({ key }) => key),
        first.map(({ key }) => key),
      );
    },
  },
  {
    name: "pages cover everything once",
    needs: [],
    async run(store) {
      for (let i = 0; i < 25; i++) await store.put(NS, `k${i}`, { i });
      const seen: string[] = [];
      for (let offset = 0; offset < 30; offset += 10) {
        seen.push(...(await store.search(NS, { limit: 10, offset })).map(({ key }) => key));
      }
      assert.equal(seen.length, 25);
      assert.equal(new Set(seen).size, 25);
    },
  },
  {
    name: "the filter applies before the page is cut",
    needs: [],
    async run(store) {
      for (let i = 0; i < 30; i++) await store.put(NS, `k${i}`, { even: i % 2 === 0 });
      assert.equal((await store.search(NS, { filter: { even: true }, limit: 15 })).length, 15);
      assert.equal((await store.search(NS, { filter: { even: true }, limit: 10, offset: 10 })).length, 5);
    },
  },
  {
    name: "the empty prefix means everything",
    needs: [],
    async run(store) {
      await store.put(["a"], "1", { x: 1 });
      await store.put(["b", "c"], "2", { x: 2 });
      assert.equal((await store.search([])).length, 2);
    },
  },
  {
    name: "search results are items with namespace, key and times",
    needs: [],
    async run(store) {
      await store.put(NS, "k", { x: 1 });
      const [item] = await store.search(NS);
      assert.deepEqual(item?.namespace, NS);
      assert.equal(item?.key, "k");
      assert.ok(item?.createdAt instanceof Date && item.updatedAt instanceof Date);
    },
  },
  {
    name: "limit 0 gives nothing",
    needs: [],
    async run(store) {
      await store.put(NS, "k", { x: 1 });
      assert.deepEqual(await store.search(NS, { limit: 0 }), []);
    },
  },
];
