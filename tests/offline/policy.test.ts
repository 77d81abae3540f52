import { type AIMessageChunk, HumanMessage, SystemMessage } from "@langchain/core/messages";
import { describe, expect, it } from "vitest";
import { OFFLINE_POLICY_NAME, OfflinePolicy } from "../../src/offline/policy.js";
import { OfflineWorld, TOOLS } from "./world.js";

const system = (line = "Context: about 10% of 8192 tokens used.") =>
  new SystemMessage(`You help.\n\n${line}`);

function namesOf(calls: readonly { name: string }[]): string[] {
  return calls.map((call) => call.name);
}

describe("what is told in conversation", () => {
  it("is stored in the third person, several facts in one response", async () => {
    const world = new OfflineWorld();
    const { calls } = await world.say(
      "By the way, I'm allergic to peanuts, and my sister Maya lives in Lyon.",
    );
    expect(calls.map((call) => [call.name, call.args.content])).toEqual([
      ["Add_memory", "User is allergic to peanuts."],
      ["Add_memory", "User's sister Maya lives in Lyon."],
    ]);
  });

  it("gets a memory type", async () => {
    const world = new OfflineWorld();
    const { calls } = await world.say("I love jazz. I'm flying to Oslo next week. I have two brothers.");
    expect(calls.map((call) => call.args.memory_type)).toEqual(["preference", "plan", "fact"]);
  });

  it("is not stored when it is small talk", async () => {
    const world = new OfflineWorld();
    for (const text of [
      "Hello there!",
      "I think that's great.",
      "Thanks a lot.",
      "What a lovely day we had!",
    ]) {
      expect((await world.say(text)).calls).toEqual([]);
    }
  });

  it("is not stored twice", async () => {
    const world = new OfflineWorld();
    await world.say("I live in Porto.");
    expect((await world.say("I live in Porto.")).calls).toEqual([]);
  });
});

describe("what changes", () => {
  it.each([
    ["Actually, I moved to Lisbon.", "I live in Porto.", "User moved to Lisbon."],
    ["I switched to green tea.", "I drink coffee every morning.", "User switched to green tea."],
    ["I no longer work for Acme.", "I work for Acme as an engineer.", "User no longer works for Acme."],
  ])("%s: looked up, then updated", async (change, before, content) => {
    const world = new OfflineWorld();
    await world.say("My sister Maya lives in Lyon. I'm allergic to peanuts.");
    await world.say(before);
    world.messages = [];
    const { calls } = await world.say(change);
    expect(namesOf(calls)).toEqual(["Retrieve_memory", "Update_memory"]);
    expect(calls[1]?.args).toEqual({ memory_id: "mabc102", content });
    expect([...world.memories.values()]).toContain("User's sister Maya lives in Lyon.");
  });

  it("is added when nothing stored is about it", async () => {
    const world = new OfflineWorld();
    await world.say("My sister Maya lives in Lyon.");
    const { calls } = await world.say("Actually, I switched to green tea.");
    expect(namesOf(calls)).toEqual(["Retrieve_memory", "Add_memory"]);
  });
});

describe("what is withdrawn", () => {
  it("is looked up and deleted with confirmation, and nothing else", async () => {
    const world = new OfflineWorld();
    await world.say("My old flatmate Daniel still has the spare key to my flat. I live in Porto.");
    const { calls, answer } = await world.say("Please forget what I said about Daniel and the spare key.");
    expect(namesOf(calls)).toEqual(["Retrieve_memory", "Delete_memory"]);
    expect(calls[1]?.args).toEqual({ memory_id: "mabc100", confirmation: true });
    expect([...world.memories.values()]).toEqual(["User lives in Porto."]);
    expect(answer).toContain("deleted");
  });

  it("is answered honestly when nothing of it is stored", async () => {
    const world = new OfflineWorld();
    await world.say("I live in Porto.");
    const { calls, answer } = await world.say("Please don't remember my shoe size.");
    expect(namesOf(calls)).toEqual(["Retrieve_memory"]);
    expect(answer).toContain("found nothing");
  });

  it("stays gone for later questions in the same conversation", async () => {
    const world = new OfflineWorld();
    await world.say("My old flatmate Daniel still has the spare key to my flat.");
    await world.say("Please forget that about Daniel and the spare key.");
    expect((await world.say("Who has the spare key to my flat?")).answer).not.toContain("Daniel");
  });

  it("does not take 'don't forget' for a withdrawal", async () => {
    const world = new OfflineWorld();
    const { calls } = await world.say("Don't forget that I'm allergic to peanuts.");
    expect(calls.map((call) => call.args.content)).toEqual(["User is allergic to peanuts."]);
  });
});

