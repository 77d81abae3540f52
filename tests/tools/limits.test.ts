/** What a model may store and do before it is refused. */

import { AIMessage, HumanMessage } from "@langchain/core/messages";
import { type BaseStore, InMemoryStore, MessagesAnnotation, StateGraph } from "@langchain/langgraph";
import { ToolNode } from "@langchain/langgraph/prebuilt";
import { createAgent } from "langchain";
import { beforeEach, describe, expect, it } from "vitest";
import { createAgeMemAgent } from "../../src/agent/agent.js";
import { ageMemMiddleware } from "../../src/agent/middleware/middleware.js";
import { OfflineSummarizer } from "../../src/offline/summarizer.js";
import type { FaissStore } from "../../src/store/faiss-store.js";
import { ScriptedChatModel } from "../../src/testing/scripted-model.js";
import { createMemoryTools } from "../../src/tools/memory-tools.js";
import { isOutcome, type MemoryOpOutcome } from "../../src/types.js";
import { openStore, ToolBench } from "./bench-kit.js";

const REFUSED = { ok: false, error: { code: "AGEMEM_MEMORY_LIMIT" } };
let store: FaissStore;
beforeEach(async () => {
  store = await openStore();
  return () => store.close();
});

describe("limits.characters", () => {
  it("refuses a memory that is too large, in content, kind and metadata, and says what to do", async () => {
    const bench = new ToolBench({ store, limits: { characters: 30 } });
    const fits = { content: "x".repeat(26) };
    const large = [
      { content: "x".repeat(27) },
      { content: "x", memory_type: "y".repeat(30) },
      { content: "x", metadata: { note: "y".repeat(30) } },
    ];
    for (const args of large) {
      const { outcome, text, message } = await bench.call("ADD", args);
      expect(outcome).toMatchObject(REFUSED);
      expect(text).toMatch(/^Error: AGEMEM_MEMORY_LIMIT: .*30 are allowed\. .*split it/);
      expect(message.status).toBe("error");
    }
    expect(store.version().revision).toBe(0);
    expect((await bench.call("ADD", fits)).outcome.ok).toBe(true);
  });

  it("holds for what an UPDATE leaves behind, merged metadata included", async () => {
    const bench = new ToolBench({ store, limits: { characters: 60 } });
    const added = await bench.call("ADD", {
      content: "Ada lives in Lisbon.",
      metadata: { a: "x".repeat(20) },
    });
    const memory_id = added.outcome.memoryIds[0];
    const grown = { memory_id, content: "Ada lives in Oslo.", metadata: { b: "x".repeat(20) } };
    expect((await bench.call("UPDATE", grown)).outcome).toMatchObject(REFUSED);
    expect((await bench.call("UPDATE", { ...grown, metadata: {} })).outcome.ok).toBe(true);
  });

  it("is 8,000 by default", async () => {
    const bench = new ToolBench({ store });
    const [kind, force] = ["fact", true];
    const add = (length: number) =>
      bench.call("ADD", { content: "x".repeat(length), memory_type: kind, force });
    expect((await add(7997)).outcome).toMatchObject(REFUSED);
    expect((await add(7996)).outcome.ok).toBe(true);
  });
});

