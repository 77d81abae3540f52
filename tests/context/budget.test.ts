import { AIMessage, HumanMessage } from "@langchain/core/messages";
import { describe, expect, it } from "vitest";
import { countMessages, promptLimit, reduceFacts } from "../../src/context/budget.js";
import { measureMessage, tokensOf } from "../../src/context/message-tokens.js";
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

describe("promptLimit", () => {
  it("is what the response leaves", () => {
    expect(promptLimit({ maxTokens: 100, responseTokens: 20 })).toBe(80);
  });
  it.each([
    [10, 10],
    [Number.NaN, 0],
    [10, -1],
  ])("refuses a budget of %s with %s for the response", (maxTokens, responseTokens) => {
    expect(() => promptLimit({ maxTokens, responseTokens })).toThrow(RangeError);
  });
});

describe("measureMessage", () => {
  it("asks a counter once per message object, and again when what the model sees has changed", () => {
    const counter = charCounter();
    const message = user("u", "four");
    expect(measureMessage(message, counter)).toEqual(measureMessage(message, counter));
    expect(tokensOf([message, message], counter)).toBe(2 * measureMessage(message, counter).tokens);
    expect(counter.asked).toBe(1);
    message.content = "longer";
    measureMessage(message, counter);
    measureMessage(message, charCounter());
    expect(counter.asked).toBe(2);
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
