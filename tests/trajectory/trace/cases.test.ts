/** Verdicts where the obvious rule would be wrong: several edits at once, the guard, other recordings, unknown contents. */
import { describe, expect, it } from "vitest";
import type { AnyRecord } from "../../../src/trajectory/schema.js";
import { type TraceOptions, traceRecords } from "../../../src/trajectory/trace/trace.js";
import { episode, textStep, trajectory } from "../records.js";
import { type Exchange, idOf, type Protocol, record } from "./story.js";

const PROTOCOLS = ["native", "text"] as const;
const FACT = "User drives a red Volvo 240.";
const add: Exchange = {
  thread: "past",
  user: "Remember my car.",
  acts: [[["Add_memory", { content: FACT }]], "Noted."],
};
const retrieve: [string, Record<string, unknown>] = ["Retrieve_memory", { query: FACT, top_k: 1 }];
const filter: [string, Record<string, unknown>] = ["Filter_context", { criteria: FACT }];
const summary: [string, Record<string, unknown>] = ["Summary_context", { span: "all" }];

/** The verdict of the last conversation. */
function last(records: AnyRecord[], options: TraceOptions = { facts: [FACT] }) {
  return traceRecords(records, options).at(-1)?.verdicts[0];
}

function now(user: string, ...acts: Exchange["acts"]): Exchange {
  return { thread: "now", user, acts };
}

describe.each(PROTOCOLS)("edits, %s protocol", (protocol: Protocol) => {
  it("tells a filter and a summary of one response apart by what the summarizer was shown", async () => {
    const shown = [now("Which car?", [retrieve], "A Volvo."), now("Tidy up.", [filter, summary], "Done.")];
    const filtered = await record([add, ...shown], { protocol, summaries: ["Small talk."] });
    expect(last(filtered)).toMatchObject({ verdict: "filtered" });

    const kept = [now("Which car?", [retrieve], "A Volvo."), now("Tidy up.", [summary, filter], "Done.")];
    const summarized = await record([add, ...kept], { protocol, summaries: ["Small talk."] });
    expect(last(summarized)).toMatchObject({ verdict: "summarized" });
  });

  it("sees a fact that a summary kept", async () => {
    const kept = [
      now(`My car is a red Volvo 240. ${"It is old and it rattles. ".repeat(8)}`, "Nice."),
      now("Tidy up.", [summary], "Done."),
    ];
    const records = await record(kept, { protocol, summaries: ["User's car: a red Volvo 240."] });
    expect(last(records, { facts: ["User's car is a red Volvo 240"] })).toMatchObject({
      verdict: "in_context",
    });
  });

  it("blames the overflow guard's summary", async () => {
    const long = "The harbour was built over many years by many people. ".repeat(60);
    const told = [now(`My car is a red Volvo 240. ${long}`, "Nice."), now(`Go on. ${long}`, "Yes.")];
    const records = await record([...told, now(`And? ${long}`, "No idea.")], {
      protocol,
      summaries: ["They spoke of a harbour.", "They spoke of a harbour.", "They spoke of a harbour."],
      agent: { budget: { maxTokens: protocol === "text" ? 3200 : 2600, responseTokens: 200 } },
    });
    const verdict = last(records, { facts: ["User's car is a red Volvo 240"] });
    expect(verdict).toMatchObject({ verdict: "summarized" });
    const events = traceRecords(records)[0]?.events ?? [];
    expect(events.find((event) => event.guard)).toMatchObject({
      kind: "SUMMARY",
      tokensSaved: expect.any(Number),
    });
  });
});

