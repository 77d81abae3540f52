/** What the answering model reads: the same words for every system, and none on memories where there are none. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { summarizeSystems } from "../../../src/evaluation/reporting/summary.js";
import { memoryBatches } from "../../../src/evaluation/runs/memory-episodes.js";
import { readEvaluation } from "../../../src/evaluation/runs/results-file.js";
import { runEvaluation } from "../../../src/evaluation/runs/run.js";
import { loadSuite } from "../../../src/evaluation/suites/source.js";
import { type MemorySystem, NO_USAGE } from "../../../src/evaluation/systems/memory-system.js";
import { NoMemory } from "../../../src/evaluation/systems/no-memory.js";
import { PassageStore } from "../../../src/evaluation/systems/passage-store.js";
import { tokenCounter } from "../../../src/models/tokens.js";
import { ScriptedChatModel } from "../../../src/testing/scripted-model.js";

const LOCOMO = [
  {
    sample_id: "conv-1",
    conversation: {
      session_1_date_time: "1 May",
      session_1: [{ speaker: "Ada", dia_id: "D1:1", text: "My sister plays the cello." }],
    },
    qa: [{ question: "Who plays the cello?", answer: "Runa", evidence: ["D1:1"], category: 4 }],
  },
];
const FACTS = { context: "0. Oslo lies in Norway.", questions: ["Where is Oslo?"], answers: [["Norway"]] };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agemem-episodes-"));
  await writeFile(join(folder, "locomo.json"), JSON.stringify(LOCOMO));
  await writeFile(join(folder, "factconsolidation.json"), JSON.stringify(FACTS));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it("keeps tokens that nobody reported unknown, in the lines and in the sums", async () => {
  const suite = await loadSuite(`locomo:${join(folder, "locomo.json")}`);
  const unknown = { ...NO_USAGE, calls: 1, promptTokens: null, responseTokens: null };
  class Silent extends NoMemory {
    override observe = async () => unknown as never;
  }
  const batches = memoryBatches({
    suite,
    system: "silent",
    open: async () => new Silent(),
    reader: undefined,
    counter: tokenCounter(),
    seed: 0,
  });
  await runEvaluation(batches, { out: join(folder, "out.jsonl"), settings: {} });
  const records = await readEvaluation(join(folder, "out.jsonl"));
  const [shown] = records.flatMap((record) => (record.type === "observed" ? [record] : []));
  expect(shown?.auxiliary).toEqual({ calls: 1, prompt_tokens: null, response_tokens: null });
  expect(summarizeSystems(records)[0]).toMatchObject({ auxiliaryTokens: null, auxiliaryCalls: 1 });
});

async function asked(name: string, system: string, open: () => MemorySystem): Promise<string> {
  const suite = await loadSuite(`${name}:${join(folder, `${name}.json`)}`);
  const reader = new ScriptedChatModel(["Nothing."]);
  const batches = memoryBatches({
    suite,
    system,
    open: async () => open(),
    reader,
    counter: tokenCounter(),
    seed: 0,
  });
  const { failed } = await runEvaluation(batches, { out: join(folder, "out.jsonl"), settings: {} });
  expect(failed).toBe(0);
  return reader.calls[0]?.messages.map(({ text }) => text).join("\n") ?? "";
}

it.each(["locomo", "factconsolidation"])("%s: without memory, not a word on it", async (name) => {
  const prompt = await asked(name, "no-memory", () => new NoMemory());
  expect(prompt).toMatch(/\?$/);
  expect(prompt).not.toMatch(/memor|retriev|recall|remember/i);
  await rm(join(folder, "out.jsonl"));
  const other = await asked(name, "keyword", () => new PassageStore({ mode: "keyword" }));
  expect(other).toContain('<retrieved_memories count="1">');
  // The block apart, both read the same.
  expect(other.replace(/<retrieved_memories[\s\S]*<\/retrieved_memories>\n\n/, "")).toBe(prompt);
});
