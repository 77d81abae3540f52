import { describe, expect, it } from "vitest";
import { compareContexts, type EarlierPrompt } from "../../src/trajectory/context-edit.js";
import type { MessageRecord } from "../../src/trajectory/schema-parts.js";
import { op } from "./records.js";

const user = (content: string): MessageRecord => ({ role: "user", content });
const system = (content: string): MessageRecord => ({ role: "system", content });
const result = (content: string): MessageRecord => ({ role: "tool", content, tool_call_id: "c1" });
const calls = [{ id: "c1", name: "Add_memory", arguments: '{"content":"x"}' }];
const said: MessageRecord = { role: "assistant", content: "", tool_calls: calls, id: "a1" };

const earlier = (over: Partial<EarlierPrompt> = {}): EarlierPrompt => ({
  stage: 1,
  messages: [system("s"), user("one")],
  tools: [{ name: "t" }],
  response: { role: "assistant", content: null, reasoning: "hm", tool_calls: calls },
  memory_ops: [],
  ...over,
});
const now = (messages: MessageRecord[], stage = 1) => ({ stage, messages, tools: [{ name: "t" }] });

describe("compareContexts", () => {
  it("starts", () => {
    expect(compareContexts(null, now([user("one")]))).toEqual({
      extends_previous: false,
      context_edit: "start",
    });
  });

  it("sees an append: all messages, the response, something new", () => {
    expect(compareContexts(earlier(), now([system("s"), user("one"), said, result("ok")]))).toEqual({
      extends_previous: true,
      context_edit: "append",
    });
  });

  it("calls an append after RETRIEVE by its name, unless the retrieval was refused", () => {
    const next = now([system("s"), user("one"), said, result("memories")]);
    const retrieve = op({ op: "RETRIEVE" });
    expect(compareContexts(earlier({ memory_ops: [retrieve] }), next).context_edit).toBe("retrieve");
    const refused = { ...retrieve, ok: false };
    expect(compareContexts(earlier({ memory_ops: [refused] }), next).context_edit).toBe("append");
  });

  it("does not call it an extension when the system prompt or the tools changed", () => {
    const next = now([system("s, 20% used"), user("one"), said, result("ok")]);
    expect(compareContexts(earlier(), next)).toEqual({ extends_previous: false, context_edit: "append" });
    const same = [system("s"), user("one"), said, result("ok")];
    expect(compareContexts(earlier({ tools: [] }), now(same)).extends_previous).toBe(false);
  });

  it("does not call the same prompt again an extension, as after a failed call", () => {
    const failed = earlier({ response: null });
    expect(compareContexts(failed, now([system("s"), user("one")]))).toEqual({
      extends_previous: false,
      context_edit: "append",
    });
    expect(compareContexts(failed, now([system("s"), user("one"), user("two")])).extends_previous).toBe(true);
  });

  it("names summary and filter as the reason for a shorter context", () => {
    const summary = earlier({ memory_ops: [op({ op: "SUMMARY" })] });
    expect(compareContexts(summary, now([system("s"), user("<summary>…"), result("ok")]))).toEqual({
      extends_previous: false,
      context_edit: "summary",
    });
    const filter = earlier({ memory_ops: [op({ op: "FILTER" })] });
    expect(compareContexts(filter, now([system("s"), said, result("ok")])).context_edit).toBe("filter");
  });

  it("tells a reset of the stage from a stage that carries on", () => {
    expect(compareContexts(earlier(), now([system("s"), user("distractor")], 2)).context_edit).toBe(
      "stage_reset",
    );
    const carried = now([system("s"), user("one"), said, result("ok"), user("the question")], 3);
    expect(compareContexts(earlier({ stage: 2 }), carried)).toEqual({
      extends_previous: true,
      context_edit: "append",
    });
  });

  it("says other when nothing explains the difference", () => {
    expect(compareContexts(earlier(), now([system("s"), user("something else")])).context_edit).toBe("other");
    const reworded = {
      ...said,
      tool_calls: [{ id: "c1", name: "Add_memory", arguments: '{"content": "x"}' }],
    };
    const next = now([system("s"), user("one"), reworded, result("ok")]);
    expect(compareContexts(earlier(), next)).toEqual({ extends_previous: false, context_edit: "other" });
  });
});
