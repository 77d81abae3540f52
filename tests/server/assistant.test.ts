/** What an assistant of a server may set about the deployed agent. */
import { describe, expect, it } from "vitest";
import { createAgeMemAgent } from "../../src/agent/agent.js";
import { assistantOptions, readAssistantSettings } from "../../src/server/assistant.js";
import { openEnvironment } from "../../src/server/environment.js";
import { ScriptedChatModel } from "../../src/testing/scripted-model.js";
import { calls, openStore, outcomesOf, says, scripted } from "../agent/helpers.js";

describe("assistant settings", () => {
  it("become options; what belongs to others is left alone", async () => {
    const settings = readAssistantSettings(
      { thread_id: "t", user_id: "ada", max_tokens: 1000, response_tokens: 100, interrupt_on: ["DELETE"] },
      undefined,
      { protocol: "text", namespace: ["memories", "{org}", "{user_id}"], system_prompt: "You are Otto." },
    );
    const store = await openStore();
    const { agent: base, model } = scripted(["<answer>Hi.</answer>"], { store });
    expect(base).toBeDefined();
    const agent = createAgeMemAgent(await assistantOptions({ model, store }, settings));
    const run = { context: { user_id: "ada", org: "acme" } };
    await expect(agent.invoke(says("Hi."), run)).resolves.toMatchObject({ finalAnswer: "Hi." });
    const system = model.calls[0]?.messages[0]?.text;
    expect(system).toMatch(/^You are Otto\.[\s\S]*<tool_call>[\s\S]*of 900 tokens/);
    await store.close();
  });

  it("limit what the model may do, each on its own", async () => {
    const settings = readAssistantSettings({ limits: { operations: 1 } });
    const store = await openStore();
    const look = calls(["Retrieve_memory", { query: "x" }], ["Retrieve_memory", { query: "y" }]);
    const model = new ScriptedChatModel([look, "Done."]);
    const agent = createAgeMemAgent(await assistantOptions({ model, store }, settings));
    const { messages } = await agent.invoke(says("Hi."), { context: { user_id: "ada" } });
    expect(outcomesOf(messages).map((outcome) => outcome.error?.code)).toEqual([
      undefined,
      "AGEMEM_MEMORY_LIMIT",
    ]);
    await store.close();
  });

  it.each([
    { limits: { memories: 0 } },
    { limits: { calls: 3 } },
    { max_tokens: "many" },
    { interrupt_on: ["EVERYTHING"] },
    { namespace: [] },
    { protocol: "xml" },
  ])("refuse %j", (wrong) => {
    expect(() => readAssistantSettings(wrong)).toThrow(
      expect.objectContaining({ code: "AGEMEM_CONFIG_INVALID" }),
    );
  });

  it("need no checkpointer for what needs one: the server brings it", async () => {
    const settings = readAssistantSettings({ interrupt_on: ["DELETE"], memory_consistency: "checkpoint" });
    const store = await openStore();
    const model = new ScriptedChatModel([]);
    const options = await assistantOptions({ model, store }, settings);
    expect(() => createAgeMemAgent(options)).not.toThrow();
    await store.close();
  });

  it("name another model, which counts tokens in its own way; offline are the rules", async () => {
    const env = { OPENAI_API_KEY: "sk-1", AGEMEM_MODEL: "openai:gpt-4", AGEMEM_EMBEDDINGS: "lexical" };
    const { agent, store } = await openEnvironment({ env, storePath: ":memory:" });
    expect(await assistantOptions(agent, {})).toMatchObject({ model: agent.model, counter: agent.counter });
    const rules = await assistantOptions(agent, { model: "offline" });
    expect(rules.counter?.name).not.toBe(agent.counter?.name);
    const run = { context: { user_id: "ada" } };
    const { finalAnswer } = await createAgeMemAgent(rules).invoke(says("My name is Ada."), run);
    expect(finalAnswer).toBeTruthy();
    await store.close();
  });
});
