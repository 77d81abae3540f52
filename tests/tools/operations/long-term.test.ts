import { InMemoryStore } from "@langchain/langgraph";
import { beforeEach, describe, expect, it } from "vitest";
import type { FaissStore } from "../../../src/store/faiss-store.js";
import { openStore, ToolBench } from "../bench-kit.js";

const NAMESPACE = ["memories", "ada"];
let store: FaissStore;
let bench: ToolBench;
const stored = async () => (await store.search(NAMESPACE, { limit: 50 })).map((item) => item.value.content);

beforeEach(async () => {
  store = await openStore();
  bench = new ToolBench({ store });
  return () => store.close();
});

describe("ADD", () => {
  it("stores content, kind, metadata and source, and says the id", async () => {
    const { text, outcome } = await bench.call("ADD", {
      content: "  Ada lives in Lisbon. ",
      memory_type: "fact",
      metadata: { topic: "home", since: 2024 },
    });
    const [id] = outcome.memoryIds;
    expect(text).toBe(`Stored as memory ${id}.`);
    expect(id).toMatch(/^m[0-9a-z]{8}$/);
    expect((await store.get(NAMESPACE, id as string))?.value).toEqual({
      content: "Ada lives in Lisbon.",
      memory_type: "fact",
      metadata: { topic: "home", since: 2024 },
      source: { thread: "t", tool_call: "call_1", said_by: "assistant" },
    });
    expect(outcome).toMatchObject({
      kind: "agemem.op/1",
      op: "ADD",
      ok: true,
      toolCallId: "call_1",
      namespace: NAMESPACE,
      revisionBefore: 0,
      revisionAfter: 1,
    });
    expect(outcome.tokensBefore).toBe(outcome.tokensAfter);
    expect(outcome.tokensBefore).toBeGreaterThan(100);
    expect(outcome.error).toBeUndefined();
  });

  it("reports an equal memory instead of storing it twice, and stores it when told to", async () => {
    const first = await bench.call("ADD", { content: "Ada lives in Lisbon." });
    const again = await bench.call("ADD", { content: "ada lives in LISBON" });
    expect(again.outcome).toMatchObject({
      ok: false,
      error: { code: "AGEMEM_MEMORY_DUPLICATE" },
      memoryIds: [],
    });
    expect(again.text).toContain(first.outcome.memoryIds[0]);
    expect(again.message.status).toBe("error");
    expect(await stored()).toEqual(["Ada lives in Lisbon."]);
    const forced = await bench.call("ADD", { content: "ada lives in LISBON", force: true });
    expect(forced.outcome.ok).toBe(true);
    expect(await stored()).toHaveLength(2);
  });

  it("takes nearly equal memories as duplicates from the threshold on", async () => {
    const add = async (duplicateThreshold: number) => {
      const own = new ToolBench({ store, duplicateThreshold }, undefined, {
        user_id: String(duplicateThreshold),
      });
      await own.call("ADD", { content: "Ada has lived in Lisbon since last spring." });
      return (await own.call("ADD", { content: "Ada has lived in Lisbon since spring." })).outcome.ok;
    };
    expect(await add(0.5)).toBe(false);
    expect(await add(1)).toBe(true);
  });

  it("stores once when the same call runs again", async () => {
    const run = () => bench.run("ADD", { content: "Ada lives in Lisbon." }, "c1", bench.messages);
    const [first, again] = [await run(), await run()];
    expect(again.text).toBe(first.text);
    expect(again.outcome.memoryIds).toEqual(first.outcome.memoryIds);
    expect(store.version().revision).toBe(1);
  });

  it("refuses what is no content", async () => {
    for (const args of [{}, { content: "" }, { content: "   " }, { content: 7 }]) {
      const { outcome, text } = await bench.call("ADD", args);
      expect(outcome.error?.code).toBe("AGEMEM_INPUT_ARGUMENT");
      expect(text).toContain("content");
    }
    expect(await stored()).toEqual([]);
  });
});

