/** Whose run it is, in all three forms: known before a model is asked, and a thread belongs to the user of its first run. */

import type { AIMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import {
  Command,
  END,
  interrupt,
  MemorySaver,
  MessagesAnnotation,
  START,
  StateGraph,
} from "@langchain/langgraph";
import { ToolNode } from "@langchain/langgraph/prebuilt";
import { createAgent } from "langchain";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ageMemMiddleware } from "../../src/agent/middleware/middleware.js";
import { AgentState } from "../../src/agent/state.js";
import { OfflineSummarizer } from "../../src/offline/summarizer.js";
import type { FaissStore } from "../../src/store/faiss-store.js";
import { ScriptedChatModel } from "../../src/testing/scripted-model.js";
import { memoryGate } from "../../src/tools/memory-gate.js";
import { createMemoryTools } from "../../src/tools/memory-tools.js";
import { ada, calls, contents, openStore, says, scripted } from "./helpers.js";

type Run = { context?: Record<string, unknown>; configurable?: Record<string, unknown> };
interface Form {
  model: ScriptedChatModel;
  invoke(input: unknown, run: Run): Promise<unknown>;
}

const ask = tool(() => String(interrupt("May I?")), {
  name: "ask",
  description: "Asks.",
  schema: z.object({}),
});

function agentForm(store: FaissStore, steps: ConstructorParameters<typeof ScriptedChatModel>[0]): Form {
  const { agent, model } = scripted(steps, {
    store,
    checkpointer: new MemorySaver(),
    tools: [ask],
    interruptOn: { Delete_memory: true },
  });
  return { model, invoke: (input, run) => agent.invoke(input as never, run as never) };
}

function middlewareForm(store: FaissStore, steps: ConstructorParameters<typeof ScriptedChatModel>[0]): Form {
  const model = new ScriptedChatModel(steps);
  const agent = createAgent({
    model,
    tools: [ask],
    middleware: [ageMemMiddleware({ store })],
    checkpointer: new MemorySaver(),
  });
  return { model, invoke: (input, run) => agent.invoke(input as never, run as never) };
}

function ownGraphForm(store: FaissStore, steps: ConstructorParameters<typeof ScriptedChatModel>[0]): Form {
  const model = new ScriptedChatModel(steps);
  const tools = [...createMemoryTools({ store, summarizer: new OfflineSummarizer() }), ask];
  const graph = new StateGraph(AgentState)
    .addNode("whose", memoryGate())
    .addNode("model", async ({ messages }) => ({ messages: [await model.bindTools(tools).invoke(messages)] }))
    .addNode("tools", new ToolNode(tools, { handleToolErrors: false }))
    .addEdge(START, "whose")
    .addEdge("whose", "model")
    .addConditionalEdges("model", ({ messages }) =>
      (messages.at(-1) as AIMessage).tool_calls?.length ? "tools" : END,
    )
    .addEdge("tools", "whose")
    .compile({ checkpointer: new MemorySaver() });
  return { model, invoke: (input, run) => graph.invoke(input as never, run as never) };
}

const forms = [
  ["createAgeMemAgent", agentForm],
  ["ageMemMiddleware", middlewareForm],
  ["createMemoryTools behind memoryGate", ownGraphForm],
] as const;
const on = (thread: string, user: string): Run => ({
  context: { user_id: user },
  configurable: { thread_id: thread },
});

describe.each(forms)("%s", (_, make) => {
  it.each<[string, Run]>([
    ["nobody", {}],
    ["an empty name", { context: { user_id: "" } }],
    ["a number", { context: { user_id: 5 } }],
    ["an object", { configurable: { user_id: { id: "ada" } } }],
    [
      "a client's claim beside the server's user without identity",
      { context: { user_id: "ada" }, configurable: { langgraph_auth_user_id: "" } },
    ],
  ])("asks no model for %s", async (_, run) => {
    const { model, invoke } = make(await openStore(), ["Hello."]);
    const configurable = { thread_id: "t", ...run.configurable };
    await expect(invoke(says("Hi"), { ...run, configurable })).rejects.toMatchObject({
      code: expect.stringMatching(/^AGEMEM_(NAMESPACE_VALUE_MISSING|AUTH_REQUIRED)$/),
    });
    expect(model.calls).toHaveLength(0);
  });

  it("works for the authenticated user, whatever else the run says", async () => {
    const store = await openStore();
    const { invoke } = make(store, [calls(["Add_memory", { content: "Ben's." }]), "Noted."]);
    const stamp = { langgraph_auth_user_id: "ben", langgraph_auth_user: { identity: "ben" } };
    await invoke(says("Hi"), {
      context: { user_id: "ada" },
      configurable: { thread_id: "t", user_id: "ada", ...stamp },
    });
    expect(await contents(store, "ada")).toEqual([]);
    expect(await contents(store, "ben")).toEqual(["Ben's."]);
  });

  it("refuses another user's run on a thread, and goes on with its own", async () => {
    const { model, invoke } = make(await openStore(), ["Hello.", "Hello again."]);
    await invoke(says("Hi"), on("t", "ada"));
    expect(await codeOf(invoke(says("What did I say?"), on("t", "ben")))).toBe("AGEMEM_THREAD_OWNER");
    expect(model.calls).toHaveLength(1);
    await invoke(says("Hi"), on("t", "ada"));
    expect(model.calls).toHaveLength(2);
  });

  it("refuses another user's resume before a model is asked", async () => {
    const { model, invoke } = make(await openStore(), [calls(["ask", {}]), "Done."]);
    await invoke(says("Hi"), on("t", "ada"));
    const stolen = invoke(new Command({ resume: "yes" }), on("t", "ben"));
    expect(await codeOf(stolen)).toBe("AGEMEM_THREAD_OWNER");
    expect(model.calls).toHaveLength(1);
  });
});

