import { AIMessage, type BaseMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { Command, interrupt, MemorySaver } from "@langchain/langgraph";
import { contextEditingMiddleware, createAgent, piiMiddleware, toolStrategy } from "langchain";
import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { AgeMemFilterEdit } from "../../../src/agent/middleware/filter-edit.js";
import { ageMemMiddleware } from "../../../src/agent/middleware/middleware.js";
import type { AgeMemMiddlewareConfig } from "../../../src/agent/middleware/options.js";
import { ContextArchive } from "../../../src/context/archive.js";
import { findChatHistoryProblems } from "../../../src/context/validity.js";
import type { FaissStore } from "../../../src/store/faiss-store.js";
import { ScriptedChatModel, type ScriptedStep } from "../../../src/testing/scripted-model.js";
import { MEMORY_EVENT, OVERFLOW_CALL_ID } from "../../../src/types.js";
import { ada, calls, contents, openStore, outcomesOf, says } from "../helpers.js";

let store: FaissStore;
beforeEach(async () => {
  store = await openStore();
  return () => store.close();
});

function agentWith(steps: ScriptedStep[], config: Partial<AgeMemMiddlewareConfig> = {}, more = {}) {
  const model = new ScriptedChatModel(steps);
  const agent = createAgent({
    model,
    systemPrompt: "You are Otto.",
    middleware: [ageMemMiddleware({ store, ...config })],
    ...more,
  });
  return { agent, model };
}

const page = "The harbour of Oslo was built over many years by many people. ".repeat(25);
const pages = (n: number): BaseMessage[] => [
  ...Array.from({ length: n }, (_, i) => [
    new HumanMessage({ id: `p${i}`, content: `Page ${i}. ${page}` }),
    new AIMessage({ id: `r${i}`, content: `Read ${i}.` }),
  ]).flat(),
  new HumanMessage({ id: "now", content: "What now?" }),
];

describe("ageMemMiddleware", () => {
  it("brings tools, guide and budget to createAgent, behind the agent's own system prompt", async () => {
    const { agent, model } = agentWith([
      calls(["Add_memory", { content: "Ada lives in Oslo." }], ["Retrieve_memory", { query: "Oslo" }]),
      calls(["Retrieve_memory", { query: "Where does Ada live?" }]),
      "Oslo.",
    ]);
    const result = await agent.invoke(says("I live in Oslo."), { context: { user_id: "ada" } });
    expect(result.messages.at(-1)?.text).toBe("Oslo.");
    expect(await contents(store)).toEqual(["Ada lives in Oslo."]);
    const system = model.calls[0]?.messages[0];
    expect(system?.text).toMatch(
      /^You are Otto\.[\s\S]*You look after two memories[\s\S]*Context: about \d+% of 6144 tokens used\.$/,
    );
    expect(model.calls[0]?.tools).toHaveLength(6);
    const [added, , found] = outcomesOf(result.messages);
    expect(added?.tokensBefore).toBeGreaterThan(500);
    expect(found?.memoryIds).toEqual(added?.memoryIds);
    expect(result.ltmVersion).toEqual({ branch: "main", revision: 1 });
    expect(Object.keys(result.contextFacts)).not.toHaveLength(0);
  });

  it("names what the context shows already: the facts are in the state", async () => {
    const { agent } = agentWith([
      calls(["Add_memory", { content: "Ada lives in Oslo." }]),
      calls(["Retrieve_memory", { query: "Oslo" }]),
      calls(["Retrieve_memory", { query: "Oslo" }]),
      "Oslo.",
    ]);
    const result = await agent.invoke(says("Hi."), ada());
    const texts = result.messages.filter((m) => ToolMessage.isInstance(m)).map((m) => m.text);
    expect(texts[1]).toContain("Ada lives in Oslo.");
    expect(texts[2]).toContain('already_in_context="true"');
  });

  it("tells of each operation as it happens", async () => {
    const { agent } = agentWith([
      calls(["Add_memory", { content: "Ada lives in Oslo." }], ["Delete_memory", { memory_id: "m0" }]),
      "Noted.",
    ]);
    const events: unknown[] = [];
    for await (const event of await agent.stream(says("Hi."), { ...ada(), streamMode: "custom" }))
      events.push(event);
    expect(events).toHaveLength(2);
    expect(events).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ event: MEMORY_EVENT, op: "ADD", ok: true }),
        expect.objectContaining({ event: MEMORY_EVENT, op: "DELETE", ok: false }),
      ]),
    );
  });

  it("summarizes the oldest messages at its trigger, keeps what it was told to, and archives", async () => {
    const summarizer = new ScriptedChatModel(["Pages were read."]);
    const { agent, model } = agentWith(["Fine."], {
      summarizer,
      trigger: { messages: 7 },
      keep: { messages: 3 },
    });
    const events: unknown[] = [];
    for await (const event of await agent.stream(
      { messages: pages(3) },
      { ...ada("t"), streamMode: "custom" },
    ))
      events.push(event);
    expect(events).toMatchObject([
      { event: MEMORY_EVENT, op: "SUMMARY", ok: true, toolCallId: OVERFLOW_CALL_ID },
    ]);
    const shown = model.calls[0]?.messages.slice(1) ?? [];
    expect(shown[0]?.text).toContain("Pages were read.");
    expect(shown.slice(1).map((m) => m.id)).toEqual(["p2", "r2", "now"]);
    const archived = await new ContextArchive(store, "t").load((events[0] as { editId: string }).editId);
    expect(archived.messages.map((m) => m.id)).toEqual(["p0", "r0", "p1", "r1"]);
  });

  it.each([
    [{ tokens: 1 }, true],
    [{ tokens: 100_000 }, false],
    [{ fraction: 0.05 }, true],
    [{ fraction: 1 }, false],
    [{ tokens: 1, messages: 99 }, false],
    [[{ messages: 99 }, { tokens: 1 }], true],
    [undefined, false],
  ])("trigger %j: %s", async (trigger, fires) => {
    const summarizer = new ScriptedChatModel(["Pages were read."]);
    const { agent } = agentWith(["Fine."], {
      summarizer,
      keep: { tokens: 50 },
      ...(trigger ? { trigger } : {}),
    });
    const result = await agent.invoke({ messages: pages(2) }, ada());
    expect(summarizer.calls).toHaveLength(fires ? 1 : 0);
    expect(result.messages[0]?.text.includes("Pages were read.")).toBe(fires);
    expect(findChatHistoryProblems(result.messages)).toEqual([]);
  });

  it("goes on when the summarizer fails", async () => {
    const summarizer = new ScriptedChatModel([new Error("down")]);
    const { agent, model } = agentWith(["Fine."], {
      summarizer,
      trigger: { messages: 2 },
      keep: { messages: 1 },
    });
    await agent.invoke({ messages: pages(2) }, ada());
    expect(model.calls[0]?.messages).toHaveLength(6);
  });

  it.each([
    { trigger: { tokens: 0 } },
    { trigger: {} },
    { trigger: { fraction: 2 } },
    { keep: { tokens: 1, messages: 1 } as never },
    { keep: { messages: -1 } },
  ])("refuses %j", (config) => {
    expect(() => ageMemMiddleware({ store, ...config })).toThrow(
      expect.objectContaining({ code: "AGEMEM_CONFIG_INVALID" }),
    );
  });

  it("fails without the user, and stores nothing", async () => {
    const { agent } = agentWith([calls(["Add_memory", { content: "x" }]), "Noted."]);
    await expect(agent.invoke(says("Hi."))).rejects.toThrow(/user_id/);
    expect(store.version().revision).toBe(0);
  });

  it("raises a failing store, while own tools that fail are answered as without the middleware", async () => {
    const fail = tool(
      async () => {
        throw new Error("no signal");
      },
      { name: "fail", description: "", schema: z.object({}) },
    );
    const first = agentWith([calls(["fail", {}]), "Sorry."], {}, { tools: [fail] });
    const own = await first.agent.invoke(says("Hi."), ada());
    expect(own.messages[2]?.text).toContain("no signal");
    await store.close();
    const second = agentWith([calls(["Retrieve_memory", { query: "x" }])]);
    await expect(second.agent.invoke(says("Hi."), ada())).rejects.toThrow("The store is closed");
  });

  it("works with threads, interrupts in own tools, other middleware and structured answers", async () => {
    const book = tool(async () => `booked: ${interrupt("Book it?")}`, {
      name: "book",
      description: "",
      schema: z.object({}),
    });
    const { agent, model } = agentWith(
      [
        calls(["Add_memory", { content: "Mail me at ada@example.com." }], ["book", {}]),
        (_, tools) => calls([tools.at(-1)?.name as string, { city: "Oslo" }]),
      ],
      {},
      {
        tools: [book],
        checkpointer: new MemorySaver(),
        middleware: [
          ageMemMiddleware({ store }),
          piiMiddleware("email", { strategy: "redact", applyToInput: true }),
        ],
        responseFormat: toolStrategy(z.object({ city: z.string() })),
      },
    );
    await agent.invoke(says("I am ada@example.com."), ada("t"));
    expect(model.calls[0]?.messages.some((m) => m.text.includes("ada@example.com"))).toBe(false);
    const state = await agent.graph.getState(ada("t"));
    expect(state.next).toContain("tools");
    expect(await contents(store)).toHaveLength(1);
    const resumed = await agent.invoke(new Command({ resume: "yes" }) as never, ada("t"));
    expect(resumed).toMatchObject({ structuredResponse: { city: "Oslo" } });
    expect(resumed.messages.some((m: BaseMessage) => m.text === "booked: yes")).toBe(true);
    expect(await contents(store)).toHaveLength(1);
  });
});

