/** What is raised and never told to the model: store, embedder, disk. And settings that make no sense. */

import { InMemoryStore, type Operation } from "@langchain/langgraph";
import { describe, expect, it } from "vitest";
import { ModelError, StoreError } from "../../src/errors.js";
import { OfflineSummarizer } from "../../src/offline/summarizer.js";
import { createMemoryTools } from "../../src/tools/memory-tools.js";
import { MEMORY_OPS, PAPER_TOOL_NAMES } from "../../src/types.js";
import { openStore, ToolBench, turns } from "./bench-kit.js";

/** A store whose writes to given namespaces fail. */
class FailingStore extends InMemoryStore {
  constructor(private readonly fails: (op: Operation) => boolean) {
    super();
  }
  override async batch<Op extends readonly Operation[]>(operations: Op) {
    if (operations.some(this.fails)) {
      throw new StoreError("AGEMEM_STORE_IO", "The disk is full", { remedy: "Make room." });
    }
    return super.batch(operations);
  }
}
const always = () => new FailingStore(() => true);
// Long enough for a summary of it to be shorter.
const ADVICE = "Take them off indoors, and keep them in the case that came with them. ".repeat(6).trim();
const HISTORY = ["cheap sunglasses", ADVICE, "What now?"];

describe("a failing store", () => {
  it.each([
    ["ADD", { content: "x" }],
    ["UPDATE", { memory_id: "m1", content: "x" }],
    ["DELETE", { memory_id: "m1", confirmation: true }],
    ["RETRIEVE", { query: "x" }],
    ["SUMMARY", { span: "all" }],
    ["FILTER", { criteria: "cheap sunglasses" }],
  ] as const)("is raised by %s", async (op, args) => {
    const bench = new ToolBench({ store: always() }, turns(...HISTORY));
    await expect(bench.call(op, args)).rejects.toMatchObject({ code: "AGEMEM_STORE_IO" });
  });

  it("at the archive leaves the context whole", async () => {
    const store = new FailingStore((op) => "value" in op);
    for (const [op, args] of [
      ["SUMMARY", { span: "all" }],
      ["FILTER", { criteria: "cheap sunglasses" }],
    ] as const) {
      const bench = new ToolBench({ store }, turns(...HISTORY));
      await expect(bench.call(op, args)).rejects.toMatchObject({ code: "AGEMEM_STORE_IO" });
      expect(bench.texts).toEqual(HISTORY);
    }
  });

  it("that is closed says so", async () => {
    const store = await openStore();
    await store.close();
    await expect(new ToolBench({ store }).call("ADD", { content: "x" })).rejects.toMatchObject({
      code: "AGEMEM_STORE_CLOSED",
    });
  });
});

it("a failing embedding model is raised by FILTER", async () => {
  const down = async () => {
    throw new ModelError("AGEMEM_EMBEDDING_FAILED", "down");
  };
  const embeddings = { embedDocuments: down, embedQuery: down };
  const bench = new ToolBench({ store: new InMemoryStore(), embeddings }, turns(...HISTORY));
  await expect(bench.call("FILTER", { criteria: "x" })).rejects.toMatchObject({
    code: "AGEMEM_EMBEDDING_FAILED",
  });
});

it("an aborted run is not answered as a failed summary", async () => {
  const store = await openStore();
  const signal = AbortSignal.abort();
  const bench = new ToolBench({ store }, turns(...HISTORY));
  await expect(bench.call("SUMMARY", { span: "all" }, { signal })).rejects.toThrow();
  await store.close();
});

describe("createMemoryTools", () => {
  const store = new InMemoryStore();
  const summarizer = new OfflineSummarizer();

  it("refuses SUMMARY without a model that writes summaries, and names both ways", () => {
    expect(() => createMemoryTools({ store })).toThrow(
      expect.objectContaining({
        code: "AGEMEM_CONFIG_INVALID",
        remedy: expect.stringMatching(/`summarizer`.*`operations`/),
      }),
    );
    const operations = MEMORY_OPS.filter((op) => op !== "SUMMARY");
    expect(createMemoryTools({ store, operations })).toHaveLength(5);
  });

  it("has the paper's names, which can be changed, and the operations asked for", () => {
    const names = (options = {}) =>
      createMemoryTools({ store, summarizer, ...options }).map((tool) => tool.name);
    expect(names()).toEqual(Object.values(PAPER_TOOL_NAMES));
    expect(names({ names: { ADD: "remember" }, operations: ["ADD", "RETRIEVE"] })).toEqual([
      "remember",
      "Retrieve_memory",
    ]);
  });

  it.each([
    { names: { ADD: "Retrieve_memory" } },
    { theta: 1.5 },
    { topK: 0 },
    { duplicateThreshold: -1 },
    { budget: { maxTokens: 0 } },
    { budget: { maxTokens: 100, responseTokens: 100 } },
  ])("refuses %j", (options) => {
    expect(() => createMemoryTools({ store, summarizer, ...options })).toThrow(
      expect.objectContaining({ code: "AGEMEM_CONFIG_INVALID" }),
    );
  });
});
