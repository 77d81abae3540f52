/** The step limit and the token budget. */
import { AIMessage, HumanMessage, SystemMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { Command, MemorySaver } from "@langchain/langgraph";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ContextArchive } from "../../src/context/archive.js";
import { newestUserMessage } from "../../src/context/messages.js";
import { findChatHistoryProblems } from "../../src/context/validity.js";
import { ScriptedChatModel, type ScriptedStep } from "../../src/testing/scripted-model.js";
import { MEMORY_EVENT, OVERFLOW_CALL_ID } from "../../src/types.js";
import { ada, calls, openStore, says, scripted } from "./helpers.js";

const look = (): ScriptedStep => calls(["Retrieve_memory", { query: "x" }]);

describe("the step limit", () => {
  it("asks for an answer without tools at the last step", async () => {
    const store = await openStore();
    const { agent, model } = scripted([look(), look(), "Enough."], { store, maxSteps: 3 });
    const result = await agent.invoke(says("Hi."), ada());
    expect(result).toMatchObject({ finalAnswer: "Enough.", status: "answered", steps: 3 });
    const lines = model.calls.map((call) => call.messages[0]?.text.includes("This is your last step"));
    expect(lines).toEqual([false, false, true]);
  });

  it("answers calls that come all the same, without running them", async () => {
    const store = await openStore();
    const { agent } = scripted([look(), calls(["Add_memory", { content: "x" }])], { store, maxSteps: 2 });
    const result = await agent.invoke(says("Hi."), ada());
    expect(result).toMatchObject({ finalAnswer: null, status: "max_steps", steps: 2 });
    expect(result.messages.at(-1)?.text).toBe("Not run: the step limit was reached.");
    expect(findChatHistoryProblems(result.messages)).toEqual([]);
    expect(store.version().revision).toBe(0);
  });

  it('stops after the last tool calls when "stop" is asked for, by options or by the run', async () => {
    const store = await openStore();
    for (const [options, context] of [
      [{ maxSteps: 1, onMaxSteps: "stop" as const }, {}],
      [{}, { max_steps: 1, on_max_steps: "stop" }],
    ] as const) {
      const { agent, model } = scripted([calls(["Add_memory", { content: "x", force: true }])], {
        store,
        ...options,
      });
      const result = await agent.invoke(says("Hi."), { context: { user_id: "ada", ...context } });
      expect(result).toMatchObject({ finalAnswer: null, status: "max_steps", steps: 1 });
      expect(model.calls[0]?.messages[0]?.text).not.toContain("last step");
      expect(findChatHistoryProblems(result.messages)).toEqual([]);
    }
    expect(store.version().revision).toBe(2);
  });

  it("starts again with the next user message", async () => {
    const store = await openStore();
    const { agent } = scripted([look(), "A.", look(), "B."], { store, maxSteps: 2 });
    const first = await agent.invoke(says("One."), ada());
    const second = await agent.invoke(
      { ...first, messages: [...first.messages, new HumanMessage("Two.")] },
      ada(),
    );
    expect(second).toMatchObject({ finalAnswer: "B.", steps: 2 });
  });
});

describe("what stands in the user's role or after it does not begin the count anew", () => {
  const remind = (command: boolean) =>
    tool(
      async (_, run) => {
        const messages = [new HumanMessage("Reminder: be brief."), { role: "user", content: "Very brief." }];
        const answer = new ToolMessage({
          content: "ok",
          tool_call_id: (run as { toolCallId: string }).toolCallId,
        });
        return new Command({ update: { messages: command ? [answer, ...messages] : [...messages, answer] } });
      },
      { name: "remind", description: "", schema: z.object({}) },
    );

  it.each([true, false])("an own tool's messages (after its answer: %s)", async (after) => {
    const store = await openStore();
    const steps = new Array(6).fill(calls(["remind", {}]));
    const { agent, model } = scripted([...steps, "Done."], { store, tools: [remind(after)], maxSteps: 3 });
    const result = await agent.invoke(says("Hi."), ada());
    expect(result).toMatchObject({ status: "max_steps", steps: 3 });
    expect(model.calls).toHaveLength(3);
    // The user's newest message is still the user's: edits keep it, and limits count from it.
    expect(newestUserMessage(result.messages)?.text).toBe("Hi.");
  });

  it("a developer's message after the user's does not go on with the steps of the last turn", async () => {
    const store = await openStore();
    const { agent } = scripted([look(), look(), "A.", look(), look(), "B."], {
      store,
      maxSteps: 4,
      checkpointer: new MemorySaver(),
    });
    await agent.invoke(says("One."), ada("t"));
    const messages = [new HumanMessage("Two."), new SystemMessage("Be brief.")];
    const second = await agent.invoke({ messages }, ada("t"));
    expect(second).toMatchObject({ finalAnswer: "B.", steps: 3 });
    expect(second.usage.policy.calls).toBe(3);
  });

  it("a run that failed counts on when it is taken up again, and not for the next message", async () => {
    const store = await openStore();
    const { agent } = scripted(
      [look(), new Error("down"), look(), "A.", look(), new Error("down"), look(), "B."],
      { store, maxSteps: 3, checkpointer: new MemorySaver() },
    );
    await expect(agent.invoke(says("One."), ada("t"))).rejects.toThrow();
    expect(await agent.invoke(null, ada("t"))).toMatchObject({ finalAnswer: "A.", steps: 3 });
    await expect(agent.invoke(says("Two."), ada("t"))).rejects.toThrow();
    expect(await agent.invoke(says("Three."), ada("t"))).toMatchObject({ finalAnswer: "B.", steps: 2 });
  });
});

