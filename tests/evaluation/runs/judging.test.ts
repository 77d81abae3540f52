/** What a judge's scores, its failures and its cost become in the results. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AIMessage } from "@langchain/core/messages";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { priceOf } from "../../../src/evaluation/metrics/price.js";
import { factsOf, judgeAnswer } from "../../../src/evaluation/runs/judging.js";
import { memoryBatches } from "../../../src/evaluation/runs/memory-episodes.js";
import { readEvaluation } from "../../../src/evaluation/runs/results-file.js";
import { runEvaluation } from "../../../src/evaluation/runs/run.js";
import { loadSuite } from "../../../src/evaluation/suites/source.js";
import { openSystem } from "../../../src/evaluation/systems/by-name.js";
import { LexicalEmbeddings } from "../../../src/models/lexical-embeddings.js";
import { tokenCounter } from "../../../src/models/tokens.js";
import { createLlmJudge } from "../../../src/rewards/judges/llm.js";
import { createOfflineJudge } from "../../../src/rewards/judges/offline.js";
import { ScriptedChatModel, type ScriptedReply } from "../../../src/testing/scripted-model.js";
import { run } from "../../cli/program.js";

const ROW = {
  _id: "r1",
  question: "In which city was the painter of Nocturne born?",
  answer: "Leeds",
  context: [
    ["Nocturne", ["Nocturne was painted by Ada Brook.", "It hangs in Oslo."]],
    ["Ada Brook", ["Ada Brook was born in Leeds."]],
    ["Tea", ["Tea is a drink."]],
  ],
  supporting_facts: [
    ["Nocturne", 0],
    ["Ada Brook", 0],
  ],
};
const QUESTION = { id: "q", text: "Who?", answers: ["Ada", "Ada Brook"], evidence: ["m1"], category: "all" };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agemem-judging-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function scripted(replies: ScriptedReply[]) {
  const model = new ScriptedChatModel(replies);
  return { model, judge: createLlmJudge({ model, modelName: "m", retries: 1, retryDelayMs: 1 }) };
}

describe("judgeAnswer", () => {
  it("gives the judge question, references, answer, facts and memories", async () => {
    const { judge, model } = scripted(['{"score": 0.9}', '{"score": 0.4}']);
    const { metrics, judge: used } = await judgeAnswer(
      judge,
      { question: QUESTION, facts: ["Ada painted it."] },
      { answer: "Ada B.", held: ["Ada paints.", "Tea."] },
    );
    expect(metrics).toEqual({ j: 0.9, mq: 0.4 });
    expect(used).toMatchObject({ calls: 2, failures: [] });
    const [j = "", mq = ""] = model.calls.map(({ messages }) => messages[1]?.text ?? "");
    for (const text of ["Who?", "Ada; or: Ada Brook", "Ada B.", "0.8 to 0.9"]) expect(j).toContain(text);
    for (const text of ["Who?", "Ada; or: Ada Brook", "1. Ada painted it.", "2. Tea."])
      expect(mq).toContain(text);
  });

  it("leaves a score out that the judge never gave, with a code, and keeps the other", async () => {
    const { judge } = scripted(["I would say 0.7", "still 0.7", '{"score": 0.4}']);
    const { metrics, judge: used } = await judgeAnswer(
      judge,
      { question: QUESTION, facts: ["Ada painted it."] },
      { answer: "Ada B.", held: ["Ada paints."] },
    );
    expect(metrics).toEqual({ mq: 0.4 });
    expect(used.calls).toBe(3);
    expect(used.failures).toMatchObject([{ code: "AGEMEM_MODEL_FAILED" }]);
  });

  it("asks nothing about an empty answer, an empty memory, or retrieval alone", async () => {
    const { judge, model } = scripted([]);
    const facts = ["Ada painted it."];
    expect(await judgeAnswer(judge, { question: QUESTION, facts }, { answer: " ", held: [] })).toMatchObject({
      metrics: { j: 0, mq: 0 },
    });
    const none = await judgeAnswer(judge, { question: QUESTION, facts: [] }, { answer: null, held: ["a"] });
    expect(none.metrics).toEqual({});
    expect(model.calls).toHaveLength(0);
  });

  it("shows of many memories the 20 nearest to the question", async () => {
    const { judge, model } = scripted(['{"score": 0.4}']);
    const held = [...Array.from({ length: 50 }, (_, i) => `Note ${i} about tea.`), "The painter Ada."];
    const question = { ...QUESTION, text: "Which painter wrote about tea?" };
    await judgeAnswer(judge, { question, facts: ["f"] }, { answer: null, held });
    const prompt = model.calls[0]?.messages[1]?.text ?? "";
    expect(prompt).toContain("1. The painter Ada.");
    expect(prompt).not.toContain("21. ");
  });

  it("takes facts from the suite, else the messages of the evidence", () => {
    const sessions = [[{ role: "user" as const, content: "Ada did.", id: "m1" }]];
    expect(factsOf({ id: "c", sessions, questions: [] }, QUESTION)).toEqual(["Ada did."]);
    expect(factsOf({ id: "c", sessions, questions: [] }, { ...QUESTION, facts: ["x"] })).toEqual(["x"]);
  });
});

describe("a judged run", () => {
  it("writes scores, the judge's calls apart, and prices", async () => {
    const path = join(folder, "rows.json");
    await writeFile(path, JSON.stringify([ROW]));
    const suite = await loadSuite(`hotpotqa:${path}`);
    expect(suite.cases[0]?.questions[0]?.facts).toEqual([
      "Nocturne: Nocturne was painted by Ada Brook.",
      "Ada Brook: Ada Brook was born in Leeds.",
    ]);
    const usage = { input_tokens: 1000, output_tokens: 10, total_tokens: 1010 };
    const told = (content: string) => new AIMessage({ content, usage_metadata: usage });
    const reader = new ScriptedChatModel([told("Leeds")]);
    const scores = new ScriptedChatModel([told('{"score": 1}'), told("?"), told('{"score": 0.5}')]);
    const index = { embeddings: new LexicalEmbeddings(), embeddingName: "lexical" };
    const batches = memoryBatches({
      suite,
      system: "keyword",
      open: async () => openSystem("keyword", { model: reader, index }),
      reader,
      counter: tokenCounter(),
      seed: 0,
      judge: () => createLlmJudge({ model: scores, modelName: "m", retryDelayMs: 1 }),
    });
    const out = join(folder, "results.jsonl");
    const prices = {
      model: { input: 1, output: 10, embedding: 0 },
      judge: { input: 2, output: 0, embedding: 0 },
    };
    await runEvaluation(batches, { out, settings: {}, prices });
    const [episode] = (await readEvaluation(out)).filter((line) => line.type === "episode");
    expect(episode).toMatchObject({
      metrics: { f1: 1, j: 1, mq: 0.5 },
      policy: { calls: 1, prompt_tokens: 1000 },
      cost: 0.0011,
      judge: { calls: 3, prompt_tokens: 3000, response_tokens: 30, failures: [], cost: 0.006 },
    });
  });

  it("names the judge of rules as such, on the command line", async () => {
    const path = join(folder, "rows.json");
    await writeFile(path, JSON.stringify([ROW]));
    const out = join(folder, "results.jsonl");
    const told = ["--systems", "no-memory,keyword", "--model", "offline", "--judge", "offline", "--out", out];
    const money = ["--price-prompt", "0.5", "--price-response", "1.5"];
    const done = await run(["evaluate", `hotpotqa:${path}`, ...told, ...money]);
    expect(done.code).toBe(0);
    const lines = (await readFile(out, "utf8")).trim().split("\n");
    const [settings, ...rest] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(settings).toMatchObject({
      settings: {
        judge: createOfflineJudge().name,
        prices: { model: { input: 0.5, output: 1.5, embedding: 0 } },
      },
    });
    const scores = rest.flatMap(({ type, system, metrics }) =>
      type === "episode" ? [[system, metrics]] : [],
    );
    expect(scores).toMatchObject([
      ["no-memory", { mq: 0 }],
      ["keyword", { j: expect.any(Number), mq: expect.any(Number) }],
    ]);
    const half = await run(["evaluate", `hotpotqa:${path}`, ...told, "--price-prompt", "1"]);
    expect(half.stderr).toContain("AGEMEM_CONFIG_INVALID");
  }, 60_000);
});

it("priceOf is null where tokens or prices are not known", () => {
  const prices = { input: 1, output: 2, embedding: 4 };
  const used = { prompt_tokens: 1_000_000, response_tokens: 500_000, embedding_tokens: 250_000 };
  expect(priceOf([used], prices)).toBe(3);
  expect(priceOf([used], undefined)).toBeNull();
  expect(priceOf([used, { prompt_tokens: null, response_tokens: 0 }], prices)).toBeNull();
});
