import { InMemoryStore } from "@langchain/langgraph";
import { describe, expect, it } from "vitest";
import { ContextArchive, restoreEdit } from "../../src/context/archive.js";
import { countMessages, reduceFacts } from "../../src/context/budget.js";
import { isWithin, mergeRanges } from "../../src/context/edits/coverage.js";
import { emergencyPlan } from "../../src/context/edits/emergency.js";
import { applyFilter, filterUnits } from "../../src/context/edits/filter.js";
import { applySummary, planSummary } from "../../src/context/edits/summary.js";
import { atomicUnits, splitRounds } from "../../src/context/rounds.js";
import { inPlace } from "../../src/tools/parallel-edit.js";
import type { MessageFacts } from "../../src/types.js";
import { ai, call, charCounter, ids, plain, system, tool, user } from "./helpers.js";

const counter = charCounter();
const history = () => [
  system("s"),
  user("u1"),
  ai("a1"),
  user("u2"),
  call("a2", ["c"]),
  tool("t", "c"),
  user("u3"),
];
const summary = (editId: string, messages = history(), facts: MessageFacts = {}) =>
  applySummary(messages, planSummary(messages, { kind: "all" }), `Sum ${editId}.`, {
    editId,
    facts,
    counter,
  });

describe("ContextArchive", () => {
  it("saves, loads and lists per thread, detached from what was saved", async () => {
    const store = new InMemoryStore();
    const archive = new ContextArchive(store, "thread.1");
    const { archive: record } = summary("e1").report;
    await archive.save(record);
    await archive.save(record);
    record.editId = "changed later";
    await new ContextArchive(store, "thread.10").save(summary("other").report.archive);
    const loaded = await archive.load("e1");
    expect(loaded.editId).toBe("e1");
    expect((await archive.list()).map((edit) => edit.editId)).toEqual(["e1"]);
    expect(archive.namespace).toEqual(["agemem-archive", "thread~2e1"]);
    expect(plain(restoreEdit(summary("e1").messages, loaded, {}, counter).messages)).toEqual(
      plain(history()),
    );
    await archive.forget("e1");
    expect(await archive.list()).toEqual([]);
  });

  it("names what is archived when an edit is not", async () => {
    const archive = new ContextArchive(new InMemoryStore(), "t");
    await expect(archive.load("nope")).rejects.toMatchObject({
      code: "AGEMEM_EDIT_NOT_FOUND",
      details: { known: [] },
    });
    await archive.save(summary("e1").report.archive);
    await expect(archive.load("nope")).rejects.toMatchObject({ details: { editId: "nope", known: ["e1"] } });
  });

  it("refuses records of a newer version, and threads without an id", async () => {
    const store = new InMemoryStore();
    const archive = new ContextArchive(store, "t");
    await store.put([...archive.namespace], "e9", { schema: "agemem.edit/9" });
    await expect(archive.load("e9")).rejects.toMatchObject({ code: "AGEMEM_STORE_FORMAT" });
    expect(() => new ContextArchive(store, "")).toThrow(
      expect.objectContaining({ code: "AGEMEM_NAMESPACE_VALUE_MISSING" }),
    );
  });
});

describe("restoreEdit", () => {
  it("finds the places of a filter's messages also when the facts were lost", () => {
    const messages = [
      user("u1"),
      ...Array.from({ length: 8 }, (_, i) => ai(`x${i}`)),
      user("u2"),
      ai("a"),
      ai("y"),
      user("u3"),
    ];
    const units = filterUnits(messages, { counter });
    const edit = applyFilter(
      messages,
      units,
      units.map((unit) => (/^[xy]/.test(unit.messageId) ? 1 : 0)),
      { editId: "f1", facts: {}, counter },
    );
    expect(ids(edit.messages)).toEqual(["u1", "u2", "a", "u3"]);
    const back = restoreEdit([...edit.messages, ai("later")], edit.report.archive, {}, counter);
    expect(ids(back.messages)).toEqual([...ids(messages), "later"]);
  });

  it("puts messages back at their place beside a later summary of summaries", () => {
    const first = summary("e1");
    const facts = reduceFacts({}, first.facts);
    const grown = [...first.messages, ai("a3"), user("u4")];
    const second = summary("e2", grown, facts);
    expect(ids(second.messages)).toEqual(["s", "e2-summary", "u4"]);
    const state = reduceFacts(facts, second.facts);
    expect(state["e2-summary"]).toMatchObject({ replaces: ["e1-summary", "u3", "a3"], covers: [[2, 8]] });
    const back = restoreEdit(second.messages, first.report.archive, state, counter);
    expect(ids(back.messages)).toEqual(["s", "e2-summary", "u1", "a1", "u2", "a2", "t", "u4"]);
    const all = restoreEdit(back.messages, second.report.archive, reduceFacts(state, back.facts), counter);
    expect(ids(all.messages)).toEqual(["s", "u1", "a1", "u2", "a2", "t", "u3", "a3", "u4"]);
  });

  it("never separates a call from its answers, even when the facts were lost", () => {
    const first = summary("e1");
    const grown = [
      ...first.messages,
      ai("a3"),
      call("a4", ["x", "y"]),
      tool("t1", "x"),
      tool("t2", "y"),
      user("u4"),
    ];
    const back = restoreEdit(grown.slice(3), first.report.archive, {}, counter).messages;
    const at = ids(back).indexOf("a4");
    expect(ids(back).slice(at, at + 3)).toEqual(["a4", "t1", "t2"]);
  });

  it("leaves a later summary alone that took over the id of a restored message", () => {
    const first = inPlace(summary("e1"));
    const [carrier] = first.report.addedIds as [string];
    expect(carrier).toBe("u1");
    let state = reduceFacts({}, first.facts);
    const back = restoreEdit(first.messages, first.report.archive, state, counter);
    state = reduceFacts(state, back.facts);
    expect(ids(back.messages)).toEqual(["s", "u1", "a1", "u2", "a2", "t", "u3"]);
    // Restoring again changes nothing, not even what was done to the message since.
    const edited = back.messages.map((m) => (m.id === carrier ? user("u1", "shortened") : m));
    const again = restoreEdit(edited, first.report.archive, state, counter);
    expect(plain(again.messages)).toEqual(plain(edited));

    const grown = [...back.messages, ai("a3"), user("u4")];
    const second = inPlace(summary("e2", grown, state));
    expect(second.report.addedIds).toEqual([carrier]);
    state = reduceFacts(state, second.facts);
    const kept = restoreEdit(second.messages, first.report.archive, state, counter);
    expect(kept.messages.find((m) => m.id === carrier)).toBe(second.messages.find((m) => m.id === carrier));
    const all = restoreEdit(kept.messages, second.report.archive, reduceFacts(state, kept.facts), counter);
    expect(plain(all.messages)).toEqual(plain(grown));
  });

  it("counts what came back", () => {
    const edit = summary("e1");
    const back = restoreEdit(edit.messages, edit.report.archive, reduceFacts({}, edit.facts), counter);
    expect(back.report.tokensAfter).toBe(edit.report.tokensBefore);
    expect(countMessages(back.messages, {}, counter).total).toBe(back.report.tokensAfter);
  });
});

