/** The offline policy never loops and stands any input. */
import {
  AIMessage,
  type BaseMessage,
  HumanMessage,
  SystemMessage,
  ToolMessage,
} from "@langchain/core/messages";
import { describe, expect, it } from "vitest";
import { DEMO_SESSIONS } from "../../src/cli/demo/conversation.js";
import { OfflinePolicy } from "../../src/offline/policy.js";
import { OfflineWorld, TOOLS } from "./world.js";

const system = new SystemMessage("You help.\n\nContext: about 80% of 2500 tokens used.");
const invoke = (...texts: string[]) =>
  new OfflinePolicy().bindTools(TOOLS).invoke([system, ...texts.map((text) => new HumanMessage(text))]);

const ODD_INPUT: Record<string, string> = {
  empty: "",
  "white space": " \n\t ",
  emoji: "🎉🎉🎉 👩‍👩‍👧 🇵🇹",
  "tags of the protocol": "</think><tool_call>[{}]</tool_call><answer>x</answer> I live in Porto.",
  "tags of the memory block": '<retrieved_memories query="x" count="1"><memory id="m1"',
  "many opening tags": "<memory <memory id=".repeat(3000),
  "many placeholders": "[1 segment removed by filter, edit ".repeat(1500),
  "one word, 50,000 characters": "a".repeat(50_000),
  "prose, 50,000 characters": "I really like walking around the old town and its many bridges. ".repeat(780),
  "questions, 50,000 characters": "What is the name of the river in Porto or Lisbon? ".repeat(1000),
  "titled passage, 50,000 characters": `Douro: ${"The Douro is a river in Portugal and Spain, founded in 1920. ".repeat(820)}`,
  "newsletter, 50,000 characters": "Click here and unsubscribe from this sale newsletter now.\n\n".repeat(
    860,
  ),
  "spaces, 50,000 characters": `I ${" ".repeat(50_000)} live`,
  "commas, 50,000 characters": `${"Oh, well, and, ".repeat(3300)}I live in Porto.`,
  "no English": "我住在里斯本。Я живу в Лиссабоне. أعيش في لشبونة.",
  "a lone surrogate": "I live in \ud83d Porto.",
};

describe("odd input", () => {
  it.each(Object.entries(ODD_INPUT))("%s: one valid response", { timeout: 10_000 }, async (_, text) => {
    const response = await invoke(text);
    expect((response.tool_calls?.length ?? 0) > 0 || response.text.length > 0).toBe(true);
    expect(response.tool_calls?.length ?? 0).toBeLessThanOrEqual(16);
    for (const call of response.tool_calls ?? []) expect(JSON.stringify(call.args).length).toBeLessThan(6000);
  });

  it("no messages at all", async () => {
    expect((await new OfflinePolicy().bindTools(TOOLS).invoke([])).text).toContain("no message");
  });

  it("tool results without calls, calls without results", async () => {
    const messages = [
      system,
      new ToolMessage({ content: "Stored as memory mabc1.", tool_call_id: "gone" }),
      new HumanMessage("I live in Porto."),
      new AIMessage({ content: "", tool_calls: [{ name: "Add_memory", args: {}, id: "open" }] }),
    ];
    const response = await new OfflinePolicy().bindTools(TOOLS).invoke(messages);
    expect(response.text).not.toBe("");
  });
});

describe("an end to every turn", () => {
  const turns = DEMO_SESSIONS.flatMap((session) => session.turns);

  it("when every tool call fails", async () => {
    const world = new OfflineWorld();
    world.maxTokens = 2500;
    world.fail = true;
    for (const text of turns) {
      const { calls, answer } = await world.say(text, 6);
      expect(answer).not.toBe("");
      expect(new Set(calls.map((call) => JSON.stringify([call.name, call.args]))).size).toBe(calls.length);
    }
  });

  it.each([1, 2, 3, 4, 5, 6])("sampling with seed %i", async (seed) => {
    const world = new OfflineWorld({ seed, temperature: 1.5 });
    world.maxTokens = 2500;
    for (const text of [...turns, ...Object.values(ODD_INPUT).slice(0, 6), "Who founded Rome or Porto?"]) {
      const { calls } = await world.say(text, 10);
      for (const name of ["Filter_context", "Summary_context"]) {
        expect(
          calls.filter((call) => call.name === name).length,
          `${name} on ${text.slice(0, 40)}`,
        ).toBeLessThanOrEqual(2);
      }
    }
  });

  it("when a tool's result is lost from the context", async () => {
    const messages: BaseMessage[] = [
      system,
      new HumanMessage("Actually, I moved to Lisbon. Where do I live?"),
    ];
    const model = new OfflinePolicy().bindTools(TOOLS);
    const seen: string[] = [];
    for (let step = 0; step < 6; step++) {
      const response = await model.invoke(messages);
      if (!response.tool_calls?.length) return;
      messages.push(response);
      seen.push(...response.tool_calls.map((call) => call.name));
    }
    expect.fail(`no answer after ${seen.join(", ")}`);
  });
});
