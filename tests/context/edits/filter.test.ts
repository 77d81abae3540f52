import { AIMessage, HumanMessage, type ToolMessage } from "@langchain/core/messages";
import { describe, expect, it } from "vitest";
import { reduceFacts } from "../../../src/context/budget.js";
import { applyFilter, filterUnits, scoreUnits, splitCriteria } from "../../../src/context/edits/filter.js";
import { restoreEdit } from "../../../src/context/edits/restore.js";
import { applySummary, planSummary } from "../../../src/context/edits/summary.js";
import { memoriesInContext, renderMemories } from "../../../src/context/retrieval.js";
import { findChatHistoryProblems } from "../../../src/context/validity.js";
import { ai, call, charCounter, ids, plain, system, tool, user } from "../helpers.js";

const counter = charCounter();
const options = { editId: "f1", facts: {}, counter };

/** Filters out every unit whose text the pattern matches. */
function filter(
  messages: Parameters<typeof filterUnits>[0],
  out: RegExp,
  segmentMinTokens = 128,
  editId = "f1",
) {
  const units = filterUnits(messages, { segmentMinTokens, counter });
  const scores = units.map((unit) => (out.test(unit.text) ? 0.6 : 0.59));
  return applyFilter(messages, units, scores, { ...options, editId });
}

const LONG =
  "Rain fell on Monday. The parcel left Oslo.\n\nIt rained again on Friday, and on Saturday. Sun came later.";

describe("filterUnits", () => {
  it("offers short messages whole and long ones by passage, and never system, newest or the call in flight", () => {
    const messages = [
      system("s"),
      user("u1"),
      ai("a1", LONG),
      user("u2", "And then?"),
      call("a2", ["c1", "c2"]),
      tool("t1", "c1"),
    ];
    const units = filterUnits(messages, { segmentMinTokens: 20, counter });
    expect(units.map((u) => [u.messageId, u.kind, u.text])).toEqual([
      ["u1", "message", "question u1"],
      ["a1", "segment", "Rain fell on Monday."],
      ["a1", "segment", "The parcel left Oslo."],
      ["a1", "segment", "It rained again on Friday, and on Saturday."],
      ["a1", "segment", "Sun came later."],
    ]);
    for (const unit of units.slice(1)) expect(LONG.slice(unit.start, unit.end)).toBe(unit.text);
  });

  it("offers passages of a long newest user message, unless it is protected", () => {
    const messages = [user("u1", LONG)];
    expect(filterUnits(messages, { segmentMinTokens: 20, counter })).toHaveLength(4);
    expect(filterUnits(messages, { segmentMinTokens: 20, counter, protectIds: ["u1"] })).toEqual([]);
  });

  it("describes images so that they can be scored", () => {
    const image = { type: "image_url", image_url: { url: "https://x.org/cat.png" } };
    const messages = [new HumanMessage({ id: "u1", content: [image] }), user("u2")];
    expect(filterUnits(messages, { counter })[0]?.text).toBe("[image url: https://x.org/cat.png]");
  });
});