describe.each<[string, () => BaseStore]>([
  ["FaissStore", () => store],
  ["InMemoryStore", () => new InMemoryStore()],
])("limits.memories on %s", (_, open) => {
  it("refuses one more, until one is deleted; others' memories do not count", async () => {
    const memory = open();
    await memory.put(["memories", "ben"], "m1", { content: "Ben lives in Rome." });
    const bench = new ToolBench({ store: memory, limits: { memories: 2 } });
    const add = (content: string) => bench.call("ADD", { content });
    const first = await add("Ada lives in Lisbon.");
    expect(first.outcome.ok).toBe(true);
    expect((await add("The tax return is due in May.")).outcome.ok).toBe(true);
    const refused = await add("Her dog is called Bolt.");
    expect(refused.outcome).toMatchObject(REFUSED);
    expect(refused.text).toContain("delete those that are no longer true");
    const memory_id = first.outcome.memoryIds[0] as string;
    expect((await bench.call("UPDATE", { memory_id, content: "Ada lives in Oslo." })).outcome.ok).toBe(true);
    await bench.call("DELETE", { memory_id, confirmation: true });
    expect((await add("Her dog is called Bolt.")).outcome.ok).toBe(true);
  });

  it("lets a call that is run again find what it has stored", async () => {
    const bench = new ToolBench({ store: open(), limits: { memories: 1 } });
    const run = () => bench.run("ADD", { content: "Ada lives in Lisbon." }, "c1", bench.messages);
    const [first, again] = [await run(), await run()];
    expect(again.outcome.ok).toBe(true);
    expect(again.outcome.memoryIds).toEqual(first.outcome.memoryIds);
  });
});

