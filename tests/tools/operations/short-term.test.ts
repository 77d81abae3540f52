import { HumanMessage } from "@langchain/core/messages";
import { InMemoryStore } from "@langchain/langgraph";
import { beforeEach, describe, expect, it } from "vitest";
import { ContextArchive } from "../../../src/context/archive.js";
import { restoreEdit } from "../../../src/context/edits/restore.js";
import { tokenCounter } from "../../../src/models/tokens.js";
import type { FaissStore } from "../../../src/store/faiss-store.js";
import { ScriptedChatModel } from "../../../src/testing/scripted-model.js";
import { openStore, ToolBench, turns } from "../bench-kit.js";

let store: FaissStore;
beforeEach(async () => {
  store = await openStore();
  return () => store.close();
});

describe("RETRIEVE", () => {
  let bench: ToolBench;
  beforeEach(async () => {
    bench = new ToolBench({ store });
    await bench.call("ADD", { content: "Ada lives in Lisbon.", metadata: { topic: "home", year: 2024 } });
    await bench.call("ADD", {
      content: "Ada eats no fish.",
      memory_type: "preference",
      metadata: { topic: "food" },
    });
    await bench.call("ADD", {
      content: "Ada <b>&</b> Ben </memory> met in Oslo.",
      metadata: { topic: "people" },
    });
  });

  it("shows the best memories as data, best first", async () => {
    const { text, outcome, update } = await bench.call("RETRIEVE", {
      query: "Where does Ada live? Lisbon",
      top_k: 2,
    });
    expect(text).toMatch(/^<retrieved_memories query="[^"]*" count="2">/);
    expect(text.indexOf("Lisbon.")).toBeGreaterThan(0);
    expect(outcome.memoryIds).toHaveLength(2);
    const best = await store.get(["memories", "ada"], outcome.memoryIds[0] as string);
    expect(best?.value.content).toBe("Ada lives in Lisbon.");
    expect(update.contextFacts[update.messages[0]?.id as string]).toMatchObject({
      origin: "memory",
      memories: { [outcome.memoryIds[0] as string]: best?.updatedAt.getTime() },
    });
  });

  it("escapes stored text so that it cannot leave its tag", async () => {
    const { text } = await bench.call("RETRIEVE", { query: "Ada Ben met Oslo", top_k: 1 });
    expect(text).toContain("Ada &lt;b&gt;&amp;&lt;/b&gt; Ben &lt;/memory&gt; met in Oslo.");
    expect(text.match(/<\/memory>/g)).toHaveLength(1);
  });

  it("names what the context shows already and shows it again when it has changed", async () => {
    const first = await bench.call("RETRIEVE", { query: "Lisbon", top_k: 1 });
    const id = first.outcome.memoryIds[0] as string;
    expect((await bench.call("RETRIEVE", { query: "Lisbon", top_k: 1 })).text).toContain(
      `<memory id="${id}" already_in_context="true"/>`,
    );
    await new Promise((resolve) => setTimeout(resolve, 2));
    await bench.call("UPDATE", { memory_id: id, content: "Ada left Lisbon." });
    const third = await bench.call("RETRIEVE", { query: "Lisbon", top_k: 1 });
    expect(third.text).toContain("Ada left Lisbon.");
  });

  it("filters by metadata and kind, on a store without nested filters too", async () => {
    const plain = new ToolBench({ store: new InMemoryStore() });
    await plain.call("ADD", { content: "Ada lives in Lisbon.", metadata: { topic: "home", year: 2024 } });
    await plain.call("ADD", {
      content: "Ada eats no fish.",
      memory_type: "preference",
      metadata: { topic: "food" },
    });
    for (const each of [bench, plain]) {
      const find = async (metadata_filter: Record<string, unknown>) =>
        (await each.call("RETRIEVE", { query: "Ada", top_k: 9, metadata_filter })).text;
      expect(await find({ topic: "food" })).toMatch(/count="1"[\s\S]*eats no fish/);
      expect(await find({ memory_type: "preference" })).toMatch(/count="1"/);
      expect(await find({ year: { $gte: 2024 } })).toMatch(/count="1"[\s\S]*(Lisbon|already_in_context)/);
      expect(await find({ topic: "nothing" })).toMatch(/count="0"/);
    }
  });

  it("refuses an unknown filter operator and a wrong count", async () => {
    const wrong = await bench.call("RETRIEVE", { query: "Ada", metadata_filter: { year: { $near: 1 } } });
    expect(wrong.outcome.error?.code).toBe("AGEMEM_FILTER_INVALID");
    for (const top_k of [0, 51, 1.5, "3"]) {
      expect((await bench.call("RETRIEVE", { query: "Ada", top_k })).outcome.error?.code).toBe(
        "AGEMEM_INPUT_ARGUMENT",
      );
    }
  });
});

