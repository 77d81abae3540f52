/** One suite for the tools and the agent on every kind of store: FaissStore, LangGraph's in memory, PostgreSQL. */
import { HumanMessage } from "@langchain/core/messages";
import { type BaseStore, InMemoryStore } from "@langchain/langgraph";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createAgeMemAgent } from "../../src/agent/agent.js";
import { ContextArchive } from "../../src/context/archive.js";
import { restoreEdit } from "../../src/context/edits/restore.js";
import { LexicalEmbeddings } from "../../src/models/lexical-embeddings.js";
import { tokenCounter } from "../../src/models/tokens.js";
import { ScriptedChatModel } from "../../src/testing/scripted-model.js";
import { isVersionedStore } from "../../src/types.js";
import { openStore, ToolBench, turns } from "./bench-kit.js";
import { openPostgresStore, startPostgres } from "./postgres.js";

const embeddings = new LexicalEmbeddings();
let dims: number;

const openers: [string, () => Promise<{ store: BaseStore; close(): Promise<void> }>][] = [
  [
    "FaissStore",
    async () => {
      const store = await openStore();
      return { store, close: () => store.close() };
    },
  ],
  [
    "InMemoryStore",
    async () => {
      const store = new InMemoryStore({ index: { dims, embeddings, fields: ["content"] } });
      return { store, close: async () => store.stop() };
    },
  ],
  [
    "PostgresStore",
    async () => {
      const postgres = await startPostgres();
      const store = await openPostgresStore(postgres.url);
      const close = async () => {
        await store.stop();
        await postgres.close();
      };
      return { store, close };
    },
  ],
];

beforeAll(async () => {
  dims = (await embeddings.embedQuery("x")).length;
});

describe.each(openers)("the tools on %s", (_, open) => {
  let store: BaseStore;
  let close: () => Promise<void>;
  let users = 0;
  const bench = (options = {}, messages = turns("Hello.")) => {
    const user = `user.${++users}`;
    return {
      user,
      bench: new ToolBench({ store, ...options }, messages, { user_id: user, thread_id: `t.${user}` }),
    };
  };

  beforeAll(async () => {
    ({ store, close } = await open());
  });
  afterAll(() => close());

  it("ADD stores, refuses a duplicate, and stores it when told to", async () => {
    const { bench: b } = bench();
    const first = await b.call("ADD", { content: "Ada lives in Lisbon.", metadata: { topic: "home" } });
    expect(first.outcome).toMatchObject({ ok: true });
    const again = await b.call("ADD", { content: "ada lives in lisbon" });
    expect(again.outcome.error?.code).toBe("AGEMEM_MEMORY_DUPLICATE");
    expect(again.text).toContain(first.outcome.memoryIds[0]);
    expect((await b.call("ADD", { content: "ada lives in lisbon", force: true })).outcome.ok).toBe(true);
    expect((await b.call("RETRIEVE", { query: "Lisbon", top_k: 9 })).outcome.memoryIds).toHaveLength(2);
  });

  it("RETRIEVE ranks by meaning and filters by metadata", async () => {
    const { bench: b } = bench();
    const topics = {
      "Ada lives in Lisbon.": "home",
      "Ada eats no fish.": "food",
      "Ben plays the violin.": "music",
    };
    for (const [content, topic] of Object.entries(topics))
      await b.call("ADD", { content, metadata: { topic, n: 1 } });
    const found = await b.call("RETRIEVE", { query: "Does she eat fish?", top_k: 1 });
    expect(found.text).toContain("Ada eats no fish.");
    const music = await b.call("RETRIEVE", {
      query: "Ada",
      top_k: 9,
      metadata_filter: { topic: "music", n: { $gte: 1 } },
    });
    expect(music.text).toMatch(/count="1"[\s\S]*violin/);
  });

  it("UPDATE changes content and ranking; DELETE removes; both name close ids", async () => {
    const { bench: b } = bench();
    const id = (await b.call("ADD", { content: "Ada lives in Porto.", metadata: { a: 1 } })).outcome
      .memoryIds[0] as string;
    expect((await b.call("UPDATE", { memory_id: `${id}x`, content: "x" })).text).toContain(
      `Similar ids: ${id}`,
    );
    await b.call("UPDATE", { memory_id: id, content: "Ada moved to Lisbon.", metadata: { b: 2 } });
    const { text } = await b.call("RETRIEVE", {
      query: "Who moved to Lisbon?",
      top_k: 1,
      metadata_filter: { a: 1, b: 2 },
    });
    expect(text).toContain("Ada moved to Lisbon.");
    expect((await b.call("DELETE", { memory_id: id, confirmation: true })).outcome.ok).toBe(true);
    expect((await b.call("RETRIEVE", { query: "Lisbon" })).text).toContain('count="0"');
    expect((await b.call("DELETE", { memory_id: id, confirmation: true })).outcome.error?.code).toBe(
      "AGEMEM_MEMORY_NOT_FOUND",
    );
  });

  it("SUMMARY and FILTER archive what they take out, and it can be restored", async () => {
    const texts = ["I live in Oslo.", "Noted.", "cheap sunglasses", "I see.", "What now?"];
    const { bench: b, user } = bench(
      { summarizer: new ScriptedChatModel(["They talked."]) },
      turns(...texts),
    );
    const filter = await b.call("FILTER", { criteria: "cheap sunglasses" });
    const summary = await b.call("SUMMARY", { span: "all" });
    expect(b.texts.some((text) => text.includes("They talked."))).toBe(true);
    const archive = new ContextArchive(store, `t.${user}`);
    expect((await archive.list()).map((edit) => edit.editId).sort()).toEqual(
      [filter.outcome.editId, summary.outcome.editId].sort(),
    );
    let { messages } = b;
    for (const { outcome } of [summary, filter]) {
      const archived = await archive.load(outcome.editId as string);
      ({ messages } = restoreEdit(messages, archived, b.facts, tokenCounter()));
    }
    expect(messages.slice(0, 2).map((message) => message.text)).toEqual(texts.slice(0, 2));
    expect(messages.map((message) => message.text)).toContain("cheap sunglasses");
  });

  it("users do not see each other, and archives are not memories", async () => {
    const [one, two] = [bench({}, turns("cheap sunglasses", "Hm.", "Well?")), bench()];
    await one.bench.call("ADD", { content: "I live in Lisbon." });
    await one.bench.call("FILTER", { criteria: "cheap sunglasses" });
    expect((await two.bench.call("RETRIEVE", { query: "Lisbon", top_k: 50 })).outcome.memoryIds).toEqual([]);
    expect(
      (await one.bench.call("RETRIEVE", { query: "sunglasses", top_k: 50 })).outcome.memoryIds,
    ).toHaveLength(1);
  });

  it("the agent runs all of it, and says which M it saw where the store can tell", async () => {
    const model = new ScriptedChatModel([
      { tool_calls: [{ name: "Add_memory", args: { content: "I live in Lisbon." } }] },
      "Noted.",
      { tool_calls: [{ name: "Retrieve_memory", args: { query: "Where do I live?" } }] },
      "Lisbon.",
    ]);
    const agent = createAgeMemAgent({ model, store });
    const ask = (text: string) =>
      agent.invoke({ messages: [new HumanMessage(text)] }, { context: { user_id: "agent" } });
    await ask("I live in Lisbon.");
    const { messages, finalAnswer, ltmVersion } = await ask("Where do I live?");
    expect(finalAnswer).toBe("Lisbon.");
    expect(messages.at(-2)?.text).toContain("I live in Lisbon.");
    expect(ltmVersion === null).toBe(!isVersionedStore(store));
  });
});
