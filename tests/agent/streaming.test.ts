import { AIMessageChunk, BaseMessage, HumanMessage } from "@langchain/core/messages";
import { createAgent } from "langchain";
import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { ageMemMiddleware } from "../../src/agent/middleware/middleware.js";
import type { FaissStore } from "../../src/store/faiss-store.js";
import { ScriptedChatModel } from "../../src/testing/scripted-model.js";
import { MEMORY_EVENT } from "../../src/types.js";
import { ada, calls, openStore, says, scripted } from "./helpers.js";

let store: FaissStore;
beforeEach(async () => {
  store = await openStore();
  return () => store.close();
});

describe("streaming", () => {
  it("gives the answer token by token and never the summarizer's", async () => {
    const summarizer = new ScriptedChatModel(["SECRET notes of the summarizer."]);
    const { agent } = scripted([calls(["Summary_context", { span: "all" }]), "You live in Oslo."], {
      store,
      summarizer,
    });
    const input = {
      messages: ["I live in Oslo.", "And I like it.", "Where do I live?"].map((t) => new HumanMessage(t)),
    };
    const tokens: string[] = [];
    for await (const [chunk, metadata] of await agent.stream(input, { ...ada(), streamMode: "messages" })) {
      if (chunk.type === "ai" && chunk.text) {
        expect(metadata.langgraph_node).toBe("think");
        tokens.push(chunk.text);
      }
    }
    expect(tokens.length).toBeGreaterThanOrEqual(4);
    expect(tokens.join("")).toBe("You live in Oslo.");
    expect(summarizer.calls).toHaveLength(1);
  });

  it("does not stream the emergency summary either", async () => {
    const summarizer = new ScriptedChatModel(["SECRET notes."]);
    const { agent } = scripted(["Fine."], {
      store,
      summarizer,
      budget: { maxTokens: 1500, responseTokens: 100 },
    });
    const page = "The harbour was built over many years by many people. ".repeat(60);
    const tokens: string[] = [];
    const input = { messages: [page, page, "What now?"].map((t) => new HumanMessage(t)) };
    for await (const [chunk] of await agent.stream(input, { ...ada(), streamMode: "messages" })) {
      if (chunk.type === "ai") tokens.push(chunk.text);
    }
    expect(tokens.join("")).toBe("Fine.");
    expect(summarizer.calls).toHaveLength(1);
  });

  it("does not stream the structured answer, which the state gives", async () => {
    const structured = new AIMessageChunk({
      content: "SECRET draft",
      tool_calls: [{ name: "extract", args: { city: "Oslo" }, id: "s1" }],
    });
    const { agent } = scripted(["You live in Oslo.", structured], {
      store,
      responseFormat: z.object({ city: z.string() }),
    });
    const shown: unknown[] = [];
    let values: Record<string, unknown> = {};
    for await (const [mode, chunk] of await agent.stream(says("Where do I live?"), {
      ...ada(),
      streamMode: ["messages", "updates", "values"],
    })) {
      if (mode === "values") values = chunk;
      else shown.push(mode === "messages" ? (chunk as unknown[])[0] : chunk);
    }
    expect(JSON.stringify(shown)).not.toContain("SECRET");
    expect(JSON.stringify(values)).not.toContain("SECRET");
    expect(values.structuredResponse).toEqual({ city: "Oslo" });
    expect(JSON.stringify(shown.filter((each) => each instanceof BaseMessage))).not.toContain("extract");
  });

  it("tells of each memory operation as it happens, refused ones included", async () => {
    const { agent } = scripted(
      [
        calls(
          ["Add_memory", { content: "Ada lives in Oslo." }],
          ["Update_memory", { memory_id: "m0", content: "x" }],
        ),
        "Done.",
      ],
      { store },
    );
    const events = [];
    for await (const event of await agent.stream(says("Hi."), { ...ada(), streamMode: "custom" }))
      events.push(event);
    expect(events).toMatchObject([
      { event: MEMORY_EVENT, op: "ADD", ok: true, revisionAfter: 1, memoryIds: [expect.any(String)] },
      { event: MEMORY_EVENT, op: "UPDATE", ok: false, error: { code: "AGEMEM_MEMORY_NOT_FOUND" } },
    ]);
  });

  it("tells of each operation once, also when one replaces the context", async () => {
    const { agent } = scripted(
      [
        calls(["Add_memory", { content: "Ada." }], ["Filter_context", { criteria: "cheap sunglasses" }]),
        calls(["Retrieve_memory", { query: "Ada" }]),
        "Done.",
      ],
      { store },
    );
    const messages = ["cheap sunglasses", "Well?"].map((text) => new HumanMessage(text));
    const ops = [];
    for await (const event of await agent.stream({ messages }, { ...ada(), streamMode: "custom" }))
      ops.push(event.op);
    expect(ops).toEqual(["ADD", "FILTER", "RETRIEVE"]);
  });

  it("carries the operations in streamEvents, each once", async () => {
    const steps = () => [
      calls(["Add_memory", { content: "Ada." }], ["Update_memory", { memory_id: "m0", content: "x" }]),
      "Done.",
    ];
    const own = scripted(steps(), { store }).agent;
    const model = new ScriptedChatModel(steps());
    const langchains = createAgent({ model, middleware: [ageMemMiddleware({ store })] });
    for (const agent of [own, langchains.graph]) {
      const told: unknown[] = [];
      for await (const { event, name, data } of agent.streamEvents(says("Hi."), {
        ...ada(),
        version: "v2",
      })) {
        if (event === "on_custom_event" && name === MEMORY_EVENT) told.push(data);
      }
      expect(told).toHaveLength(2);
      expect(told).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ kind: "agemem.op/1", op: "ADD" }),
          expect.objectContaining({ op: "UPDATE", ok: false }),
        ]),
      );
    }
  });

  it("stops when the caller aborts", async () => {
    const controller = new AbortController();
    const { agent } = scripted(
      [
        () => {
          controller.abort();
          return calls(["Add_memory", { content: "x" }]);
        },
      ],
      { store },
    );
    await expect(agent.invoke(says("Hi."), { ...ada(), signal: controller.signal })).rejects.toThrow();
    expect(store.version().revision).toBe(0);
  });
});