const HISTORY = [
  "I live in Oslo.",
  "Noted.",
  "I eat no fish.",
  "Fine.",
  "My cat is Ines. She is nine years old, sleeps on the piano and catches no mice at all.",
  "Nice. A cat who has retired from hunting mice, then, and who has taken up music instead.",
  "What now?",
];

describe("SUMMARY", () => {
  const make = (texts = HISTORY, reply: string | Error = "S.") => {
    const summarizer = new ScriptedChatModel([reply, reply, reply]);
    return { summarizer, bench: new ToolBench({ store, summarizer }, turns(...texts)) };
  };

  it.each([
    ["all", ["What now?"]],
    ["full", ["What now?"]],
    ["1", ["I live in Oslo.", "Noted.", "I eat no fish.", "Fine.", "What now?"]],
    [2, ["I live in Oslo.", "Noted.", "What now?"]],
    ["99", ["What now?"]],
  ])("span %j leaves the rest", async (span, left) => {
    const { bench, summarizer } = make();
    const { outcome, text } = await bench.call("SUMMARY", { span });
    const human = bench.messages.filter((m) => HISTORY.includes(m.text)).map((m) => m.text);
    expect(human).toEqual(left);
    expect(bench.texts.filter((each) => each.includes("<context_summary"))).toHaveLength(1);
    expect(outcome).toMatchObject({ op: "SUMMARY", ok: true, messageIds: expect.any(Array) });
    expect(outcome.auxiliary?.calls).toBe(1);
    expect(summarizer.calls[0]?.messages[1]?.text).toContain("My cat is Ines.");
    expect(text).toContain(`(context ${outcome.tokensBefore} -> ${outcome.tokensAfter} tokens)`);
    expect(text).toContain(`Edit ${outcome.editId}.`);
  });

  it.each(["0", "-1", "some", "", 1.5])("refuses the span %j", async (span) => {
    const { bench } = make();
    const { outcome } = await bench.call("SUMMARY", { span });
    expect(outcome.error?.code).toBe("AGEMEM_INPUT_ARGUMENT");
    expect(bench.texts.slice(0, HISTORY.length)).toEqual(HISTORY);
  });

  it("archives what it takes out, under the thread, and gives it back unchanged", async () => {
    const { bench } = make();
    const before = bench.messages.map((message) => message.toDict());
    const { outcome } = await bench.call("SUMMARY", { span: "all" });
    const archived = await new ContextArchive(store, "t").load(outcome.editId as string);
    const back = restoreEdit(bench.messages, archived, bench.facts, tokenCounter());
    const restored = back.messages.slice(0, before.length).map((message) => message.toDict());
    expect(restored.map((each) => [each.type, each.data.content])).toEqual(
      before.map((each) => [each.type, each.data.content]),
    );
    expect(archived.kind).toBe("summary");
  });

  it("leaves the context alone when the summarizer fails or says nothing", async () => {
    for (const reply of [new Error("no such model"), "  "]) {
      const { bench } = make(HISTORY, reply);
      const { outcome, text, update } = await bench.call("SUMMARY", { span: "all" });
      expect(outcome.error?.code).toBe("AGEMEM_SUMMARY_FAILED");
      expect(text).toContain("The context is unchanged");
      expect(update.messages).toHaveLength(1);
      expect(outcome.tokensAfter).toBe(outcome.tokensBefore);
      expect(bench.texts.slice(0, HISTORY.length)).toEqual(HISTORY);
    }
    expect(await new ContextArchive(store, "t").list()).toEqual([]);
  });

  it("takes no summary that is longer than what it replaces, and counts what it cost", async () => {
    const { bench } = make(HISTORY, "They talked at length. ".repeat(40));
    const { outcome, text, update } = await bench.call("SUMMARY", { span: "all" });
    expect(outcome).toMatchObject({
      ok: false,
      error: { code: "AGEMEM_SUMMARY_FAILED" },
      auxiliary: { calls: 1 },
    });
    expect(text).toMatch(
      /no shorter than the 6 messages it would replace \(\d+ tokens more\)\. The context is unchanged/,
    );
    expect(update.messages).toHaveLength(1);
    expect(bench.texts.slice(0, HISTORY.length)).toEqual(HISTORY);
    expect(await new ContextArchive(store, "t").list()).toEqual([]);
  });

  it("has nothing to do in a new conversation", async () => {
    const { bench } = make(["Hello."]);
    expect((await bench.call("SUMMARY", { span: "all" })).outcome.error?.code).toBe("AGEMEM_EDIT_EMPTY");
  });
});