describe("emergencyPlan", () => {
  const rounds = (n: number) => [
    system("s"),
    ...Array.from({ length: n }, (_, i) => [user(`u${i}`), ai(`a${i}`)]).flat(),
  ];
  it("is undefined while the prompt fits", () => {
    const budget = { maxTokens: 1000, responseTokens: 100 };
    expect(emergencyPlan(rounds(3), { facts: {}, counter, budget })).toBeUndefined();
  });
  it("takes the oldest rounds, only as many as needed, counting what is sent beside the messages", () => {
    const messages = rounds(10);
    const { total } = countMessages(messages, {}, counter);
    const budget = { maxTokens: total + 9, responseTokens: 0 };
    const options = { facts: {}, counter, budget, overheadTokens: 10, target: 0.8, summaryTokens: 10 };
    const plan = emergencyPlan(messages, options);
    const freed = 10 + total + 10 - budget.maxTokens * 0.8;
    expect(plan?.removeIds).toEqual(
      ["u0", "a0", "u1", "a1", "u2", "a2", "u3", "a3"].slice(0, 2 * Math.ceil(freed / 13)),
    );
    expect(emergencyPlan(messages, { ...options, overheadTokens: 9 })).toBeUndefined();
  });
  it("takes finished work of the current round when there is nothing older", () => {
    const messages = [user("u"), call("a1", ["c1"]), tool("t1", "c1", "x".repeat(400)), call("a2", ["c2"])];
    const budget = { maxTokens: 50, responseTokens: 0 };
    expect(emergencyPlan(messages, { facts: {}, counter, budget })?.removeIds).toEqual(["a1", "t1"]);
    expect(
      emergencyPlan(messages.slice(0, 1), {
        facts: {},
        counter,
        budget: { maxTokens: 2, responseTokens: 0 },
      }),
    ).toBeUndefined();
  });
});

describe("coverage", () => {
  it("joins neighboring integers only, and tells what lies within", () => {
    expect(
      mergeRanges([
        [3, 4],
        [1, 2],
        [7, 7],
        [2.5, 2.5],
        [2, 2],
      ]),
    ).toEqual([
      [1, 4],
      [2.5, 2.5],
      [7, 7],
    ]);
    expect(isWithin([[2, 3]], [[1, 4]])).toBe(true);
    expect(isWithin([[2, 5]], [[1, 4]])).toBe(false);
    expect(isWithin([[2.5, 2.5]], [[1, 4]])).toBe(false);
    expect(isWithin([[2.5, 2.5]], [[2.5, 2.5]])).toBe(true);
    expect(isWithin([], [])).toBe(true);
  });
});

describe("rounds and units", () => {
  it("splits rounds at user messages; system messages belong to none", () => {
    const rounds = splitRounds([ai("a0"), ...history(), ai("a9")]);
    expect(rounds.map((r) => [r.kind, r.user?.id, ids(r.messages)])).toEqual([
      ["lead", undefined, ["a0"]],
      ["user", "u1", ["u1", "a1"]],
      ["user", "u2", ["u2", "a2", "t"]],
      ["user", "u3", ["u3", "a9"]],
    ]);
  });
  it("gives a summary of rounds a round, and leaves a summary of work in its round", () => {
    const work = [user("u"), call("a1", ["c"]), tool("t", "c"), ai("a2")];
    const inside = applySummary(work, planSummary(work, { kind: "all" }), "x", {
      editId: "e",
      facts: {},
      counter,
    });
    expect(splitRounds(inside.messages).map((r) => ids(r.messages))).toEqual([["u", "e-summary"]]);
    const kinds = splitRounds(summary("e1").messages).map((r) => r.kind);
    expect(kinds).toEqual(["summary", "user"]);
  });
  it("groups calls with all their answers, wherever they are, and leaves orphans alone", () => {
    const messages = [
      call("a", ["c1", "c2"]),
      tool("t1", "c1"),
      user("u"),
      tool("t2", "c2"),
      tool("t3", "c0"),
      call("b", ["c1"]),
    ];
    expect(atomicUnits(messages).map((u) => [u.kind, ids(u.messages), u.pending])).toEqual([
      ["exchange", ["a", "t1", "t2"], []],
      ["single", ["u"], []],
      ["orphan", ["t3"], []],
      ["exchange", ["b"], ["c1"]],
    ]);
  });
});
