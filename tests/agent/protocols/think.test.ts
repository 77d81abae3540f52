/** Reasoning in tags beside native tool calls, for models that do not reason by themselves. */
import { AIMessage, HumanMessage } from "@langchain/core/messages";
import { describe, expect, it } from "vitest";
import { createAgeMemAgent } from "../../../src/agent/agent.js";
import { LexicalEmbeddings } from "../../../src/models/lexical-embeddings.js";
import { FaissStore } from "../../../src/store/faiss-store.js";
import { ScriptedChatModel, type ScriptedStep } from "../../../src/testing/scripted-model.js";

const ASKED = "Begin every response with <think>your reasoning</think>.";

async function play(script: ScriptedStep[], think?: boolean) {
  const store = await FaissStore.open(":memory:", { index: { embeddings: new LexicalEmbeddings() } });
  const model = new ScriptedChatModel(script);
  const agent = createAgeMemAgent({ model, store, ...(think === undefined ? {} : { think }) });
  const result = await agent.invoke(
    { messages: [new HumanMessage("I live in Oslo.")] },
    { context: { user_id: "ada" } },
  );
  await store.close();
  return { result, system: model.calls[0]?.messages[0]?.text ?? "" };
}

describe("a think part in native tool calling", () => {
  it("is asked for only where the option is on", async () => {
    expect((await play(["Noted."], true)).system).toContain(ASKED);
    expect((await play(["Noted."])).system).not.toContain("<think>");
  });

  it("is no part of the answer, and stays in the context beside calls", async () => {
    const add = { name: "Add_memory", args: { content: "The user lives in Oslo." } };
    const { result } = await play(
      [
        { content: "<think>This lasts.</think>", tool_calls: [add] },
        "<think>All is stored.</think>\n\nNoted: Oslo.",
      ],
      true,
    );
    expect(result.finalAnswer).toBe("Noted: Oslo.");
    const said = result.messages.filter((message) => AIMessage.isInstance(message)).map(({ text }) => text);
    expect(said[0]).toBe("<think>This lasts.</think>");
  });

  it.each(["<think>Hm.</think>", "<think>It never ends"])(
    "without an answer is asked again: %s",
    async (first) => {
      const { result } = await play([first, "Noted."], true);
      expect(result.finalAnswer).toBe("Noted.");
    },
  );
});