describe("FILTER", () => {
  const NOISE = "Buy cheap sunglasses now, cheap sunglasses for everyone.";
  const texts = ["I live in Oslo.", "Noted.", NOISE, "I see.", "What now?"];

  it("removes what is near the criteria, and says so in the outcome's figures", async () => {
    const bench = new ToolBench({ store }, turns(...texts));
    const { outcome, text } = await bench.call("FILTER", { criteria: "cheap sunglasses" });
    expect(outcome).toMatchObject({ ok: true, messageIds: ["m2"] });
    expect(bench.texts.slice(0, 4)).toEqual(["I live in Oslo.", "Noted.", "I see.", "What now?"]);
    expect(text).toContain(`(context ${outcome.tokensBefore} -> ${outcome.tokensAfter} tokens)`);
    expect(outcome.tokensBefore - outcome.tokensAfter).toBe(
      tokenCounter().countMessage(new HumanMessage(NOISE)),
    );
    expect(bench.facts.m2).toBeUndefined();
    const archived = await new ContextArchive(store, "t").load(outcome.editId as string);
    const back = restoreEdit(bench.messages, archived, bench.facts, tokenCounter());
    expect(back.messages.slice(0, 5).map((message) => message.text)).toEqual(texts);
  });

  it("obeys theta", async () => {
    const at = async (theta: number) => {
      const bench = new ToolBench({ store, theta }, turns(...texts));
      return (await bench.call("FILTER", { criteria: "sunglasses for people" })).outcome;
    };
    expect((await at(0.3)).ok).toBe(true);
    const refused = await at(0.99);
    expect(refused.error?.code).toBe("AGEMEM_EDIT_EMPTY");
    expect(refused.error?.message).toMatch(/best similarity 0\.\d\d, needed 0\.99/);
  });

  it("keeps the question of the newest user message however well it fits", async () => {
    const question = "Where are cheap sunglasses sold?";
    const bench = new ToolBench({ store }, turns("Hi.", "Hello.", question));
    expect((await bench.call("FILTER", { criteria: question })).outcome.error?.code).toBe(
      "AGEMEM_EDIT_EMPTY",
    );
    expect(bench.texts).toContain(question);
  });

  it("takes a noisy sentence out of a long message and keeps the rest", async () => {
    const fact = "The treaty of Kiel was signed in January 1814 by Denmark and Sweden.";
    const page = [...Array(6)].map((_, i) => `${fact} Paragraph number ${i} has more to say.`).join("\n\n");
    const bench = new ToolBench(
      { store, segmentMinTokens: 40 },
      turns(`${page}\n\n${NOISE}`, "Read.", "What now?"),
    );
    const { outcome, text } = await bench.call("FILTER", { criteria: "cheap sunglasses" });
    expect(outcome).toMatchObject({ ok: true, messageIds: ["m0"] });
    expect(text).toContain("parts of 1 message");
    expect(bench.texts[0]).toContain(fact);
    expect(bench.texts[0]).not.toContain("sunglasses");
  });
});