describe("limits.operations", () => {
  const look = { query: "anything" };

  it("counts what the newest user message has set off, refusals included", async () => {
    const bench = new ToolBench({ store, limits: { operations: 2 } });
    expect((await bench.call("DELETE", { memory_id: "m0" })).outcome.ok).toBe(false);
    expect((await bench.call("RETRIEVE", look)).outcome.ok).toBe(true);
    const refused = await bench.call("RETRIEVE", look);
    expect(refused.outcome).toMatchObject(REFUSED);
    expect(refused.text).toContain("answer the user");
    bench.messages.push(new HumanMessage({ id: "u2", content: "And now?" }));
    expect((await bench.call("RETRIEVE", look)).outcome.ok).toBe(true);
  });

  it("gives a call that is run again the same answer", async () => {
    const bench = new ToolBench({ store, limits: { operations: 1 } });
    const run = () => bench.run("ADD", { content: "Ada lives in Lisbon." }, "c1", bench.messages);
    for (const _ of [1, 2, 3]) expect((await run()).outcome.ok).toBe(true);
  });

  it("counts calls of one response that run at the same time, by their place", async () => {
    const tools = createMemoryTools({
      store,
      summarizer: new OfflineSummarizer(),
      limits: { operations: 2 },
    });
    const graph = new StateGraph(MessagesAnnotation)
      .addNode("tools", new ToolNode(tools, { handleToolErrors: false }))
      .addEdge("__start__", "tools")
      .compile();
    const call = (i: number) => ({ name: "Retrieve_memory", args: look, id: `c${i}` });
    const messages = [new HumanMessage("Hi."), new AIMessage({ tool_calls: [0, 1, 2, 3].map(call) })];
    const state = await graph.invoke({ messages }, { configurable: { user_id: "ada" } });
    expect(okOf(state.messages)).toEqual([true, true, false, false]);
  });

  it("counts what edits of the same run took out, through several of them", async () => {
    const summarizer = new ScriptedChatModel(["They looked.", "They looked again."]);
    const bench = new ToolBench({ store, summarizer, limits: { operations: 6 } });
    for (const _ of [1, 2]) await bench.call("RETRIEVE", look);
    const first = await bench.call("SUMMARY", { span: "all" });
    expect(first.outcome).toMatchObject({ ok: true, operationsRemoved: 2 });
    await bench.call("RETRIEVE", look);
    const second = await bench.call("SUMMARY", { span: "all" });
    // Two and one look-ups, and the first summary.
    expect(second.outcome).toMatchObject({ ok: true, operationsRemoved: 4 });
    expect((await bench.call("RETRIEVE", look)).outcome.ok).toBe(true);
    expect((await bench.call("RETRIEVE", look)).outcome).toMatchObject(REFUSED);
    bench.messages.push(new HumanMessage({ id: "u2", content: "And now?" }));
    expect((await bench.call("RETRIEVE", look)).outcome.ok).toBe(true);
  });

  it("counts what a filter took out, and not what belongs to an earlier user message", async () => {
    const remember = (id: string, content: string) => store.put(["memories", "ada"], id, { content });
    await remember("m1", "cheap sunglasses");
    await remember("m2", "yellow parasols");
    const bench = new ToolBench({ store, theta: 0.3, limits: { operations: 2 } });
    await bench.call("RETRIEVE", { query: "cheap sunglasses", top_k: 1 });
    bench.messages.push(new HumanMessage({ id: "u2", content: "And now?" }));
    await bench.call("RETRIEVE", { query: "yellow parasols", top_k: 1 });
    const filter = await bench.call("FILTER", { criteria: "cheap sunglasses; yellow parasols" });
    expect(filter.outcome).toMatchObject({ ok: true, operationsRemoved: 1 });
    expect(bench.messages.filter((m) => m.text.includes("<retrieved_memories"))).toEqual([]);
    expect((await bench.call("RETRIEVE", look)).outcome).toMatchObject(REFUSED);
  });

  it("counts what the trigger of the middleware summarized", async () => {
    const look1 = { tool_calls: [{ name: "Retrieve_memory", args: look }] };
    const model = new ScriptedChatModel([look1, look1, look1, look1, "Done."]);
    const memory = ageMemMiddleware({
      store,
      summarizer: new ScriptedChatModel(["They looked.", "They looked.", "They looked."]),
      trigger: { messages: 5 },
      keep: { messages: 2 },
      limits: { operations: 3 },
    });
    const agent = createAgent({ model, middleware: [memory] });
    const told: string[] = [];
    for await (const event of await agent.stream(
      { messages: [new HumanMessage({ id: "u1", content: "Hi." })] },
      { context: { user_id: "ada" }, streamMode: "custom" },
    )) {
      const { op, ok } = event as MemoryOpOutcome;
      told.push(`${op} ${ok}`);
    }
    const summary = "SUMMARY true";
    expect(told.filter((each) => each !== summary)).toEqual([
      ...Array(3).fill("RETRIEVE true"),
      "RETRIEVE false",
    ]);
    expect(told).toContain(summary);
  });

  it("in the agent counts over steps, also what a summary has taken out of the context", async () => {
    const model = new ScriptedChatModel([
      { tool_calls: [1, 2].map(() => ({ name: "Retrieve_memory", args: look })) },
      { tool_calls: [{ name: "Summary_context", args: { span: "all" } }] },
      { tool_calls: [1, 2].map(() => ({ name: "Retrieve_memory", args: look })) },
      "Done.",
      { tool_calls: [{ name: "Retrieve_memory", args: look }] },
      "Done again.",
    ]);
    const agent = createAgeMemAgent({
      model,
      store,
      summarizer: new ScriptedChatModel(["They looked."]),
      limits: { operations: 4 },
    });
    const run = { context: { user_id: "ada" } };
    const first = await agent.invoke({ messages: [new HumanMessage("Hi.")] }, run);
    expect(okOf(first.messages).slice(-2)).toEqual([true, false]);
    expect(first.finalAnswer).toBe("Done.");
    const messages = [...first.messages, new HumanMessage("Again.")];
    const second = await agent.invoke({ messages }, run);
    expect(okOf(second.messages).at(-1)).toBe(true);
  });
});

describe("a limit out of range", () => {
  it.each([{ characters: 0 }, { memories: -1 }, { operations: 1.5 }, { operations: Number.NaN }])(
    "%j is a configuration error",
    (limits) => {
      expect(() => createMemoryTools({ store, limits })).toThrow(
        expect.objectContaining({ code: "AGEMEM_CONFIG_INVALID" }),
      );
    },
  );
});

function okOf(messages: readonly unknown[]): boolean[] {
  return messages
    .map((message) => (message as { artifact?: unknown }).artifact)
    .filter(isOutcome)
    .map((outcome) => outcome.ok);
}