describe("AgeMemFilterEdit", () => {
  const NOISE = "Buy cheap sunglasses now, cheap sunglasses.";
  const texts = ["I live in Oslo.", "Noted.", NOISE, "I see.", "Well?"];
  const ask = async (config: Omit<ConstructorParameters<typeof AgeMemFilterEdit>[0], "store">) => {
    const model = new ScriptedChatModel(["Fine."]);
    const edits = [new AgeMemFilterEdit({ store, ...config })];
    const agent = createAgent({ model, middleware: [contextEditingMiddleware({ edits })] });
    const messages = texts.map((text, i) => (i % 2 ? new AIMessage(text) : new HumanMessage(text)));
    await agent.invoke({ messages }, ada("t"));
    return model.calls[0]?.messages.map((m) => m.text) ?? [];
  };

  it("keeps noise from the model and archives it", async () => {
    expect(await ask({ criteria: "cheap sunglasses" })).toEqual(texts.filter((text) => text !== NOISE));
    const [archived] = await new ContextArchive(store, "t").list();
    expect(archived?.messages.map((m) => m.message.data.content)).toEqual([NOISE]);
  });

  it("waits for its trigger, and does nothing when nothing fits", async () => {
    expect(await ask({ criteria: "cheap sunglasses", trigger: { messages: 50 } })).toEqual(texts);
    expect(await ask({ criteria: "tax law" })).toEqual(texts);
    expect(await new ContextArchive(store, "t").list()).toEqual([]);
  });
});