describe.each(PROTOCOLS)("memories, %s protocol", (protocol: Protocol) => {
  it("says when no RETRIEVE ran, and when a fact was found in a context that is gone", async () => {
    const records = await record(
      [
        add,
        { thread: "between", user: "Which car?", acts: [[retrieve], "A Volvo."] },
        now("Which car?", "No idea."),
      ],
      { protocol },
    );
    const [past, between, asked] = traceRecords(records, { facts: [FACT] }).map((each) => each.verdicts[0]);
    expect(past?.verdict).toBe("in_context");
    expect(between?.verdict).toBe("in_context");
    expect(asked).toMatchObject({ verdict: "not_retrieved" });
    expect(asked?.reason).toContain("no RETRIEVE ran in this context");
  });

  it("doubts that a fact was never stored where M held more than the recording shows", async () => {
    const records = await record(
      [add, now("Which car?", "No idea."), now("And my dog?", [retrieve], "No idea.")],
      {
        protocol,
      },
    );
    const without = records.filter((line) => line.rollout_id === "now");
    const dog = { facts: ["User's dog is called Rex"] };
    expect(last(records, dog)).toMatchObject({ verdict: "never_stored", certain: true });
    expect(last(without, dog)).toMatchObject({ verdict: "never_stored", certain: false });
    expect(last(without)).toMatchObject({ verdict: "in_context" });
  });

  it("knows a memory from before the recording that was shown and then deleted", async () => {
    const records = await record(
      [
        add,
        {
          thread: "between",
          user: "Forget my car.",
          acts: [
            [retrieve],
            [["Delete_memory", (shown) => ({ memory_id: idOf("Volvo")(shown), confirmation: true })]],
            "Done.",
          ],
        },
        now("Which car?", "No idea."),
      ],
      { protocol },
    );
    const without = records.filter((line) => line.rollout_id !== "past");
    expect(last(without)).toMatchObject({ verdict: "deleted" });
    expect(last(without)?.reason).toContain("DELETE at step 1 of between");
  });

  it("counts a memory that a refused duplicate names as stored", async () => {
    const again: Exchange = { ...add, thread: "again" };
    const records = await record([add, again, now("Which car?", "No idea.")], { protocol });
    const without = records.filter((line) => line.rollout_id !== "past");
    expect(last(without)).toMatchObject({ verdict: "not_retrieved" });
    expect(last(without)?.reason).toContain("from before the recording");
  });

  it("joins invocations without a name by their thread", async () => {
    const asked = [now("Which car?", [retrieve], "A Volvo."), now("Again?", [filter], "No idea.")];
    const traced = traceRecords(await record([add, ...asked], { protocol, named: false }), { facts: [FACT] });
    expect(traced.map((each) => [each.threadId, each.verdicts[0]?.verdict])).toEqual([
      ["past", "in_context"],
      ["now", "filtered"],
    ]);
  });
});

it("does not guess what was stored where an older recording does not say it", async () => {
  const records = await record([add, now("Which car?", "No idea.")], { protocol: "text" });
  const older = records.map((line) =>
    line.kind === "step"
      ? { ...line, memory_ops: line.memory_ops.map((op) => ({ ...op, arguments: null })) }
      : line,
  );
  expect(last(older)).toMatchObject({ verdict: "unknown" });
  expect(last(older)?.reason).toMatch(/does not say what was stored as m\w{8}/);
  const native = await record([add, now("Which car?", "No idea.")], { protocol: "native" });
  expect(last(native)).toMatchObject({ verdict: "not_retrieved" });
});

it("judges another answer on request, and the gold facts of an episode without one", async () => {
  const records = await record(
    [
      now(`My car is a red Volvo 240. ${"It is old and it rattles. ".repeat(8)}`, "Nice."),
      now("Tidy up.", [summary], "Done."),
    ],
    {
      protocol: "native",
      summaries: ["Small talk."],
    },
  );
  const facts = ["User's car is a red Volvo 240"];
  expect(last(records, { facts, step: 0 })?.verdict).toBe("in_context");
  expect(last(records, { facts })?.verdict).toBe("summarized");
  expect(last(records, { facts, step: 99 })).toBeUndefined();

  const question = "Where was Ada Lovelace born?";
  const asked = textStep({
    messages: [{ role: "user", content: question }],
    response: { role: "assistant", content: "In London.", reasoning: null, tool_calls: [] },
  });
  const traced = traceRecords([asked, trajectory({ episode: episode({ question }), branch: "b" })]);
  expect(traced[0]?.verdicts.map((v) => [v.source, v.verdict])).toEqual([
    ["gold_fact", "never_stored"],
    ["gold_answer", "answered"],
  ]);
});
