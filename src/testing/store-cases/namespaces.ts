/** Conformance: separating, validating and listing namespaces. */
import assert from "node:assert/strict";
import type { BaseStore } from "@langchain/langgraph";
import type { StoreCase } from "./case.js";

const keys = (items: readonly { key: string }[]): string[] => items.map(({ key }) => key).sort();

async function fill(store: BaseStore, namespaces: readonly string[][]): Promise<void> {
  for (const [i, namespace] of namespaces.entries()) await store.put(namespace, `k${i}`, { text: "x" });
}

/** Whether a put there fails; leaves nothing behind if it succeeds. */
async function refuses(store: BaseStore, namespace: string[]): Promise<boolean> {
  try {
    await store.put(namespace, "k", { text: "one" });
  } catch {
    return true;
  }
  await store.delete(namespace, "k");
  return false;
}

export const namespaceCases: readonly StoreCase[] = [
  {
    name: "a label is no prefix of a longer label",
    needs: [],
    async run(store) {
      await fill(store, [
        ["users", "1"],
        ["users", "10"],
        ["users", "1", "deep"],
      ]);
      assert.deepEqual(keys(await store.search(["users", "1"])), ["k0", "k2"]);
      assert.deepEqual(keys(await store.search(["user"])), []);
    },
  },
  {
    name: "separators inside labels do not alias",
    needs: [],
    async run(store) {
      const pairs: [string[], string[]][] = [
        [
          ["a", "b:c"],
          ["a", "b", "c"],
        ],
        [
          ["a", "b,c"],
          ["a", "b", "c"],
        ],
        [
          ["a", 'b","c'],
          ["a", "b", "c"],
        ],
        [
          ["a", "b/c"],
          ["a", "b", "c"],
        ],
        [
          ["a", "b\u0000c"],
          ["a", "b", "c"],
        ],
      ];
      for (const [one, other] of pairs) {
        // A store may refuse these characters, as LangGraph does since 1.7: what is not stored cannot alias.
        if (/[:\0]/.test(one.join("")) && (await refuses(store, one))) continue;
        await store.put(one, "k", { text: "one" });
        assert.equal(await store.get(other, "k"), null, JSON.stringify([one, other]));
        assert.deepEqual(keys(await store.search(other)), [], JSON.stringify([one, other]));
        await store.delete(one, "k");
      }
    },
  },
  {
    name: "hostile labels see only their own items",
    needs: [],
    async run(store) {
      const labels = [
        "1",
        "10",
        "%",
        "_",
        "'",
        '"',
        "`",
        "\\",
        "*",
        "a",
        "а",
        "é",
        "e\u0301",
        "A",
        "[",
        "]",
        "$",
        "n".repeat(10_000),
      ];
      for (const label of labels) await store.put(["t", label], "k", { owner: label });
      for (const label of labels) {
        assert.equal((await store.get(["t", label], "k"))?.value.owner, label);
        const found = await store.search(["t", label], { limit: 100 });
        assert.deepEqual(
          found.map(({ value }) => value.owner),
          [label],
          label.slice(0, 20),
        );
      }
    },
  },
  {
    name: "invalid namespaces are refused by put",
    needs: [],
    async run(store) {
      for (const bad of [[], ["a.b"], ["", "a"], ["a", ""], ["langgraph", "x"], [1 as unknown as string]]) {
        await assert.rejects(async () => store.put(bad, "k", { text: "x" }), JSON.stringify(bad));
      }
      await store.put(["a", "langgraph"], "k", { text: "x" });
      assert.ok(await store.get(["a", "langgraph"], "k"));
    },
  },
  {
    name: "listNamespaces lists in order and pages",
    needs: ["listNamespaces"],
    async run(store) {
      await fill(store, [["b"], ["a", "x"], ["a"], ["c"]]);
      assert.deepEqual(await store.listNamespaces(), [["a"], ["a", "x"], ["b"], ["c"]]);
      assert.deepEqual(await store.listNamespaces({ limit: 2, offset: 1 }), [["a", "x"], ["b"]]);
    },
  },
  {
    name: "listNamespaces forgets namespaces without items",
    needs: ["listNamespaces"],
    async run(store) {
      await fill(store, [["a"], ["b"]]);
      await store.delete(["a"], "k0");
      assert.deepEqual(await store.listNamespaces(), [["b"]]);
    },
  },
  {
    name: "listNamespaces matches prefix, suffix and *",
    needs: ["listNamespaces"],
    async run(store) {
      await fill(store, [["u", "1", "v1"], ["u", "2", "v2"], ["x", "1", "v1"], ["u"]]);
      assert.deepEqual(await store.listNamespaces({ prefix: ["u"] }), [
        ["u"],
        ["u", "1", "v1"],
        ["u", "2", "v2"],
      ]);
      assert.deepEqual(await store.listNamespaces({ suffix: ["v1"] }), [
        ["u", "1", "v1"],
        ["x", "1", "v1"],
      ]);
      assert.deepEqual(await store.listNamespaces({ prefix: ["*", "1"] }), [
        ["u", "1", "v1"],
        ["x", "1", "v1"],
      ]);
      assert.deepEqual(await store.listNamespaces({ prefix: ["u"], suffix: ["*", "v2"] }), [
        ["u", "2", "v2"],
      ]);
    },
  },
  {
    name: "listNamespaces cuts at maxDepth and lists each once",
    needs: ["listNamespaces"],
    async run(store) {
      await fill(store, [["a", "b", "c"], ["a", "b", "d"], ["a", "e"], ["f"]]);
      assert.deepEqual(await store.listNamespaces({ maxDepth: 2 }), [["a", "b"], ["a", "e"], ["f"]]);
      assert.deepEqual(await store.listNamespaces({ maxDepth: 1 }), [["a"], ["f"]]);
    },
  },
];
