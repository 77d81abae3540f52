/** Responses whose calls LangChain completed by guess: nothing of them runs, whoever runs the calls. */

import { AIMessageChunk, type BaseMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { END, MessagesAnnotation, messagesStateReducer, START, StateGraph } from "@langchain/langgraph";
import { ToolNode, toolsCondition } from "@langchain/langgraph/prebuilt";
import { createAgent } from "langchain";
import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { createAgeMemAgent } from "../../src/agent/agent.js";
import { ageMemMiddleware } from "../../src/agent/middleware/middleware.js";
import { OfflineSummarizer } from "../../src/offline/summarizer.js";
import type { FaissStore } from "../../src/store/faiss-store.js";
import { ScriptedChatModel, type ScriptedStep } from "../../src/testing/scripted-model.js";
import { createMemoryTools } from "../../src/tools/memory-tools.js";
import { FORMAT_ERROR_KEY } from "../../src/types.js";
import { ada, contents, openStore, says } from "./helpers.js";

const NS = ["memories", "ada"];
let store: FaissStore;
let ran: string[];
beforeEach(async () => {
  store = await openStore();
  ran = [];
  for (const key of ["m1", "m12"]) {
    await store.put(NS, key, { content: `Note ${key}.`, memory_type: "fact", metadata: {}, source: {} });
  }
  return () => store.close();
});
const NOTES = ["Note m1.", "Note m12."];

const pay = tool(
  async ({ to }) => {
    ran.push(to);
    return "paid";
  },
  { name: "pay", description: "Pays.", schema: z.object({ to: z.string() }) },
);

/** A streamed response; the arguments of each call as the model wrote them. */
function streamed(list: [string, string][], response_metadata: Record<string, unknown> = {}): AIMessageChunk {
  return new AIMessageChunk({
    content: "Let me do that.",
    response_metadata,
    tool_call_chunks: list.map(([name, args], index) => ({
      type: "tool_call_chunk",
      index,
      id: `c${index}`,
      name,
      args,
    })),
  });
}

const CUT: [string, AIMessageChunk][] = [
  [
    "a deletion of m12 that was cut at m1",
    streamed([["Delete_memory", '{"confirmation": true, "memory_id": "m1']]),
  ],
  ["an update cut in its text", streamed([["Update_memory", '{"memory_id": "m1", "content": "No']])],
  [
    "a deletion that looks whole, in a response that was cut (OpenAI)",
    streamed([["Delete_memory", '{"memory_id": "m1", "confirmation": true}']], { finish_reason: "length" }),
  ],
  [
    "the same with Anthropic",
    streamed([["Delete_memory", '{"memory_id": "m1", "confirmation": true}']], { stop_reason: "max_tokens" }),
  ],
  [
    "whole calls before the cut one",
    streamed([
      ["Delete_memory", '{"memory_id": "m1", "confirmation": true}'],
      ["pay", '{"to": "Bob"}'],
      ["Add_memory", '{"content": "Half a sen'],
    ]),
  ],
  ["an own tool's call", streamed([["pay", '{"to": "Bob']])],
];

type Run = (steps: ScriptedStep[]) => Promise<{ messages: BaseMessage[]; model: ScriptedChatModel }>;

const agent: Run = async (steps) => {
  const model = new ScriptedChatModel(steps);
  const { messages } = await createAgeMemAgent({ model, store, tools: [pay] }).invoke(says("Hi."), ada());
  return { messages, model };
};
const middleware: Run = async (steps) => {
  const model = new ScriptedChatModel(steps);
  const made = createAgent({ model, tools: [pay], middleware: [ageMemMiddleware({ store })] });
  const { messages } = await made.invoke(says("Hi."), ada());
  return { messages, model };
};

describe.each([
  ["createAgeMemAgent", agent],
  ["ageMemMiddleware", middleware],
])("%s", (_, run) => {
  it.each(CUT)("does not run %s, and asks once more", async (__, response) => {
    const { messages, model } = await run([response, "Sorry."]);
    expect(await contents(store)).toEqual(NOTES);
    expect(ran).toEqual([]);
    expect(messages.map((m) => m.type)).toEqual(["human", "ai"]);
    expect(messages.at(-1)?.text).toBe("Sorry.");
    const [, , shown, ...rest] = model.calls[1]?.messages ?? [];
    // The model sees which calls it made, never arguments that it did not write, and each has its answer.
    const names = response.tool_calls?.map((call) => call.name);
    expect((shown as AIMessageChunk).tool_calls?.map((call) => [call.name, call.args])).toEqual(
      names?.map((name) => [name, {}]),
    );
    expect(rest.map((m) => m.type)).toEqual([...(names ?? []).map(() => "tool"), "human"]);
    const repair = rest.at(-1)?.text ?? "";
    expect(repair).toMatch(/cut off|not JSON objects/);
    expect(repair).not.toMatch(/<\w+>/);
  });

  it("ends when the second response is cut off too, and says so on the message", async () => {
    const { messages } = await run([CUT[0]?.[1] as AIMessageChunk, CUT[2]?.[1] as AIMessageChunk]);
    expect(await contents(store)).toEqual(NOTES);
    const last = messages.at(-1) as AIMessageChunk;
    expect(last.tool_calls).toEqual([]);
    expect(last.invalid_tool_calls).toMatchObject([{ name: "Delete_memory" }]);
    expect(last.additional_kwargs[FORMAT_ERROR_KEY]).toContain("cut off (length)");
  });

  it("runs a whole response as always", async () => {
    const whole = streamed([["Delete_memory", '{"memory_id": "m12", "confirmation": true}']], {
      finish_reason: "tool_calls",
    });
    await run([whole, "Done."]);
    expect(await contents(store)).toEqual(["Note m1."]);
  });
});

/** LangGraph 1.7 and later keep whole messages in the state: what the model wrote of a call is then gone. */
const keepsChunks = "tool_call_chunks" in (messagesStateReducer([], [streamed([])])[0] ?? {});
const visible = CUT.slice(0, 5).filter(([, { response_metadata }]) => {
  return keepsChunks || Object.keys(response_metadata).length > 0;
});

it.each(visible)("the tools in a graph of one's own refuse %s", async (_, response) => {
  const model = new ScriptedChatModel([response, "Sorry."]);
  const tools = createMemoryTools({ store, summarizer: new OfflineSummarizer() });
  const graph = new StateGraph(MessagesAnnotation)
    .addNode("model", async ({ messages }, config) => ({ messages: [await model.invoke(messages, config)] }))
    .addNode("tools", new ToolNode([...tools, pay], { handleToolErrors: false }))
    .addEdge(START, "model")
    .addConditionalEdges("model", toolsCondition, ["tools", END])
    .addEdge("tools", "model")
    .compile();
  const result = await graph.invoke(says("Hi."), ada());
  expect(await contents(store)).toEqual(NOTES);
  const answer = result.messages.find((m) => m.name !== "pay" && m.type === "tool");
  expect(answer?.text).toContain("AGEMEM_INPUT_ARGUMENT: This response could not be read");
});