describe("the overflow guard", () => {
  const page = "The harbour of Oslo was built over many years by many people. ".repeat(30);
  const long = () => [
    ...[0, 1, 2, 3].flatMap((i) => [new HumanMessage(`Page ${i}. ${page}`), new AIMessage(`Read ${i}.`)]),
    new HumanMessage("What now?"),
  ];
  const budget = { maxTokens: 2000, responseTokens: 200 };

  it("summarizes the oldest rounds before the call, tells of it, and archives them", async () => {
    const store = await openStore();
    const summarizer = new ScriptedChatModel(["Pages were read.", "Pages were read."]);
    const { agent, model } = scripted(["Fine."], { store, summarizer, budget });
    const events: { op: string; toolCallId: string; editId: string }[] = [];
    for await (const [mode, chunk] of await agent.stream(
      { messages: long() },
      { ...ada("t"), streamMode: ["custom", "values"] },
    )) {
      if (mode === "custom" && chunk.event === MEMORY_EVENT) events.push(chunk);
    }
    expect(events).toMatchObject([{ op: "SUMMARY", toolCallId: OVERFLOW_CALL_ID, ok: true }]);
    const shown = model.calls[0]?.messages ?? [];
    expect(shown[1]?.text).toContain("Pages were read.");
    expect(shown.at(-1)?.text).toBe("What now?");
    const archived = await new ContextArchive(store, "t").load(events[0]?.editId as string);
    expect(archived.kind).toBe("emergency");
    expect(archived.messages[0]?.message.data.content).toContain("Page 0.");
  });

  it("keeps the shortened context in the state", async () => {
    const store = await openStore();
    const { agent } = scripted(["Fine."], {
      store,
      summarizer: new ScriptedChatModel(["Pages were read."]),
      budget,
    });
    const result = await agent.invoke({ messages: long() }, ada());
    expect(result).toMatchObject({ overflows: 1, status: "answered" });
    expect(result.contextTokens).toBeLessThanOrEqual(1800);
    expect(result.messages[0]?.text).toContain("Pages were read.");
    expect(findChatHistoryProblems(result.messages)).toEqual([]);
  });

  it("only records in training", async () => {
    const store = await openStore();
    const { agent, model } = scripted(["Fine."], { store, budget, onOverflow: "record" });
    const result = await agent.invoke({ messages: long() }, ada());
    expect(result.overflows).toBe(1);
    expect(model.calls[0]?.messages).toHaveLength(10);
    expect(result.contextTokens).toBeGreaterThan(2000);
  });

  it("leaves the context whole when the summarizer fails", async () => {
    const store = await openStore();
    const summarizer = new ScriptedChatModel([new Error("down")]);
    const { agent, model } = scripted(["Fine."], { store, summarizer, budget });
    const result = await agent.invoke({ messages: long() }, ada());
    expect(result).toMatchObject({ finalAnswer: "Fine.", overflows: 1 });
    expect(model.calls[0]?.messages).toHaveLength(10);
  });

  it("does nothing while the prompt leaves room for the response", async () => {
    const store = await openStore();
    const { agent } = scripted(["Fine."], { store, budget: { maxTokens: 20_000, responseTokens: 200 } });
    expect(await agent.invoke({ messages: long() }, ada())).toMatchObject({ overflows: 0 });
  });
});
