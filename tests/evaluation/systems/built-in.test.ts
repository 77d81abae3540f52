/** The baselines that need nothing but this package. */
import { expect, it } from "vitest";
import { FullContext } from "../../../src/evaluation/systems/full-context.js";
import { NoMemory } from "../../../src/evaluation/systems/no-memory.js";
import { PassageStore } from "../../../src/evaluation/systems/passage-store.js";
import { LexicalEmbeddings } from "../../../src/models/lexical-embeddings.js";
import { tokenCounter } from "../../../src/models/tokens.js";
import { CONVERSATION, memorySystemConformance } from "./conformance.js";

const index = { embeddings: new LexicalEmbeddings(), embeddingName: "lexical" };
memorySystemConformance("no-memory", async () => new NoMemory(), { recalls: false, chooses: true });
memorySystemConformance("full-context", async () => new FullContext(), { recalls: true, chooses: false });
for (const mode of ["keyword", "vector", "hybrid"] as const) {
  const open = async () => new PassageStore({ mode, ...(mode === "keyword" ? {} : { index }) });
  memorySystemConformance(`passages by ${mode}`, open, { recalls: true, chooses: true });
}

it("full context leaves out the oldest messages when the window is full, and says how many", async () => {
  const counter = tokenCounter("gpt-4o");
  const system = new FullContext({ maxTokens: 30, counter });
  await system.reset();
  await system.observe(CONVERSATION);
  const { memories } = await system.recall();
  expect(memories.map(({ sources }) => sources)).toEqual([["D1:2"], ["D1:3"]]);
  expect(system.cut).toBe(1);
  const tokens = memories.reduce((sum, { text }) => sum + counter.countText(text) + 1, 0);
  expect(tokens).toBeLessThanOrEqual(30);
  expect(() => new FullContext({ maxTokens: 5 })).toThrow(/counter/);
});

it("passages say which message they are, with speaker and time, best first", async () => {
  const system = new PassageStore({ mode: "keyword" });
  await system.reset({ user: "ada" });
  await system.observe(CONVERSATION);
  const { memories } = await system.recall("cello", { k: 1 });
  expect(memories).toEqual([
    { text: "[1 May] Ada: My sister Runa plays the cello.", score: expect.any(Number), sources: ["D1:1"] },
  ]);
  expect(() => new PassageStore({ mode: "vector" })).toThrow(/embeddings/);
  await system.close();
  await expect(system.recall("cello", { k: 1 })).rejects.toThrow(/reset\(\) first/);
});
