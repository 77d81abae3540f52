import { AIMessage, HumanMessage, type SystemMessage } from "@langchain/core/messages";
import { MemorySaver } from "@langchain/langgraph";
import { beforeEach, describe, expect, it } from "vitest";
import { createAgeMemAgent } from "../../src/agent/agent.js";
import { findChatHistoryProblems } from "../../src/context/validity.js";
import type { FaissStore } from "../../src/store/faiss-store.js";
import { ScriptedChatModel } from "../../src/testing/scripted-model.js";
import { ada, calls, contents, openStore, outcomesOf, says, scripted } from "./helpers.js";

let store: FaissStore;
beforeEach(async () => {
  store = await openStore();
  return () => store.close();
});

describe("one invocation", () => {
  it("thinks, acts and answers", async () => {
    const { agent, model } = scripted([calls(["Add_memory", { content: "Ada lives in Oslo." }]), "Noted."], {
      store,
    });
    const result = await agent.invoke(says("I live in Oslo."), ada());
    expect(result).toMatchObject({
      finalAnswer: "Noted.",
      status: "answered",
      steps: 2,
      formatErrors: 0,
      overflows: 0,
    });
    expect(result.messages.map((m) => m.type)).toEqual(["human", "ai", "tool", "ai"]);
    expect(result.ltmVersion).toEqual({ branch: "main", revision: 1 });
    expect(await contents(store)).toEqual(["Ada lives in Oslo."]);
    model.assertDone();
  });

  it("shows the model its instructions, the guide, the budget and all tools; the state keeps none of it", async () => {
    const { agent, model } = scripted(["Hi."], { store, systemPrompt: "You are Otto." });
    const result = await agent.invoke(says("Hello."), ada());
    const [asked] = model.calls;
    const system = asked?.messages[0] as SystemMessage;
    expect(system.type).toBe("system");
    expect(system.text).toMatch(/^You are Otto\.\n\n/);
    expect(system.text).toContain("Retrieve_memory to learn its id, then Update_memory");
    expect(system.text).toMatch(/Context: about \d+% of 6144 tokens used\.$/);
    expect(asked?.tools.map((tool) => tool.name)).toEqual([
      "Add_memory",
      "Update_memory",
      "Delete_memory",
      "Retrieve_memory",
      "Summary_context",
      "Filter_context",
    ]);
    expect(asked?.tools[1]?.parameters).toMatchObject({ required: ["memory_id", "content"] });
    expect(result.messages.some((m) => m.type === "system")).toBe(false);
  });

  it("counts the whole prompt: system prompt and tools as well as messages", async () => {
    const { agent } = scripted([calls(["Retrieve_memory", { query: "x" }]), "Hi."], { store });
    const result = await agent.invoke(says("Hello."), ada());
    const [outcome] = outcomesOf(result.messages);
    expect(result.contextOverhead).toBeGreaterThan(300);
    expect(outcome?.tokensBefore).toBeGreaterThan(result.contextOverhead);
    expect(result.contextTokens).toBeGreaterThan(outcome?.tokensAfter as number);
  });

  it("fails without the user it is for, and stores nothing", async () => {
    const { agent } = scripted([calls(["Add_memory", { content: "x" }]), "Noted."], { store });
    await expect(agent.invoke(says("Hello."))).rejects.toMatchObject({
      code: "AGEMEM_NAMESPACE_VALUE_MISSING",
    });
    expect(store.version().revision).toBe(0);
  });
});

