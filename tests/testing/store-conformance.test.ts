import { createRequire } from "node:module";
import {
  AsyncBatchedStore,
  BaseStore,
  InMemoryStore,
  type Operation,
  type OperationResults,
} from "@langchain/langgraph";
import { describe, expect, it } from "vitest";
import { FaissStore } from "../../src/store/faiss-store.js";
import {
  type ConformanceIndex,
  letterIndex,
  storeCases,
  storeConformance,
} from "../../src/testing/store-conformance.js";
import { temporaryDirectory } from "../store/helpers.js";

/** LangGraph 1.7 mended InMemoryStore's prefixes and refuses ":" in labels; both came with this package's 1.2.2. */
const COMPARES_LABELS = (() => {
  const { version } = createRequire(import.meta.url)("@langchain/langgraph-checkpoint/package.json") as {
    version: string;
  };
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 1 || minor >= 2;
})();

const ALL = { versions: true, keyword: true, idempotency: true };
const openWith = (kind: "faiss" | "flat") => (index: ConformanceIndex) =>
  FaissStore.open(":memory:", { index: { ...index, embeddingName: "letters", kind } });
const close = async (store: BaseStore) => {
  await (store as FaissStore).close();
};

for (const kind of ["faiss", "flat"] as const) {
  describe(`conformance: ${kind}`, () => {
    storeConformance({ test: it, create: openWith(kind), destroy: close, supports: ALL });
  });

  describe(`conformance: a fork on ${kind}`, () => {
    const parents = new Map<BaseStore, FaissStore>();
    storeConformance({
      test: it,
      supports: ALL,
      async create(index) {
        const parent = await openWith(kind)(index);
        await parent.put(["conformance", "items"], "k", { text: "of the parent" });
        await parent.delete(["conformance", "items"], "k");
        const fork = await (await parent.fork("first")).fork("second");
        await parent.put(["conformance", "vectors"], "unseen", { text: "aaa" });
        parents.set(fork, parent);
        return fork;
      },
      async destroy(fork) {
        await parents.get(fork)?.close();
      },
    });
  });
}

/** Opens the store for each batch and closes it after. */
class ReopenedStore extends BaseStore {
  readonly path = temporaryDirectory();
  constructor(private readonly index: ConformanceIndex) {
    super();
  }
  async batch<Op extends Operation[]>(operations: Op): Promise<OperationResults<Op>> {
    await using store = await FaissStore.open(this.path, {
      index: { ...this.index, embeddingName: "letters" },
    });
    return await store.batch(operations);
  }
}

describe("conformance: reopened between every two operations", () => {
  storeConformance({ test: it, create: async (index) => new ReopenedStore(index) });
});

describe("conformance: through AsyncBatchedStore", () => {
  const inner = new Map<BaseStore, FaissStore>();
  storeConformance({
    test: it,
    supports: { batch: false, listNamespaces: false, putIndex: false },
    async create(index) {
      const store = await openWith("faiss")(index);
      const batched = new AsyncBatchedStore(store);
      batched.start();
      inner.set(batched, store);
      return batched;
    },
    async destroy(batched) {
      await batched.stop();
      await inner.get(batched)?.close();
    },
  });
});

describe("conformance: LangGraph's InMemoryStore, with its known faults", () => {
  storeConformance({
    test: it,
    create: async (index) => new InMemoryStore({ index: index as never }),
    expectedFailures: {
      ...(COMPARES_LABELS
        ? {}
        : {
            "a label is no prefix of a longer label": "the prefix is compared as text",
            "separators inside labels do not alias": "labels are joined with ':'",
            "hostile labels see only their own items": "the prefix is compared as text",
          }),
      "a returned item is a copy": "get returns the live object",
      "a stored value is a copy": "put keeps the caller's object",
      "listNamespaces forgets namespaces without items": "namespaces are never removed",
      "filter: ISO dates compare as texts": "order operators convert with Number()",
      "filter: objects compare by content": "values are compared by identity",
      "filter: lists compare by content": "values are compared by identity",
      "filter: dotted paths": "only top-level fields",
      "filter: $exists": "no such operator",
      "filter: an unknown operator is an error": "it is compared as a value",
      "reads of a batch see the state before its writes":
        "get returns the live object, which the put changes",
      "a batch with an unknown operation writes nothing": "it is ignored and results shift",
      "a list that shrinks loses the vectors of what is gone": "vectors are merged by path",
      "putting again with index false drops the vector": "vectors outlive their item",
      "pages of unranked items follow the ranked ones": "the tail ignores the offset",
    },
  });
});

describe("the suite itself", () => {
  it("has unique names and refuses an unknown expected failure", () => {
    expect(new Set(storeCases.map(({ name }) => name)).size).toBe(storeCases.length);
    const wrong = () =>
      storeConformance({ test: () => undefined, create: openWith("flat"), expectedFailures: { nope: "x" } });
    expect(wrong).toThrow(RangeError);
  });

  it("fails a store that loses writes, and a fault that was repaired", async () => {
    const runs: (() => Promise<void>)[] = [];
    class Forgetful extends InMemoryStore {
      override async put(): Promise<void> {
        await Promise.resolve();
      }
    }
    storeConformance({ test: (_, run) => runs.push(run), create: async () => new Forgetful() });
    const results = await Promise.allSettled(runs.map((run) => run()));
    expect(results.filter(({ status }) => status === "rejected").length).toBeGreaterThan(20);
    const repaired: (() => Promise<void>)[] = [];
    const name = "get of an absent item is null";
    const test = (title: string, run: () => Promise<void>) => title.startsWith(name) && repaired.push(run);
    storeConformance({
      test,
      create: async () => openWith("flat")(letterIndex()),
      expectedFailures: { [name]: "no more" },
    });
    await expect(repaired[0]?.()).rejects.toThrow("listed as an expected failure");
  });
});
