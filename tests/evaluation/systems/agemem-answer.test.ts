/** agemem that answers by itself: with its own RETRIEVE, or with retrieval at every step in the place of it. */
import { expect, it } from "vitest";
import { AnsweringAgeMem } from "../../../src/evaluation/systems/agemem-answer.js";
import { openSystem } from "../../../src/evaluation/systems/by-name.js";
import { LexicalEmbeddings } from "../../../src/models/lexical-embeddings.js";
import { ScriptedChatModel, type ScriptedReply } from "../../../src/testing/scripted-model.js";
import { PAPER_TOOL_NAMES } from "../../../src/types.js";
import { memorySystemConformance } from "./conformance.js";

const index = { embeddings: new LexicalEmbeddings(), embeddingName: "lexical" };
const MESSAGE = { id: "D1:1", role: "user" as const, content: "My sister Runa plays the cello." };
const ASKED = { instruction: "Answer briefly.", k: 2 };

function call(op: keyof typeof PAPER_TOOL_NAMES, args: Record<string, unknown>): ScriptedReply {
  return { tool_calls: [{ name: PAPER_TOOL_NAMES[op], args }] };
}

/** After it was shown one message and stored it. */
async function shown(retrieval: "tool" | "every step", replies: ScriptedReply[]) {
  const model = new ScriptedChatModel([call("ADD", { content: "Runa plays the cello" }), ...replies]);
  const system = new AnsweringAgeMem({ name: "s", model, index, retrieval });
  await system.reset({ user: "ada" });
  await system.observe([MESSAGE]);
  return { system, model };
}

memorySystemConformance(
  "agemem that answers",
  async () =>
    new AnsweringAgeMem({
      name: "s",
      retrieval: "tool",
      index,
      model: new ScriptedChatModel(
        Array.from({ length: 20 }, () => (messages) => {
          const content = messages.at(-1)?.text.split("\n")[0] ?? "";
          return call("ADD", { content });
        }),
      ),
    }),
  { recalls: true, chooses: true, callsModel: true },
);

it("retrieves by itself, says what it read and from where, and counts calls and operations", async () => {
  const { system, model } = await shown("tool", [call("RETRIEVE", { query: "cello" }), "Runa"]);
  const answer = await system.answer("Who plays the cello?", ASKED);
  expect(answer).toMatchObject({
    text: "Runa",
    memories: [{ text: "Runa plays the cello", sources: ["D1:1"] }],
    operations: { RETRIEVE: 1 },
    usage: { policy: { calls: 2 }, auxiliary: { calls: 0 } },
  });
  // The conversation was in another context.
  const prompt = model.calls[1]?.messages.map(({ text }) => text).join("\n") ?? "";
  expect(prompt).toContain("Answer briefly.");
  expect(prompt).not.toContain("Runa");
  await system.close();
});

it("as -RAG has no tool for its context, and what is nearest at every step", async () => {
  const store = call("ADD", { content: "The user asks about music" });
  const { system, model } = await shown("every step", [store, "Runa"]);
  const answer = await system.answer("Who plays the cello?", ASKED);
  expect(answer).toMatchObject({ text: "Runa", operations: { ADD: 1 } });
  const asked = model.calls.slice(1);
  for (const { messages, tools } of asked) {
    expect(messages.at(-1)?.text).toContain("Runa plays the cello");
    expect(JSON.stringify(tools)).not.toContain(PAPER_TOOL_NAMES.RETRIEVE);
  }
  expect(asked[1]?.messages.at(-1)?.text).toContain("asks about music");
  await system.close();
});

it("asks every question of the memory that the conversation left", async () => {
  const forget = call("ADD", { content: "A question was asked" });
  const { system } = await shown("tool", [forget, "Runa"]);
  await system.answer("Who plays the cello?", ASKED);
  expect((await system.all()).map(({ text }) => text)).toEqual(["Runa plays the cello"]);
  await system.close();
});

it("gives up after its steps with what was said last", async () => {
  const { system, model } = await shown(
    "tool",
    Array.from({ length: 12 }, (_, i) => call("RETRIEVE", { query: `cello ${i}` })),
  );
  const answer = await system.answer("Who plays the cello?", ASKED);
  expect(answer.text).toBe("");
  expect(model.calls.length).toBeLessThanOrEqual(1 + 9);
  await system.close();
});

it("without training needs the base model, and acts with it", async () => {
  const model = new ScriptedChatModel([]);
  expect(() => openSystem("agemem-no-rl", { model, index })).toThrow(
    expect.objectContaining({ code: "AGEMEM_CONFIG_INVALID" }),
  );
  const baseModel = new ScriptedChatModel([call("ADD", { content: "Runa plays the cello" }), "Runa"]);
  const system = openSystem("agemem-no-rl-rag", { model, index, baseModel });
  await system.reset({ user: "ada" });
  await system.observe([MESSAGE]);
  expect(await system.answer?.("Who plays the cello?", ASKED)).toMatchObject({ text: "Runa" });
  expect(model.calls).toHaveLength(0);
  await system.close();
});