describe("applyFilter", () => {
  it("removes units at or above theta and keeps those below", () => {
    const messages = [user("u1", "rain"), ai("a1", "sun"), user("u2")];
    const { messages: after, report, facts } = filter(messages, /rain/);
    expect(ids(after)).toEqual(["a1", "u2"]);
    expect(report).toMatchObject({ kind: "filter", removedIds: ["u1"], changedIds: [], addedIds: [] });
    expect(report.tokensBefore - report.tokensAfter).toBe(5);
    expect(facts.u1).toBeNull();
  });

  it("cuts passages and leaves every other byte", () => {
    const messages = [user("u1", LONG), user("u2")];
    const { messages: after, report } = filter(messages, /[Rr]ain/, 20);
    expect(after[0]?.content).toBe(
      "[filtered 1 passage, f1#1] The parcel left Oslo.\n\n[filtered 1 passage, f1#2] Sun came later.",
    );
    expect(report.changedIds).toEqual(["u1"]);
    expect(messages[0]?.content).toBe(LONG);
  });

  it("counts passages that go together in one marker", () => {
    const { messages } = filter([user("u1", LONG), user("u2")], /parcel|rained/, 20);
    expect(messages[0]?.content).toBe("Rain fell on Monday. [filtered 2 passages, f1#1] Sun came later.");
  });

  it("keeps the newest user message as a message when all of it matches", () => {
    const { messages } = filter([user("u1", LONG)], /./, 20);
    expect(messages[0]?.content).toBe("[filtered 4 passages, f1#1]");
  });

  it("removes a whole exchange, or leaves a marker where only one answer goes", () => {
    const messages = [
      user("u"),
      call("a", ["c1", "c2"]),
      tool("t1", "c1", "rain"),
      tool("t2", "c2", "rain too"),
    ];
    expect(ids(filter(messages, /rain/).messages)).toEqual(["u"]);
    const mixed = [user("u"), call("a", ["c1", "c2"]), tool("t1", "c1", "rain"), tool("t2", "c2", "sun")];
    const { messages: after, report } = filter(mixed, /rain/);
    expect(ids(after)).toEqual(["u", "a", "t1", "t2"]);
    expect(after[2]).toMatchObject({
      content: "[filtered whole content, f1#1]",
      tool_call_id: "c1",
      name: "search",
    });
    expect(report.changedIds).toEqual(["t1"]);
    expect(findChatHistoryProblems(after)).toEqual([]);
  });

  it("keeps an exchange whose assistant text does not match", () => {
    const messages = [user("u"), call("a", ["c1"], "I will look."), tool("t", "c1", "rain")];
    const { messages: after } = filter(messages, /rain/);
    expect(after.map((m) => m.content)).toEqual([
      "question u",
      "I will look.",
      "[filtered whole content, f1#1]",
    ]);
  });

  it("refuses when only a call matches whose result stays", () => {
    const messages = [user("u"), call("a", ["c1"], "about rain"), tool("t", "c1", "sun")];
    expect(() => filter(messages, /about rain/)).toThrow(
      expect.objectContaining({ code: "AGEMEM_EDIT_EMPTY" }),
    );
  });

  it("tells how near the best unit came when none reaches theta", () => {
    expect(() => filter([ai("a"), user("u")], /nothing like it/)).toThrow(/0\.59, needed 0\.6/);
  });

  it("cuts text beside an image but never the image", () => {
    const image = { type: "image_url", image_url: { url: "https://x.org/1.png" } };
    const messages = [
      new HumanMessage({ id: "u1", content: [{ type: "text", text: LONG }, image] }),
      user("u2", "And then?"),
    ];
    const { messages: after } = filter(messages, /./, 20);
    expect(after[0]?.content).toEqual([{ type: "text", text: "[filtered 4 passages, f1#1]" }, image]);
  });

  it("drops a provider's raw output from a cut message, which would be sent instead of the cut text", () => {
    const message = new AIMessage({
      id: "a",
      content: LONG,
      response_metadata: { output: [{}], id: "resp" },
    });
    const { messages } = filter([message, user("u")], /Sun/, 20);
    expect(messages[0]?.response_metadata).toEqual({ id: "resp" });
  });

  it("cuts a summary by passage and keeps its lineage", () => {
    const start = [user("u1"), ai("a1"), user("u2", "And then?")];
    const plan = planSummary(start, { kind: "all" });
    const made = applySummary(start, plan, "It rained. The parcel left.", {
      editId: "e1",
      facts: {},
      counter,
    });
    const units = filterUnits(made.messages, { counter });
    const facts = reduceFacts({}, made.facts);
    const edit = applyFilter(made.messages, units, [0.9, 0], { editId: "f1", facts, counter });
    expect(edit.messages[0]?.content).toBe(
      '<context_summary edit="e1" messages="2" rounds="1">\n[filtered 1 passage, f1#1] The parcel left.\n</context_summary>',
    );
    expect(edit.facts["e1-summary"]).toMatchObject({
      origin: "summary",
      replaces: ["u1", "a1"],
      editId: "e1",
    });
    expect(edit.report.archive.lineage).toEqual(["e1"]);
  });

  it("forgets cut memories, so that they are shown again when retrieved again", () => {
    const at = new Date("2026-01-01T00:00:00Z");
    const item = (id: string, content: string) => ({
      id,
      value: { content, memory_type: "fact", metadata: {}, source: {} },
      createdAt: at,
      updatedAt: at,
    });
    const text = renderMemories([item("m1", "Rain. Snow."), item("m2", "Sun.")], { query: "weather" });
    const messages = [user("u", "And then?"), call("a", ["c1"], "Looking."), tool("t", "c1", text)];
    const facts = { t: { tokens: 1, origin: "memory" as const, memories: { m1: 1, m2: 2 } } };
    const units = filterUnits(messages, { counter });
    expect(units.map((u) => u.messageId)).toEqual(["a", "t", "t"]);
    const edit = applyFilter(messages, units, [0, 0.9, 0], { editId: "f1", facts, counter });
    expect([...memoriesInContext(reduceFacts({}, edit.facts))]).toEqual([["m2", 2]]);
    const back = restoreEdit(edit.messages, edit.report.archive, reduceFacts({}, edit.facts), counter);
    expect([...memoriesInContext(reduceFacts({}, back.facts))]).toEqual([
      ["m1", 1],
      ["m2", 2],
    ]);
  });

  it("undoes two filters of one message in either order", () => {
    const messages = [user("u1", LONG), user("u2", "And then?")];
    const first = filter(messages, /parcel/, 20, "f1");
    const units = filterUnits(first.messages, { segmentMinTokens: 20, counter });
    const scores = units.map((u) => (/Sun|Rain/.test(u.text) ? 1 : 0));
    const facts = reduceFacts({}, first.facts);
    const second = applyFilter(first.messages, units, scores, { editId: "f2", facts, counter });
    expect(second.messages[0]?.content).toBe(
      "[filtered 1 passage, f2#1] [filtered 1 passage, f1#1]\n\nIt rained again on Friday, and on Saturday. [filtered 1 passage, f2#2]",
    );
    const state = reduceFacts(facts, second.facts);
    for (const order of [
      [first, second],
      [second, first],
    ] as const) {
      let now = { messages: second.messages, facts: state };
      for (const { report } of order) {
        const edit = restoreEdit(now.messages, report.archive, now.facts, counter);
        now = { messages: edit.messages, facts: reduceFacts(now.facts, edit.facts) };
      }
      expect(plain(now.messages)).toEqual(plain(messages));
      expect(now.facts.u1?.editId).toBeUndefined();
    }
  });

  it("refuses scores that are not of these units", () => {
    const messages = [ai("a"), user("u")];
    const units = filterUnits(messages, { counter });
    expect(() => applyFilter(messages, units, [], options)).toThrow(TypeError);
    expect(() => applyFilter(messages, units, [Number.NaN], options)).toThrow(TypeError);
    expect(() => applyFilter([user("u")], units, [1], options)).toThrow(TypeError);
  });

  it("keeps the status and artifact of a filtered answer", () => {
    const messages = [user("u"), call("a", ["c1"], "I look."), tool("t", "c1", "rain")];
    (messages[2] as ToolMessage).status = "error";
    expect((filter(messages, /rain/).messages[2] as ToolMessage).status).toBe("error");
  });
});

