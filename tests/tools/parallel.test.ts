/** Calls that run at the same time, each on the same state, their updates applied one after the other. */
import { AIMessage } from "@langchain/core/messages";
import { messagesStateReducer } from "@langchain/langgraph";
import { beforeEach, expect, it } from "vitest";
import { ContextArchive } from "../../src/context/archive.js";
import { reduceFacts } from "../../src/context/budget.js";
import { restoreEdit } from "../../src/context/edits/restore.js";
import { tokenCounter } from "../../src/models/tokens.js";
import type { FaissStore } from "../../src/store/faiss-store.js";
import { ScriptedChatModel } from "../../src/testing/scripted-model.js";
import type { MemoryOp } from "../../src/types.js";
import { openStore, ToolBench, turns } from "./bench-kit.js";

let store: FaissStore;
let bench: ToolBench;
const LONG = "I live in Oslo, in a small house by the harbour, and I walk to work every morning. ".repeat(4);
beforeEach(async () => {
  store = await openStore();
  bench = new ToolBench(
    { store, summarizer: new ScriptedChatModel(["They talked.", "They talked."]) },
    turns(LONG, "Nice.", "So?"),
  );
  return () => store.close();
});

const NAMES: Record<string, MemoryOp> = {
  Summary_context: "SUMMARY",
  Retrieve_memory: "RETRIEVE",
  Filter_context: "FILTER",
};

/** Runs the calls on one state and applies what they return in the order of the calls. */
async function together(...calls: { name: string; args: Record<string, unknown>; id?: string }[]) {
  const request = new AIMessage({
    id: "a",
    content: "",
    tool_calls: calls.map((call) => ({ ...call, type: "tool_call" })),
  });
  const messages = [...bench.messages, request];
  const called = [];
  for (const { name, args, id } of calls)
    called.push(await bench.run(NAMES[name] as MemoryOp, args, id ?? "", messages));
  let after = messages;
  let facts = bench.facts;
  for (const { update } of called) {
    after = messagesStateReducer(after, update.messages);
    facts = reduceFacts(facts, update.contextFacts);
  }
  return { called, after, facts };
}

it("keeps what a summary knows when a call beside it is applied after it", async () => {
  const { after, facts, called } = await together(
    { name: "Summary_context", args: { span: "all" }, id: "c1" },
    { name: "Retrieve_memory", args: { query: "Oslo" }, id: "c2" },
  );
  expect(called[0]?.outcome.ok).toBe(true);
  expect(after[0]?.text).toContain("They talked.");
  const editId = called[0]?.outcome.editId as string;
  expect(facts.m0).toMatchObject({ origin: "summary", editId, replaces: ["m0", "m1"], covers: [[1, 2]] });
  expect(facts.m1).toBeUndefined();
  const archived = await new ContextArchive(store, "t").load(editId);
  const back = restoreEdit(after, archived, facts, tokenCounter());
  expect(back.messages.slice(0, 3).map((message) => message.text)).toEqual([LONG, "Nice.", "So?"]);
});

it.each([
  ["equal ids", "same"],
  ["no ids", undefined],
])("refuses two edits with %s, and changes nothing", async (_, id) => {
  const given = id === undefined ? {} : { id };
  const { called, after } = await together(
    { name: "Summary_context", args: { span: "all" }, ...given },
    { name: "Filter_context", args: { criteria: "house by the harbour" }, ...given },
  );
  expect(called.map(({ outcome }) => outcome.error?.code)).toEqual(["AGEMEM_EDIT_BUSY", "AGEMEM_EDIT_BUSY"]);
  expect(after.slice(0, 3).map((message) => message.text)).toEqual([LONG, "Nice.", "So?"]);
});