describe("questions about the user", () => {
  it("are answered from the context without a look-up", async () => {
    const world = new OfflineWorld();
    await world.say("I'm allergic to peanuts.");
    const { calls, answer } = await world.say("What am I allergic to?");
    expect(calls).toEqual([]);
    expect(answer).toContain("allergic to peanuts");
  });

  it("are answered from memory in another conversation, with the newest state", async () => {
    const world = new OfflineWorld();
    await world.say("I live in Porto. My sister Maya lives in Lyon.");
    await world.say("Actually, I moved to Lisbon.");
    world.messages = [];
    const { calls, answer } = await world.say("Where do I live now?");
    expect(namesOf(calls)).toEqual(["Retrieve_memory"]);
    expect(answer).toContain("Lisbon");
    expect(answer).not.toMatch(/Porto|Lyon/);
  });

  it("are answered with not knowing when nothing fits", async () => {
    const world = new OfflineWorld();
    await world.say("I live in Porto.");
    expect((await world.say("What is my blood type?")).answer).toContain("I do not know");
  });
});

describe("the surface of a chat model", () => {
  it("says that it is no language model", async () => {
    const model = new OfflinePolicy();
    expect(model._llmType()).toBe("agemem-offline-rules");
    const response = await model.bindTools(TOOLS).invoke([system(), new HumanMessage("I live in Porto.")]);
    expect(response.text).toMatch(/^\[offline rules\]/);
    expect(response.response_metadata.model_name).toBe(OFFLINE_POLICY_NAME);
    expect(OFFLINE_POLICY_NAME).toContain("not a language model");
  });

  it("answers without tools, and with tool_choice none", async () => {
    const told = [system(), new HumanMessage("I live in Porto.")];
    expect((await new OfflinePolicy().invoke(told)).tool_calls).toEqual([]);
    const bound = new OfflinePolicy().bindTools(TOOLS, { tool_choice: "none" });
    const response = await bound.invoke(told);
    expect(response.tool_calls).toEqual([]);
    expect(response.text).not.toBe("");
  });

  it("answers at the last step", async () => {
    const last = system("This is your last step: give the final answer now, without tool calls.");
    const response = await new OfflinePolicy()
      .bindTools(TOOLS)
      .invoke([last, new HumanMessage("I live in Porto.")]);
    expect(response.tool_calls).toEqual([]);
  });

  it("does without tools that are absent, renamed or not its own", async () => {
    const other = [{ name: "get_weather", schema: { type: "object", properties: {} } }];
    const told = [system(), new HumanMessage("I live in Porto. What is my blood type?")];
    const response = await new OfflinePolicy().bindTools(other).invoke(told);
    expect(response.tool_calls).toEqual([]);
    const onlyAdd = TOOLS.filter((tool) => tool.name === "Add_memory");
    const second = await new OfflinePolicy().bindTools([...onlyAdd, ...other]).invoke(told);
    expect(namesOf(second.tool_calls ?? [])).toEqual(["Add_memory"]);
  });

  it("streams the same text, calls and usage as it generates", async () => {
    const model = new OfflinePolicy().bindTools(TOOLS);
    const told = [system(), new HumanMessage("I live in Porto. I work as a nurse.")];
    const whole = await model.invoke(told);
    let joined: AIMessageChunk | undefined;
    let chunks = 0;
    for await (const chunk of await model.stream(told)) {
      joined = joined ? joined.concat(chunk) : chunk;
      chunks++;
    }
    expect(chunks).toBeGreaterThan(3);
    expect(joined?.text).toBe(whole.text);
    expect(joined?.tool_calls).toEqual(whole.tool_calls);
    expect(joined?.usage_metadata).toMatchObject(whole.usage_metadata ?? {});
    expect(whole.usage_metadata?.output_tokens).toBeGreaterThan(0);
  });

  it("refuses a negative temperature", () => {
    expect(() => new OfflinePolicy({ temperature: -1 })).toThrow(RangeError);
    expect(() => new OfflinePolicy({ temperature: Number.NaN })).toThrow(RangeError);
  });
});

describe("seed and temperature", () => {
  const told = [system(), new HumanMessage("I live in Porto. I work as a nurse. I love jazz.")];
  const once = async (seed: number, temperature: number) => {
    const response = await new OfflinePolicy({ seed, temperature }).bindTools(TOOLS).invoke(told);
    return JSON.stringify([response.text, response.tool_calls]);
  };

  it("equal seed and messages give equal output, ids included", async () => {
    for (const temperature of [0, 1]) {
      expect(await once(3, temperature)).toBe(await once(3, temperature));
    }
  });

  it("ids of messages do not matter", async () => {
    const again = [system(), new HumanMessage({ id: "other", content: told[1]?.content ?? "" })];
    const model = new OfflinePolicy({ seed: 5, temperature: 1 }).bindTools(TOOLS);
    expect((await model.invoke(again)).tool_calls).toEqual((await model.invoke(told)).tool_calls);
  });

  it("different seeds differ above temperature 0 only", async () => {
    const actions = async (temperature: number) => {
      const texts = await Promise.all(Array.from({ length: 12 }, (_, seed) => once(seed, temperature)));
      return new Set(texts.map((text) => text.replace(/call_\w+/g, ""))).size;
    };
    expect(await actions(1)).toBeGreaterThan(1);
    expect(await actions(0)).toBe(1);
  });
});
