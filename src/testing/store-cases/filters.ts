/** Conformance: search filters. */
import assert from "node:assert/strict";
import type { BaseStore } from "@langchain/langgraph";
import type { StoreCase } from "./case.js";

const NS = ["conformance", "filters"];
const VALUES: Record<string, Record<string, unknown>> = {
  a: { n: 1, s: "2024-01-01", tag: "x", deep: { b: 1 }, list: [1, 2], flag: true },
  b: { n: 2, s: "2024-06-01", tag: "y", deep: { b: 2 }, list: [], flag: false },
  c: { n: 10, s: "2025-01-01", tag: null },
  d: { other: 1 },
};

async function expectKeys(
  store: BaseStore,
  filter: Record<string, unknown>,
  expected: string[],
): Promise<void> {
  for (const [key, value] of Object.entries(VALUES)) await store.put(NS, key, value);
  const found = await store.search(NS, { filter });
  assert.deepEqual(found.map(({ key }) => key).sort(), expected, JSON.stringify(filter));
}

function filterCase(name: string, filter: Record<string, unknown>, expected: string[]): StoreCase {
  return { name: `filter: ${name}`, needs: [], run: (store) => expectKeys(store, filter, expected) };
}

export const filterCases: readonly StoreCase[] = [
  filterCase("equality of a plain value", { tag: "x" }, ["a"]),
  filterCase("all fields must match", { tag: "x", n: 2 }, []),
  filterCase("an empty filter matches everything", {}, ["a", "b", "c", "d"]),
  filterCase("null is a value", { tag: null }, ["c"]),
  filterCase("booleans", { flag: false }, ["b"]),
  filterCase("$eq", { n: { $eq: 2 } }, ["b"]),
  filterCase("$ne includes items without the field", { n: { $ne: 2 } }, ["a", "c", "d"]),
  filterCase("$gt and $lt", { n: { $gt: 1, $lt: 10 } }, ["b"]),
  filterCase("$gte and $lte", { n: { $gte: 2, $lte: 10 } }, ["b", "c"]),
  filterCase("numbers compare as numbers", { n: { $gt: 9 } }, ["c"]),
  filterCase("ISO dates compare as texts", { s: { $gte: "2024-06-01" } }, ["b", "c"]),
  filterCase("objects compare by content", { deep: { b: 1 } }, ["a"]),
  filterCase("lists compare by content", { list: [1, 2] }, ["a"]),
  filterCase("a field of another type does not match an order", { tag: { $gt: 0 } }, []),
  filterCase("dotted paths", { "deep.b": 2 }, ["b"]),
  filterCase("$in and $nin", { n: { $in: [1, 10], $nin: [10] } }, ["a"]),
  filterCase("$exists", { n: { $exists: false } }, ["d"]),
  {
    name: "filter: an unknown operator is an error",
    needs: [],
    async run(store) {
      await store.put(NS, "a", { n: 1 });
      await assert.rejects(async () => store.search(NS, { filter: { n: { $near: 1 } } }));
    },
  },
];
