import { AIMessage, type AIMessageChunk, HumanMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ScriptError, ScriptedChatModel } from "../../src/testing/scripted-model.js";

const search = tool(async ({ q }) => q, {
  name: "search",
  description: "Searches",
  schema: z.object({ q: z.string() }),
});

describe("ScriptedChatModel", () => {
  it("plays texts, tool calls, messages and responders in order", async () => {
    const model = new ScriptedChatModel([
      "one",
      { tool_calls: [{ name: "search", args: { q: "x" } }, { name: "search" }] },
      new AIMessage({
        content: "three",
        usage_metadata: { input_tokens: 5, output_tokens: 1, total_tokens: 6 },
      }),
      (messages, tools) => `saw ${messages.length} messages, ${tools.map((t) => t.name).join()}`,
    ]);
    expect((await model.invoke("a")).text).toBe("one");
    expect((await model.invoke("b")).tool_calls).toMatchObject([
      { name: "search", args: { q: "x" }, id: "call_1" },
      { name: "search", args: {}, id: "call_2" },
    ]);
    expect((await model.invoke("c")).usage_metadata?.total_tokens).toBe(6);
    const bound = model.bindTools([search]);
    expect((await bound.invoke([new HumanMessage("d"), new HumanMessage("e")])).text).toBe(
      "saw 2 messages, search",
    );
    model.assertDone();
  });

  it("records copies of what it was asked, with tool schemas", async () => {
    const model = new ScriptedChatModel(["ok"]);
    const question = new HumanMessage("before");
    await model.bindTools([search]).invoke([question]);
    question.content = "after";
    const call = model.calls[0]!;
    expect(call.messages[0]!.text).toBe("before");
    expect(HumanMessage.isInstance(call.messages[0])).toBe(true);
    expect(call.tools[0]).toMatchObject({
      name: "search",
      description: "Searches",
      parameters: { properties: { q: { type: "string" } } },
    });
    expect(() => {
      (call.tools[0] as { name: string }).name = "other";
    }).toThrow(TypeError);
  });

  it("throws the scripted error, and a ScriptError for a call too many or too few", async () => {
    const model = new ScriptedChatModel([new Error("boom"), "last", "unplayed"]);
    await expect(model.invoke("a")).rejects.toThrow("boom");
    await model.invoke("b");
    expect(() => model.assertDone()).toThrow(/1 of 3 scripted steps/);
    await model.invoke("c");
    await expect(model.invoke("too many")).rejects.toThrow(ScriptError);
    await expect(model.invoke("too many")).rejects.toThrow(/human message "too many"/);
  });

  it("streams to the same message as invoke", async () => {
    const reply = { content: "two  words\n", tool_calls: [{ name: "search", args: { q: "ü" }, id: "c9" }] };
    const model = new ScriptedChatModel([reply, reply]);
    let joined: AIMessageChunk | undefined;
    let chunks = 0;
    for await (const chunk of await model.stream("x")) {
      joined = joined ? joined.concat(chunk) : chunk;
      chunks++;
    }
    expect(chunks).toBeGreaterThan(3);
    const whole = await model.invoke("x");
    expect(joined?.content).toBe(whole.content);
    expect(joined?.tool_calls).toEqual(whole.tool_calls);
  });

  it("gives a fresh message each time, so that ids set by the graph do not leak into the script", async () => {
    const said = new AIMessage("same");
    const model = new ScriptedChatModel([said, said]);
    const first = await model.invoke("a");
    const second = await model.invoke("b");
    expect(first).not.toBe(second);
    expect(said.id).toBeUndefined();
  });
});
