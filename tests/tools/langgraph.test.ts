/** The tools in graphs of others: LangGraph's ToolNode and langchain's createAgent, one call and several at once. */

import { AIMessage, type BaseMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { END, MemorySaver, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { ToolNode } from "@langchain/langgraph/prebuilt";
import { createAgent } from "langchain";
import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { ContextArchive } from "../../src/context/archive.js";
import { restoreEdit } from "../../src/context/edits/restore.js";
import { findChatHistoryProblems } from "../../src/context/validity.js";
import { tokenCounter } from "../../src/models/tokens.js";
import { OfflineSummarizer } from "../../src/offline/summarizer.js";
import type { FaissStore } from "../../src/store/faiss-store.js";
import { ScriptedChatModel, type ScriptedStep } from "../../src/testing/scripted-model.js";
import { createMemoryTools } from "../../src/tools/memory-tools.js";
import { isOutcome, type MemoryOpOutcome } from "../../src/types.js";
import { openStore, turns } from "./bench-kit.js";

let store: FaissStore;
beforeEach(async () => {
  store = await openStore();
  return () => store.close();
});

const look = tool(async ({ q }) => `seen ${q}`, {
  name: "look",
  description: "Looks.",
  schema: z.object({ q: z.string() }),
});
const run = { context: { user_id: "ada" }, configurable: { thread_id: "t", user_id: "ada" } };
let callIds = 0;
const calls = (...list: [string, Record<string, unknown>][]): ScriptedStep => ({
  tool_calls: list.map(([name, args]) => ({ name, args, id: `c${++callIds}` })),
});
const outcomes = (messages: BaseMessage[]): MemoryOpOutcome[] =>
  messages.flatMap((m) => (ToolMessage.isInstance(m) && isOutcome(m.artifact) ? [m.artifact] : []));

type Ask = (script: ScriptedStep[], messages: BaseMessage[]) => Promise<BaseMessage[]>;

const viaToolNode: Ask = async (script, messages) => {
  const tools = [...createMemoryTools({ store, summarizer: summarizer() }), look];
  const model = new ScriptedChatModel(script).bindTools(tools);
  const graph = new StateGraph(MessagesAnnotation)
    .addNode("model", async (state) => ({ messages: [await model.invoke(state.messages)] }))
    .addNode("tools", new ToolNode(tools, { handleToolErrors: false }))
    .addEdge(START, "model")
    .addConditionalEdges("model", (state) =>
      (state.messages.at(-1) as AIMessage).tool_calls?.length ? "tools" : END,
    )
    .addEdge("tools", "model")
    .compile({ checkpointer: new MemorySaver() });
  return (await graph.invoke({ messages }, run)).messages;
};
const viaCreateAgent: Ask = async (script, messages) => {
  const tools = [...createMemoryTools({ store, summarizer: summarizer() }), look];
  const agent = createAgent({ model: new ScriptedChatModel(script), tools, checkpointer: new MemorySaver() });
  return (await agent.invoke({ messages } as never, run as never)).messages;
};
const summarizer = () => new ScriptedChatModel(["They talked.", "They talked.", "They talked."]);
const NOISE = "Buy cheap sunglasses now, cheap sunglasses.";
const HISTORY = () => turns("I live in Oslo.", "Noted.", NOISE, "I see.", "What now?");

describe.each([
  ["ToolNode", viaToolNode],
  ["createAgent", viaCreateAgent],
])("in %s", (_, ask) => {
  it("stores, finds, changes and deletes", async () => {
    const first = await ask(
      [calls(["Add_memory", { content: "Ada lives in Oslo." }]), "Noted."],
      [new HumanMessage("I live in Oslo.")],
    );
    const [added] = outcomes(first);
    expect(added).toMatchObject({ op: "ADD", ok: true, revisionAfter: 1 });
    const id = added?.memoryIds[0] as string;
    const second = await ask(
      [
        calls(["Retrieve_memory", { query: "Where does Ada live?" }]),
        calls(["Update_memory", { memory_id: id, content: "Ada lives in Bergen." }]),
        calls(["Delete_memory", { memory_id: id, confirmation: true }]),
        "Done.",
      ],
      [new HumanMessage("I moved, then forget it.")],
    );
    expect(outcomes(second).map((o) => [o.op, o.ok, o.memoryIds])).toEqual([
      ["RETRIEVE", true, [id]],
      ["UPDATE", true, [id]],
      ["DELETE", true, [id]],
    ]);
    expect(second.some((m) => m.text.includes("Ada lives in Oslo."))).toBe(true);
    expect(await store.search(["memories"], {})).toEqual([]);
  });

  it("writes of one response see each other: an equal memory is refused, and no UPDATE is lost", async () => {
    const same = { content: "Ada lives in Oslo." };
    const [one, two] = outcomes(
      await ask([calls(["Add_memory", same], ["Add_memory", same]), "Noted."], [new HumanMessage("Hi")]),
    );
    expect([one?.ok, two?.ok, two?.error?.code]).toEqual([true, false, "AGEMEM_MEMORY_DUPLICATE"]);
    const memory_id = one?.memoryIds[0] as string;
    const update = (metadata: Record<string, string>): [string, Record<string, unknown>] => [
      "Update_memory",
      { memory_id, content: same.content, metadata },
    ];
    await ask(
      [calls(update({ city: "Oslo" }), update({ since: "2019" })), "Noted."],
      [new HumanMessage("Hi again")],
    );
    const [item] = await store.search(["memories"], {});
    expect(item?.value.metadata).toEqual({ city: "Oslo", since: "2019" });
  });

  it("answers the model's mistakes, wrong argument types included", async () => {
    const messages = await ask(
      [calls(["Add_memory", { content: 3 }]), calls(["Delete_memory", { memory_id: "m0" }]), "Sorry."],
      [new HumanMessage("Hi")],
    );
    expect(outcomes(messages).map((o) => o.error?.code)).toEqual([
      "AGEMEM_INPUT_ARGUMENT",
      "AGEMEM_MEMORY_NOT_FOUND",
    ]);
  });

  it("edits the context when the edit is the only call", async () => {
    const messages = await ask([calls(["Summary_context", { span: "all" }]), "Done."], HISTORY());
    expect(messages.map((m) => m.type)).toEqual(["human", "human", "ai", "tool", "ai"]);
    expect(messages[0]?.text).toContain("They talked.");
    expect(messages[1]?.text).toBe("What now?");
  });

  it.each([
    [
      "an own tool before",
      [
        ["look", { q: "1" }],
        ["Summary_context", { span: "all" }],
      ],
    ],
    [
      "an own tool after",
      [
        ["Summary_context", { span: "all" }],
        ["look", { q: "1" }],
      ],
    ],
    [
      "operations around",
      [
        ["Add_memory", { content: "A." }],
        ["Summary_context", { span: "all" }],
        ["Retrieve_memory", { query: "A" }],
      ],
    ],
  ] as [string, [string, Record<string, unknown>][]][])(
    "keeps the answers of %s a summary",
    async (_, list) => {
      const messages = await ask([calls(...list), "Done."], HISTORY());
      expect(findChatHistoryProblems(messages)).toEqual([]);
      expect(messages.map((m) => m.type)).toEqual(["human", "human", "ai", ...list.map(() => "tool"), "ai"]);
      expect(messages[0]?.text).toContain("They talked.");
      expect(messages[1]?.text).toBe("What now?");
      const names = messages.flatMap((m) => (ToolMessage.isInstance(m) ? [m.name] : []));
      expect(names).toEqual(list.map(([name]) => name));
    },
  );

  it("runs the first of two edits at once, refuses the second, and gives everything back on restore", async () => {
    const messages = await ask(
      [
        calls(
          ["look", { q: "1" }],
          ["Filter_context", { criteria: "cheap sunglasses" }],
          ["Summary_context", { span: "all" }],
        ),
        "Done.",
      ],
      HISTORY(),
    );
    expect(findChatHistoryProblems(messages)).toEqual([]);
    const [filter, summary] = outcomes(messages);
    expect(filter).toMatchObject({ op: "FILTER", ok: true, messageIds: ["m2"] });
    expect(summary).toMatchObject({ op: "SUMMARY", ok: false, error: { code: "AGEMEM_EDIT_BUSY" } });
    expect(messages.map((m) => m.text)).not.toContain(NOISE);
    await restored(messages, filter as MemoryOpOutcome);
  });

  it("restores a summary made beside other calls, and a summary of that", async () => {
    const once = await ask(
      [calls(["look", { q: "1" }], ["Summary_context", { span: "all" }]), "Done."],
      HISTORY(),
    );
    const summaries = outcomes(once);
    await restored(once, summaries[0] as MemoryOpOutcome);
    const more = [...once, new HumanMessage({ id: "u9", content: "And then?" })];
    const twice = await ask(
      [calls(["Summary_context", { span: "all" }], ["look", { q: "2" }]), "Done."],
      more,
    );
    expect(findChatHistoryProblems(twice)).toEqual([]);
    expect(twice.filter((m) => m.text.includes("They talked."))).toHaveLength(1);
    const archive = new ContextArchive(store, "t");
    const second = outcomes(twice).find((o) => o.op === "SUMMARY") as MemoryOpOutcome;
    let back = restoreEdit(twice, await archive.load(second.editId as string), {}, tokenCounter());
    back = restoreEdit(back.messages, await archive.load(summaries[0]?.editId as string), {}, tokenCounter());
    expect(back.messages.slice(0, 5).map((m) => m.text)).toEqual(HISTORY().map((m) => m.text));
    expect(findChatHistoryProblems(back.messages)).toEqual([]);
  });
});

async function restored(messages: BaseMessage[], outcome: MemoryOpOutcome): Promise<void> {
  const archived = await new ContextArchive(store, "t").load(outcome.editId as string);
  const back = restoreEdit(messages, archived, {}, tokenCounter());
  expect(findChatHistoryProblems(back.messages)).toEqual([]);
  expect(back.messages.slice(0, 5).map((m) => m.text)).toEqual(HISTORY().map((m) => m.text));
}

it("parallel branches of a graph write once each, however often a failing one is taken up again", async () => {
  const tools = createMemoryTools({ store, summarizer: new OfflineSummarizer() });
  const add = (content: string, id: string) =>
    new AIMessage({ content: "", tool_calls: [{ name: "Add_memory", args: { content }, id }] });
  let failures = 2;
  const toolNode = new ToolNode(tools, { handleToolErrors: false });
  const node = (content: string, id: string, flaky: boolean) => async (_: unknown, config: object) => {
    const answers = await toolNode.invoke({ messages: [add(content, id)] }, config);
    // After the write and before the checkpoint, as a crash would.
    if (flaky && failures-- > 0) throw new Error("down");
    return { messages: [answers].flat().flatMap((each) => each.update?.messages ?? []) };
  };
  const graph = new StateGraph(MessagesAnnotation)
    .addNode("left", node("Ada lives in Oslo.", "c1", false))
    .addNode("right", node("Ada plays chess.", "c1", true))
    .addEdge(START, "left")
    .addEdge(START, "right")
    .compile({ checkpointer: new MemorySaver() });
  await expect(graph.invoke({ messages: [new HumanMessage("Hi")] }, run)).rejects.toThrow("down");
  await expect(graph.invoke(null, run)).rejects.toThrow("down");
  const { messages } = await graph.invoke(null, run);
  expect(outcomes(messages).map((o) => [o.op, o.ok])).toEqual([
    ["ADD", true],
    ["ADD", true],
  ]);
  const stored = await store.search(["memories"], {});
  expect(stored.map((item) => item.value.content).sort()).toEqual(["Ada lives in Oslo.", "Ada plays chess."]);
});
