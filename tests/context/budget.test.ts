import { AIMessage, HumanMessage } from "@langchain/core/messages";
import { describe, expect, it } from "vitest";
import { contextUsage, countMessages, reduceFacts } from "../../src/context/budget.js";
import type { MessageFacts } from "../../src/types.js";
import { ai, call, charCounter, system, tool, user } from "./helpers.js";

describe("countMessages", () => {
  it("counts each message once, however long the history gets", () => {
    const counter = charCounter();
    const messages = Array.from({ length: 500 }, (_, i) => (i % 2 ? ai(`m${i}`) : user(`m${i}`)));
    let facts: MessageFacts = {};
    for (let n = 1; n <= messages.length; n += 7) {
      const update = countMessages(messages.slice(0, n), facts, counter).update;
      facts = JSON.parse(JSON.stringify(reduceFacts(facts, update)));
    }
    const { total } = countMessages(messages, facts, counter);
    expect(counter.asked).toBe(500);
    expect(total).toBe(messages.reduce((sum, m) => sum + counter.countMessage(m), 0));
  });

  it("gives the very facts back when nothing changed", () => {
    const counter = charCounter();
    const messages = [system("s"), user("u")];
    const { facts } = countMessages(messages, {}, counter);
    const again = countMessages([system("s"), user("u")], facts, counter);
    expect(again.facts).toBe(facts);
    expect(again.update).toEqual({});
  });

  it.each([
    ["text", user("m", "question m"), user("m", "question n")],
    ["a late character of a long text", user("m", `${"x".repeat(5000)}a`), user("m", `${"x".repeat(5000)}b`)],
    ["length", user("m", "x".repeat(5000)), user("m", "x".repeat(5001))],
    ["arguments", call("m", ["c1"]), call("m", ["c2"])],
    [
      "an image",
      new HumanMessage({ id: "m", content: [{ type: "image_url", image_url: { url: "a" } }] }),
      new HumanMessage({ id: "m", content: [{ type: "image_url", image_url: { url: "b" } }] }),
    ],
    ["the role", user("m", "x"), new AIMessage({ id: "m", content: "x" })],
  ])("counts again when %s changed", (_, before, after) => {
    const counter = charCounter();
    const { facts } = countMessages([before], {}, counter);
    countMessages([after], facts, counter);
    expect(counter.asked).toBe(2);
  });

  it("counts again for another model", () => {
    const other = charCounter("other");
    countMessages([user("u")], countMessages([user("u")], {}, charCounter()).facts, other);
    expect(other.asked).toBe(1);
  });

  it("keeps what else is known, and drops facts of messages that are gone", () => {
    const known: MessageFacts = {
      t: { tokens: 0, origin: "memory", memories: { m1: 3 } },
      gone: { tokens: 9, origin: "user" },
    };
    const { facts, update } = countMessages([call("a", ["c"]), tool("t", "c")], known, charCounter());
    expect(facts.t).toMatchObject({ origin: "memory", memories: { m1: 3 }, tokens: 6 });
    expect(update.gone).toBeNull();
    expect(Object.keys(facts).sort()).toEqual(["a", "t"]);
    expect(Object.keys(reduceFacts(known, update))).toEqual(["t", "a"]);
  });
});

describe("contextUsage", () => {
  const tools = [{ name: "f", description: "d", parameters: {} }];
  it("counts system prompt and tool schemas too", () => {
    const counter = charCounter();
    const budget = { maxTokens: 100, responseTokens: 20 };
    const usage = contextUsage({
      system: "12345678",
      tools,
      messages: [user("u", "1234")],
      facts: {},
      counter,
      budget,
    });
    expect(usage).toMatchObject({ tokens: 4 + 2 + counter.countTools(tools) + 4 + 1, limit: 80 });
    expect(usage.fraction).toBeCloseTo(usage.tokens / 80);
    expect(usage.overhead).toBe(6 + counter.countTools(tools));
  });
  it("counts the system prompt again only when it changes", () => {
    const counter = charCounter();
    const input = { tools, messages: [], facts: {}, counter, budget: { maxTokens: 10, responseTokens: 0 } };
    for (const text of ["a", "a", "b", "b"]) contextUsage({ ...input, system: text });
    expect(counter.asked).toBe(2);
  });
  it.each([
    [10, 10],
    [Number.NaN, 0],
    [10, -1],
  ])("refuses a budget of %s with %s for the response", (maxTokens, responseTokens) => {
    const budget = { maxTokens, responseTokens };
    const input = { system: undefined, tools: [], messages: [], facts: {}, counter: charCounter(), budget };
    expect(() => contextUsage(input)).toThrow(RangeError);
  });
});

describe("reduceFacts", () => {
  it("is keyed, idempotent and gives the same object when nothing changes", () => {
    const a = { tokens: 1, origin: "user" as const };
    const current = { x: a, y: a };
    const update = { y: null, z: a };
    const once = reduceFacts(current, update);
    expect(once).toEqual({ x: a, z: a });
    expect(reduceFacts(once, update)).toBe(once);
    expect(current).toEqual({ x: a, y: a });
  });
});
