/** The overflow guard where there is little or nothing to take out: the model sees its results, and is not summarized at. */
import { tool } from "@langchain/core/tools";
import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { FaissStore } from "../../../src/store/faiss-store.js";
import { ScriptedChatModel, type ScriptedStep } from "../../../src/testing/scripted-model.js";
import { MEMORY_EVENT, type MemoryOpOutcome } from "../../../src/types.js";
import { ada, calls, openStore, says, scripted } from "../helpers.js";

let store: FaissStore;
beforeEach(async () => {
  store = await openStore();
  return () => store.close();
});

const STEPS = 10;
const look = tool(({ n }) => `Result ${n}: the harbour of Oslo has ${n} piers.`, {
  name: "look",
  schema: z.object({ n: z.number() }),
});
const wordy = tool(() => "never", {
  name: "wordy",
  description: "A tool that takes many words to describe. ".repeat(300),
  schema: z.object({}),
});
const script: ScriptedStep[] = [
  ...Array.from({ length: STEPS - 1 }, (_, n) => calls(["look", { n }])),
  "Done.",
];

/** What the model saw at each call, and what the guard told. */
async function run(input: string, tools: (typeof look | typeof wordy)[], summary = "Piers were counted.") {
  const summarizer = new ScriptedChatModel(Array.from({ length: 30 }, () => summary));
  const { agent, model } = scripted(script, {
    store,
    tools: tools as never,
    summarizer,
    budget: { maxTokens: 3000, responseTokens: 500 },
    maxSteps: 20,
  });
  const told: MemoryOpOutcome[] = [];
  const stream = await agent.stream(says(input), { ...ada(), streamMode: "custom" });
  for await (const event of stream) {
    const { event: kind, ...outcome } = event as { event: string } & MemoryOpOutcome;
    if (kind === MEMORY_EVENT) told.push(outcome);
  }
  return {
    seen: model.calls.map(({ messages }) => messages.map((m) => m.text).join("\n")),
    summarizer,
    told,
  };
}

describe.each([
  [
    "a long user message",
    "We talked about the harbour of Oslo and its many ships and people. ".repeat(180),
    [look],
  ],
  ["tools whose schemas fill the window", "How many piers?", [look, wordy]],
])("with %s", (_, input, tools) => {
  it("shows the model every result, makes few summaries, and says what is impossible", async () => {
    const { seen, summarizer, told } = await run(input, tools);
    expect(seen).toHaveLength(STEPS);
    for (let n = 0; n < STEPS - 1; n++) expect(seen[n + 1]).toContain(`Result ${n}:`);
    expect(summarizer.calls.length).toBeLessThanOrEqual(2);
    expect(told[0]).toMatchObject({ ok: false, error: { code: "AGEMEM_CONTEXT_FULL" } });
    expect(told[0]?.error?.message).toMatch(/take [\d,]+ of 2,500 tokens/);
  });
});

it("keeps a result that is larger than the budget, and says so", async () => {
  const flood = tool(() => `FLOOD ${"water ".repeat(4000)}`, {
    name: "look",
    schema: z.object({ n: z.number() }),
  });
  const { seen, told, summarizer } = await run("Look.", [flood as never]);
  expect(seen[1]).toContain("FLOOD");
  expect(told[0]?.error?.code).toBe("AGEMEM_CONTEXT_FULL");
  // The older results go: they are what can be taken out.
  expect(summarizer.calls.length).toBeGreaterThan(0);
  expect(seen[STEPS - 1]?.match(/FLOOD/g)).toHaveLength(1);
});

it("takes no summary that is longer than what it replaces, and counts what it cost", async () => {
  const { seen, told } = await run("Look.", [look, wordy], "long ".repeat(2000));
  expect(seen.join("\n")).not.toContain("long long");
  const failed = told.filter((outcome) => outcome.error?.code === "AGEMEM_SUMMARY_FAILED");
  for (const outcome of failed) expect(outcome.auxiliary?.calls).toBeGreaterThan(0);
});
