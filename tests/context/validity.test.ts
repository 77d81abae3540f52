import { AIMessage, type BaseMessage, RemoveMessage, type ToolMessage } from "@langchain/core/messages";
import { describe, expect, it } from "vitest";
import { findChatHistoryProblems, MISSING_ANSWER, repairChatHistory } from "../../src/context/validity.js";
import { ai, call, ids, plain, system, tool, user } from "./helpers.js";

const codes = (messages: BaseMessage[], allowPending = false) =>
  findChatHistoryProblems(messages, { allowPending }).map((p) => `${p.code}@${p.index}`);

describe("findChatHistoryProblems", () => {
  it("finds nothing in a valid history with parallel calls answered in any order", () => {
    expect(
      codes([system("s"), user("u"), call("a", ["c1", "c2"]), tool("t2", "c2"), tool("t1", "c1"), ai("b")]),
    ).toEqual([]);
  });
  it.each([
    ["an unanswered call", [user("u"), call("a", ["c1"]), user("v")], ["unanswered_call@1"]],
    [
      "one of two calls unanswered",
      [call("a", ["c1", "c2"]), tool("t", "c1"), ai("b")],
      ["unanswered_call@0"],
    ],
    ["an orphan", [user("u"), tool("t", "c1")], ["orphan_answer@1"]],
    [
      "an answer before its call",
      [tool("t", "c1"), call("a", ["c1"]), tool("t2", "c1")],
      ["orphan_answer@0"],
    ],
    [
      "a late answer",
      [call("a", ["c1"]), user("u"), tool("t", "c1")],
      ["unanswered_call@0", "late_answer@2"],
    ],
    ["a second answer", [call("a", ["c1"]), tool("t", "c1"), tool("t2", "c1")], ["duplicate_answer@2"]],
    ["equal message ids", [user("u"), ai("u")], ["duplicate_id@1"]],
    ["a system message inside", [user("u"), system("s"), ai("a")], ["system_position@1"]],
    ["equal call ids", [call("a", ["c", "c"]), tool("t", "c")], ["duplicate_call_id@0"]],
    ["a removal marker", [new RemoveMessage({ id: "x" })], ["not_a_chat_message@0"]],
  ])("finds %s", (_, messages, expected) => {
    expect(codes(messages as BaseMessage[])).toEqual(expected);
  });
  it("allows calls in flight only at the end and only when told to", () => {
    const flying = [user("u"), call("a", ["c1", "c2"]), tool("t", "c1")];
    expect(codes(flying)).toEqual(["unanswered_call@1"]);
    expect(codes(flying, true)).toEqual([]);
    expect(codes([...flying, user("v")], true)).toEqual(["unanswered_call@1"]);
  });
  it("sees calls that only stand in additional_kwargs", () => {
    const raw = new AIMessage({ id: "a", content: "" });
    raw.additional_kwargs = {
      tool_calls: [{ id: "c9", type: "function", function: { name: "f", arguments: "{bad" } }],
    };
    expect(codes([raw])).toEqual(["unanswered_call@0"]);
    expect(ids(repairChatHistory([raw]).messages)).toEqual(["a", "a-missing-c9"]);
  });
});

describe("repairChatHistory", () => {
  it("gives a valid history back message for message", () => {
    const messages = [user("u"), call("a", ["c1"]), tool("t", "c1")];
    const { messages: view, repairs } = repairChatHistory(messages);
    expect(view.every((m, i) => m === messages[i])).toBe(true);
    expect(repairs).toEqual([]);
  });
  it("answers what was never answered with an error", () => {
    const { messages, repairs } = repairChatHistory([call("a", ["c1", "c2"]), tool("t", "c2"), user("u")]);
    expect(ids(messages)).toEqual(["a", "a-missing-c1", "t", "u"]);
    expect(messages[1]).toMatchObject({
      content: MISSING_ANSWER,
      status: "error",
      tool_call_id: "c1",
      name: "search",
    });
    expect(repairs).toEqual([{ action: "answered", code: "unanswered_call", messageId: "a", callId: "c1" }]);
  });
  it("moves late answers and system messages, drops orphans and repeats, and says so", () => {
    const messages = [
      user("u"),
      call("a", ["c1"]),
      user("v"),
      tool("t", "c1"),
      tool("t2", "c1"),
      tool("lost", "c0"),
      system("s"),
      user("u"),
    ];
    const before = plain(messages);
    const { messages: view, repairs } = repairChatHistory(messages);
    expect(ids(view)).toEqual(["s", "u", "a", "t", "v"]);
    expect(repairs.map((r) => `${r.action} ${r.messageId}`).sort()).toEqual([
      "dropped lost",
      "dropped t2",
      "dropped u",
      "moved s",
      "moved t",
    ]);
    expect(plain(messages)).toEqual(before);
  });
  it("leaves calls without an id out of a copy", () => {
    const message = new AIMessage({
      id: "a",
      content: "x",
      tool_calls: [
        { name: "f", args: {} },
        { id: "c", name: "g", args: {} },
      ],
    });
    const { messages, repairs } = repairChatHistory([message, tool("t", "c")]);
    expect((messages[0] as AIMessage).tool_calls?.map((c) => c.name)).toEqual(["g"]);
    expect(message.tool_calls).toHaveLength(2);
    expect(repairs).toEqual([{ action: "rewrote", code: "call_without_id", messageId: "a" }]);
  });
  it("gives each use of one call id its own answer", () => {
    const messages = [
      call("a", ["c"]),
      tool("t", "c", "one"),
      call("b", ["c"]),
      user("u"),
      tool("t2", "c", "two"),
    ];
    const { messages: view } = repairChatHistory(messages);
    expect(ids(view)).toEqual(["a", "t", "b", "t2", "u"]);
    expect((view[3] as ToolMessage).content).toBe("two");
  });
});
