/** Conformance: vector search. A text's vector counts its letters, so scores are known. */
import assert from "node:assert/strict";
import type { BaseStore, Item } from "@langchain/langgraph";
import type { StoreCase } from "./case.js";

const NS = ["conformance", "vectors"];
type Found = Item & { score?: number };

const find = (store: BaseStore, query: string, options: object = {}): Promise<Found[]> =>
  store.search(NS, { query, ...options }) as Promise<Found[]>;
const keys = (items: readonly Item[]): string[] => items.map(({ key }) => key);

async function fill(store: BaseStore, texts: Record<string, string>): Promise<void> {
  for (const [key, text] of Object.entries(texts)) await store.put(NS, key, { text });
}

export const vectorCases: readonly StoreCase[] = [
  {
    name: "vector search ranks by cosine",
    needs: ["vectors"],
    async run(store) {
      await fill(store, { far: "xyz", near: "aab", exact: "aaa" });
      const found = await find(store, "aaa");
      assert.deepEqual(keys(found), ["exact", "near", "far"]);
      assert.ok(Math.abs((found[0]?.score ?? 0) - 1) < 1e-5);
      assert.ok(Math.abs((found[1]?.score ?? 0) - 2 / Math.sqrt(5)) < 1e-5);
      assert.ok(Math.abs(found[2]?.score ?? 1) < 1e-5);
    },
  },
  {
    name: "vector search pages",
    needs: ["vectors"],
    async run(store) {
      for (let i = 0; i < 12; i++) await store.put(NS, `k${i}`, { text: `a${"b".repeat(i)}` });
      const all = keys(await find(store, "a", { limit: 12 }));
      assert.equal(new Set(all).size, 12);
      assert.deepEqual(keys(await find(store, "a", { limit: 5, offset: 5 })), all.slice(5, 10));
    },
  },
  {
    name: "vector search filters before the cut",
    needs: ["vectors"],
    async run(store) {
      for (let i = 0; i < 60; i++) await store.put(NS, `k${i}`, { text: "aaaa", keep: false });
      await store.put(NS, "kept", { text: "zzzz", keep: true });
      assert.deepEqual(keys(await find(store, "aaaa", { filter: { keep: true }, limit: 3 })), ["kept"]);
    },
  },
  {
    name: "a changed item is found by its new text only",
    needs: ["vectors"],
    async run(store) {
      await fill(store, { k: "aaa" });
      await fill(store, { k: "zzz" });
      const [found] = await find(store, "aaa");
      assert.ok(Math.abs(found?.score ?? 1) < 1e-5);
    },
  },
  {
    name: "a deleted item is not found",
    needs: ["vectors"],
    async run(store) {
      await fill(store, { k: "aaa", other: "bbb" });
      await store.delete(NS, "k");
      assert.deepEqual(keys(await find(store, "aaa")), ["other"]);
    },
  },
  {
    name: "index false keeps an item out of the ranking",
    needs: ["vectors", "putIndex"],
    async run(store) {
      await store.put(NS, "hidden", { text: "aaa" }, false);
      await fill(store, { seen: "aab" });
      const found = await find(store, "aaa");
      assert.deepEqual(keys(found), ["seen", "hidden"]);
      assert.equal(found[1]?.score, undefined);
    },
  },
  {
    name: "putting again with index false drops the vector",
    needs: ["vectors", "putIndex"],
    async run(store) {
      await fill(store, { k: "aaa" });
      await store.put(NS, "k", { text: "aaa" }, false);
      assert.equal((await find(store, "aaa"))[0]?.score, undefined);
    },
  },
  {
    name: "of several vectors of an item the best counts, once",
    needs: ["vectors", "putIndex"],
    async run(store) {
      await store.put(NS, "many", { tags: ["zzz", "aaa"] }, ["tags[*]"]);
      await fill(store, { one: "aab" });
      const found = await find(store, "aaa");
      assert.deepEqual(keys(found), ["many", "one"]);
      assert.ok(Math.abs((found[0]?.score ?? 0) - 1) < 1e-5);
    },
  },
  {
    name: "a list that shrinks loses the vectors of what is gone",
    needs: ["vectors", "putIndex"],
    async run(store) {
      await store.put(NS, "k", { tags: ["zzz", "aaa"] }, ["tags[*]"]);
      await store.put(NS, "k", { tags: ["zzz"] }, ["tags[*]"]);
      assert.ok(Math.abs((await find(store, "aaa"))[0]?.score ?? 1) < 1e-5);
    },
  },
  {
    name: "index paths reach nested fields and list elements",
    needs: ["vectors", "putIndex"],
    async run(store) {
      const value = { a: { b: "bbb" }, list: [{ c: "ccc" }, { c: "ddd" }], x: "xxx", y: "yyy" };
      const paths: [string, string][] = [
        ["a.b", "bbb"],
        ["list[0].c", "ccc"],
        ["list[-1].c", "ddd"],
        ["list[*].c", "ccc"],
        ["{x,y}", "yyy"],
      ];
      for (const [path, query] of paths) {
        await store.put(NS, "k", value, [path]);
        const score = (await find(store, query))[0]?.score ?? 0;
        assert.ok(Math.abs(score - 1) < 1e-5, `${path}: ${score}`);
      }
    },
  },
  {
    name: "pages of unranked items follow the ranked ones",
    needs: ["vectors", "putIndex"],
    async run(store) {
      await fill(store, { a: "aaa", b: "aab" });
      for (let i = 0; i < 6; i++) await store.put(NS, `plain${i}`, { text: "q" }, false);
      const pages = [0, 3, 6].map((offset) => find(store, "aaa", { limit: 3, offset }));
      const all = (await Promise.all(pages)).flatMap(keys);
      assert.equal(all.length, 8);
      assert.equal(new Set(all).size, 8);
    },
  },
];