describe("UPDATE", () => {
  it("replaces the content, merges metadata, keeps the kind, and is found by its new words only", async () => {
    const added = await bench.call("ADD", {
      content: "Ada lives in Porto.",
      memory_type: "home",
      metadata: { topic: "home", sure: true },
    });
    const id = added.outcome.memoryIds[0] as string;
    const { text, outcome } = await bench.call("UPDATE", {
      memory_id: id,
      content: "Ada moved to Lisbon.",
      metadata: { sure: false },
    });
    expect(text).toBe(`Updated memory ${id}.`);
    expect(outcome).toMatchObject({ ok: true, memoryIds: [id], revisionBefore: 1, revisionAfter: 2 });
    expect((await store.get(NAMESPACE, id))?.value).toMatchObject({
      content: "Ada moved to Lisbon.",
      memory_type: "home",
      metadata: { topic: "home", sure: false },
    });
    const [best] = await store.search(NAMESPACE, { query: "Lisbon", limit: 1 });
    expect(best?.score).toBeGreaterThan(0.3);
    const [old] = await store.search(NAMESPACE, { query: "Porto", limit: 1 });
    expect(old?.score ?? 0).toBeLessThan(0.1);
  });

  it("names close ids when there is none of the given one", async () => {
    const added = await bench.call("ADD", { content: "Ada lives in Porto." });
    const id = added.outcome.memoryIds[0] as string;
    const wrong = `${id.slice(0, -1)}_`;
    const { outcome, text } = await bench.call("UPDATE", { memory_id: wrong, content: "x" });
    expect(outcome.error?.code).toBe("AGEMEM_MEMORY_NOT_FOUND");
    expect(text).toContain(`Similar ids: ${id}`);
    expect(await stored()).toEqual(["Ada lives in Porto."]);
    const none = await new ToolBench({ store }, undefined, { user_id: "bob" }).call("UPDATE", {
      memory_id: id,
      content: "x",
    });
    expect(none.outcome.error?.code).toBe("AGEMEM_MEMORY_NOT_FOUND");
    expect(none.text).not.toContain("Similar ids");
  });

  it("writes once when the same call runs again", async () => {
    const added = await bench.call("ADD", { content: "Ada lives in Porto." });
    const args = { memory_id: added.outcome.memoryIds[0], content: "Ada lives in Lisbon." };
    const run = () => bench.run("UPDATE", args, "c9", bench.messages);
    expect((await run()).text).toBe((await run()).text);
    expect(store.version().revision).toBe(2);
  });
});

describe("DELETE", () => {
  let id: string;
  beforeEach(async () => {
    id = (await bench.call("ADD", { content: "Ada lives in Porto." })).outcome.memoryIds[0] as string;
  });

  it.each([{}, { confirmation: false }, { confirmed: false }])(
    "is refused without confirmation: %j",
    async (how) => {
      const { outcome, text } = await bench.call("DELETE", { memory_id: id, ...how });
      expect(outcome.error?.code).toBe("AGEMEM_MEMORY_NOT_CONFIRMED");
      expect(text).toContain("confirmation true");
      expect(await stored()).toHaveLength(1);
    },
  );

  it.each([{ confirmation: true }, { confirmed: true }])(
    "removes the memory when confirmed: %j",
    async (how) => {
      const { outcome, text } = await bench.call("DELETE", { memory_id: id, ...how });
      expect(text).toBe(`Deleted memory ${id}.`);
      expect(outcome).toMatchObject({ ok: true, memoryIds: [id], revisionAfter: 2 });
      expect(await stored()).toEqual([]);
    },
  );

  it("answers the same when the same call runs again, but a later deletion is a mistake", async () => {
    const seen = { messages: bench.messages, ltmVersion: store.version() };
    const run = (callId: string, state: unknown) =>
      bench.run("DELETE", { memory_id: id, confirmation: true }, callId, bench.messages, { state });
    const first = await run("c1", seen);
    const again = await run("c1", seen);
    expect(again.text).toBe(first.text);
    expect(again.outcome.ok).toBe(true);
    expect(store.version().revision).toBe(2);
    const later = await run("c2", { ...seen, ltmVersion: store.version() });
    expect(later.outcome.error?.code).toBe("AGEMEM_MEMORY_NOT_FOUND");
  });

  it("then UPDATE of the same id is refused", async () => {
    await bench.call("DELETE", { memory_id: id, confirmation: true });
    const { outcome, text } = await bench.call("UPDATE", { memory_id: id, content: "x" });
    expect(outcome.error?.code).toBe("AGEMEM_MEMORY_NOT_FOUND");
    expect(text).toContain("No memories are stored yet");
  });
});

describe("namespaces", () => {
  it("keep users apart", async () => {
    const other = new ToolBench({ store }, undefined, { user_id: "bob" });
    const { outcome } = await bench.call("ADD", { content: "Ada lives in Lisbon." });
    const id = outcome.memoryIds[0] as string;
    expect((await other.call("RETRIEVE", { query: "Lisbon" })).text).toContain('count="0"');
    expect((await other.call("DELETE", { memory_id: id, confirmation: true })).outcome.ok).toBe(false);
    expect((await other.call("ADD", { content: "Ada lives in Lisbon." })).outcome.ok).toBe(true);
    expect(await stored()).toHaveLength(1);
  });

  it("keep users apart whose names begin alike or hold separators, on LangGraph's own store too", async () => {
    for (const each of [store, new InMemoryStore()]) {
      const names = ["1", "10", "1.0", "1~2e0", "1_0", "a/b"];
      for (const name of names) {
        await new ToolBench({ store: each }, undefined, { user_id: name }).call("ADD", {
          content: `I am ${name}.`,
        });
      }
      for (const name of names) {
        const { text } = await new ToolBench({ store: each }, undefined, { user_id: name }).call("RETRIEVE", {
          query: "I am",
          top_k: 10,
        });
        expect(text).toContain(`I am ${name}.`);
        expect(text).toContain('count="1"');
      }
    }
  });

  it("must be supplied by the run", async () => {
    const lost = new ToolBench({ store }, undefined, {});
    await expect(lost.call("ADD", { content: "x" })).rejects.toMatchObject({
      code: "AGEMEM_NAMESPACE_VALUE_MISSING",
    });
  });
});