describe("scoreUnits", () => {
  const vectors: Record<string, number[]> = {
    "rain; snow": [1, 1],
    rain: [1, 0],
    snow: [0, 1],
    "it rains": [2, 0],
    nothing: [0, 0],
    far: [-1, 0],
  };
  it("takes the best over criteria and clauses, in one call without repeats", async () => {
    const asked: string[][] = [];
    const embed = async (texts: string[]) => {
      asked.push(texts);
      return texts.map((text) => vectors[text] as number[]);
    };
    const units = ["it rains", "nothing", "far", "it rains"].map((text) => ({ text }));
    expect(await scoreUnits(units, "rain; snow", embed)).toEqual([1, 0, 0, 1]);
    expect(asked).toEqual([["rain; snow", "rain", "snow", "it rains", "nothing", "far"]]);
    expect(await scoreUnits([], "rain", embed)).toEqual([]);
    expect(asked).toHaveLength(1);
  });

  it("splits criteria by line, clause and bullet", () => {
    expect(splitCriteria("- small talk\n- weather; sports ; \n")).toEqual([
      "- small talk - weather; sports ;",
      "small talk",
      "weather",
      "sports",
    ]);
    expect(() => splitCriteria(" \n")).toThrow(expect.objectContaining({ code: "AGEMEM_INPUT_ARGUMENT" }));
  });

  it("raises failures of the embedder with their cause", async () => {
    const cause = new Error("boom");
    const failing = scoreUnits([{ text: "x" }], "y", async () => Promise.reject(cause));
    await expect(failing).rejects.toMatchObject({ code: "AGEMEM_EMBEDDING_FAILED", cause });
    for (const bad of [[[1]], [[1], [Number.NaN]], [[1], [1, 2]], [[], []]]) {
      const call = scoreUnits([{ text: "x" }], "y", async () => bad);
      await expect(call).rejects.toMatchObject({ code: "AGEMEM_VECTOR_INVALID" });
    }
  });
});