/** langchain wraps what a hook around a tool throws. */
const codeOf = (run: Promise<unknown>) =>
  run.then(
    () => "went through",
    (error: { code?: string; cause?: { code?: string } }) => error.code ?? error.cause?.code,
  );

describe("the owner of a thread", () => {
  it.each([
    ["null", null],
    ["another", "ben"],
    ["an overwrite", { __overwrite__: null }],
    ["a typed overwrite", { type: "__overwrite__", value: null }],
  ])("is not changed by a command or state update with %s", async (_, memoryOwner) => {
    const { agent } = scripted(["Hello.", "Hello.", "Hello."], {
      store: await openStore(),
      checkpointer: new MemorySaver(),
    });
    await agent.invoke(says("Hi"), ada("t"));
    const owner = async () => (await agent.getState(ada("t"))).values.memoryOwner;
    const before = await owner();
    expect(before).toMatch(/^[0-9a-f]{64}$/);
    const taken = agent.invoke(
      new Command({ update: { memoryOwner }, goto: "think" }) as never,
      on("t", "ben") as never,
    );
    await expect(taken).rejects.toThrow();
    await agent.updateState(ada("t"), { memoryOwner } as never, "think").catch(() => undefined);
    expect(await owner()).toBe(before);
    await expect(agent.invoke(says("Hi"), on("t", "ben") as never)).rejects.toMatchObject({
      code: "AGEMEM_THREAD_OWNER",
    });
  });

  it("stays through a copy, an earlier checkpoint and a renamed namespace", async () => {
    const store = await openStore();
    const checkpointer = new MemorySaver();
    const { agent } = scripted(["One.", "Two."], { store, checkpointer });
    await agent.invoke(says("Hi"), ada("t"));
    const { config } = await agent.getState(ada("t"));
    await agent.invoke(says("More"), ada("t"));
    const past = { ...on("t", "ben"), configurable: { ...config.configurable } };
    await expect(agent.invoke(says("Hi"), past as never)).rejects.toMatchObject({
      code: "AGEMEM_THREAD_OWNER",
    });
    const moved = scripted(["Three."], { store, checkpointer, namespace: ["m", "of", "{user_id}"] });
    await expect(moved.agent.invoke(says("Hi"), ada("t"))).resolves.toMatchObject({ finalAnswer: "Three." });
  });

  it("is told with code and remedy where a server runs the graph, and as it is elsewhere", async () => {
    const { agent } = scripted(["Hello."], { store: await openStore() });
    const plain = await agent.invoke(says("Hi"), {}).catch((error: Error) => error);
    expect(plain).toMatchObject({
      code: "AGEMEM_NAMESPACE_VALUE_MISSING",
      message: expect.not.stringContaining("AGEMEM"),
    });
    const served = { configurable: { assistant_id: "a", graph_id: "agent" } };
    const told = await agent.invoke(says("Hi"), served).catch((error: Error) => error);
    expect(told).toMatchObject({
      name: "ConfigError",
      code: "AGEMEM_NAMESPACE_VALUE_MISSING",
      message: expect.stringMatching(/^AGEMEM_NAMESPACE_VALUE_MISSING: .* Pass it with the run/),
    });
  });

  it("limits and the key of seeded runs are not an authenticated user's to set", async () => {
    const { agent, model } = scripted([calls(["Retrieve_memory", { query: "x" }]), "Done."], {
      store: await openStore(),
    });
    const configurable = { langgraph_auth_user_id: "ada", agemem_run_key: "mine" };
    const { messages } = await agent.invoke(says("Hi"), { context: { max_steps: 1 }, configurable } as never);
    expect(model.calls).toHaveLength(2);
    const seeded = await agent
      .invoke(says("Hi"), { ...ada(), configurable: { agemem_run_key: "mine" } })
      .catch(() => undefined);
    expect(messages.at(-1)?.id).not.toMatch(/^a[0-9a-z]{12}$/);
    expect(seeded?.messages.at(-1)?.id ?? "a000000000000").toMatch(/^a/);
  });

  it("the tools alone refuse at their first call, for a graph without the gate", async () => {
    const model = new ScriptedChatModel([calls(["Add_memory", { content: "x" }])]);
    const tools = createMemoryTools({ store: await openStore(), summarizer: new OfflineSummarizer() });
    const graph = new StateGraph(MessagesAnnotation)
      .addNode("model", async ({ messages }) => ({
        messages: [await model.bindTools(tools).invoke(messages)],
      }))
      .addNode("tools", new ToolNode(tools, { handleToolErrors: false }))
      .addEdge(START, "model")
      .addEdge("model", "tools")
      .compile();
    await expect(graph.invoke(says("Hi"))).rejects.toMatchObject({ code: "AGEMEM_NAMESPACE_VALUE_MISSING" });
  });
});