describe("calls of one response", () => {
  it("run in order: DELETE, then UPDATE of the same id is refused", async () => {
    const id = await seed("Ada lives in Oslo.");
    const { agent } = scripted(
      [
        calls(
          ["Delete_memory", { memory_id: id, confirmation: true }],
          ["Update_memory", { memory_id: id, content: "x" }],
        ),
        "Done.",
      ],
      { store },
    );
    const result = await agent.invoke(says("Forget it."), ada());
    expect(outcomesOf(result.messages).map((o) => [o.op, o.ok, o.error?.code])).toEqual([
      ["DELETE", true, undefined],
      ["UPDATE", false, "AGEMEM_MEMORY_NOT_FOUND"],
    ]);
    expect(await contents(store)).toEqual([]);
  });

  it("see what the ones before left: ADD then RETRIEVE finds it, FILTER after RETRIEVE counts it", async () => {
    const { agent } = scripted(
      [
        calls(
          ["Add_memory", { content: "Ada lives in Oslo." }],
          ["Retrieve_memory", { query: "Where does Ada live?" }],
          ["Filter_context", { criteria: "cheap sunglasses" }],
        ),
        "Oslo.",
      ],
      { store },
    );
    const input = {
      messages: [new HumanMessage("cheap sunglasses"), new AIMessage("I see."), new HumanMessage("Well?")],
    };
    const result = await agent.invoke(input, ada());
    const [added, found, filtered] = outcomesOf(result.messages);
    expect(found?.memoryIds).toEqual(added?.memoryIds);
    expect(found?.tokensBefore).toBeGreaterThan(added?.tokensBefore as number);
    expect(filtered?.ok).toBe(true);
    expect(filtered?.tokensBefore).toBeGreaterThan(found?.tokensBefore as number);
    expect(filtered?.tokensAfter).toBeLessThan(filtered?.tokensBefore as number);
    expect(result.messages.map((m) => m.text)).not.toContain("cheap sunglasses");
    expect(result.messages.filter((m) => m.type === "tool")).toHaveLength(3);
    expect(findChatHistoryProblems(result.messages)).toEqual([]);
  });

  it("may both edit the context", async () => {
    const LONG =
      "I live in Oslo, in a small house by the harbour, and I walk to work every morning, also when it rains.";
    const summarizer = new ScriptedChatModel(["They talked.", "They talked more."]);
    const { agent } = scripted(
      [
        calls(["Filter_context", { criteria: "cheap sunglasses" }], ["Summary_context", { span: "all" }]),
        "Done.",
      ],
      { store, summarizer },
    );
    const input = {
      messages: ["cheap sunglasses", "Hm.", LONG, "Noted.", "Well?"].map((text, i) =>
        i % 2 ? new AIMessage(text) : new HumanMessage(text),
      ),
    };
    const result = await agent.invoke(input, ada());
    expect(outcomesOf(result.messages).map((o) => o.ok)).toEqual([true, true]);
    expect(summarizer.calls[0]?.messages[1]?.text).not.toContain("sunglasses");
    expect(result.messages.map((m) => m.type)).toEqual(["human", "human", "ai", "tool", "tool", "ai"]);
    expect(result.messages[0]?.text).toContain("They talked.");
  });

  it("get ids of their own where the model gave none or one twice", async () => {
    const reply = new AIMessage({
      content: "",
      tool_calls: [
        { name: "Add_memory", args: { content: "A lives in Oslo." }, id: "x" },
        { name: "Add_memory", args: { content: "B likes fish." }, id: "x" },
        { name: "Add_memory", args: { content: "C plays chess." } },
      ],
    });
    const { agent } = scripted([reply, "Done."], { store });
    const result = await agent.invoke(says("Hello."), ada());
    expect(findChatHistoryProblems(result.messages)).toEqual([]);
    expect(await contents(store)).toHaveLength(3);
  });
});

describe("renamed and fewer tools", () => {
  it("keep working", async () => {
    const { agent, model } = scripted([calls(["remember", { content: "Ada lives in Oslo." }]), "Noted."], {
      store,
      names: { ADD: "remember" },
      operations: ["ADD", "RETRIEVE"],
    });
    await agent.invoke(says("I live in Oslo."), ada());
    expect(model.calls[0]?.tools.map((tool) => tool.name)).toEqual(["remember", "Retrieve_memory"]);
    expect(await contents(store)).toHaveLength(1);
  });

  it("refuse an own tool of the same name", () => {
    const [twin] = toolsNamed("Add_memory");
    expect(() =>
      createAgeMemAgent({ model: new ScriptedChatModel([]), store, tools: [twin as never] }),
    ).toThrow(expect.objectContaining({ code: "AGEMEM_CONFIG_INVALID" }));
  });
});

describe("threads", () => {
  it("keep their context; memory is shared between a user's threads and not with others", async () => {
    const { agent, model } = scripted(
      [
        calls(["Add_memory", { content: "Ada lives in Oslo." }]),
        "Noted.",
        "Yes.",
        calls(["Retrieve_memory", { query: "Where does Ada live?" }]),
        "Oslo.",
        calls(["Retrieve_memory", { query: "Where does Ada live?" }]),
        "I do not know.",
      ],
      { store, checkpointer: new MemorySaver() },
    );
    await agent.invoke(says("I live in Oslo."), ada("t1"));
    const again = await agent.invoke(says("Do you remember?"), ada("t1"));
    expect(again.messages.map((m) => m.type)).toEqual(["human", "ai", "tool", "ai", "human", "ai"]);
    expect(again.steps).toBe(1);
    const other = await agent.invoke(says("Where do I live?"), ada("t2"));
    expect(other.messages[0]?.text).toBe("Where do I live?");
    expect(other.messages[2]?.text).toContain("Ada lives in Oslo.");
    const bob = await agent.invoke(says("Where do I live?"), {
      context: { user_id: "bob" },
      configurable: { thread_id: "t3" },
    });
    expect(bob.messages[2]?.text).toContain('count="0"');
    model.assertDone();
  });

  it("show an interrupted history in a valid form", async () => {
    const { agent, model } = scripted(["Hi."], { store });
    const broken = new AIMessage({ content: "", tool_calls: [{ name: "Add_memory", args: {}, id: "lost" }] });
    await agent.invoke({ messages: [new HumanMessage("a"), broken, new HumanMessage("b")] }, ada());
    expect(findChatHistoryProblems(model.calls[0]?.messages ?? [])).toEqual([]);
  });
});

async function seed(content: string): Promise<string> {
  const { agent } = scripted([calls(["Add_memory", { content }]), "Noted."], { store });
  const result = await agent.invoke(says(content), ada());
  return outcomesOf(result.messages)[0]?.memoryIds[0] as string;
}

function toolsNamed(...names: string[]): { name: string }[] {
  return names.map((name) => ({ name, description: "", schema: { type: "object", properties: {} } }));
}
