/** Memory benchmarks from tiny files, with the rules and with baselines. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  exactMatch,
  locomoScore,
  locomoWords,
  substringExactMatch,
} from "../../../src/evaluation/metrics/answers.js";
import { evidenceRecall, ndcg, recallAll, recallAny } from "../../../src/evaluation/metrics/retrieval.js";
import { pairedDifferences, summarizeSystems } from "../../../src/evaluation/reporting/summary.js";
import { reportTables, toMarkdown } from "../../../src/evaluation/reporting/tables.js";
import { memoryBatches } from "../../../src/evaluation/runs/memory-episodes.js";
import { readEvaluation } from "../../../src/evaluation/runs/results-file.js";
import { runEvaluation } from "../../../src/evaluation/runs/run.js";
import { loadSuite } from "../../../src/evaluation/suites/source.js";
import { openSystem, type SystemName } from "../../../src/evaluation/systems/by-name.js";
import { LexicalEmbeddings } from "../../../src/models/lexical-embeddings.js";
import { tokenCounter } from "../../../src/models/tokens.js";
import { OfflinePolicy } from "../../../src/offline/policy.js";
import { isOverridden } from "../../../src/offline/rules/told-line-rule.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "agemem-suites-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function file(name: string, value: unknown): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, typeof value === "string" ? value : JSON.stringify(value));
  return path;
}

const FACTS = {
  context: [
    "Here is a list of facts:",
    "0. The capital of Arland is Oster.",
    "1. Ada Byron plays the position of goalkeeper.",
    "2. The capital of Arland is Wester.",
    "3. Tom Reed was born in the city of Leeds.",
  ].join("\n"),
  questions: ["What is the capital of Arland?"],
  answers: [["Wester"]],
  metadata: { source: "factconsolidation_sh_tiny" },
};

describe("metrics", () => {
  it("match answers as the benchmarks' scorers do", () => {
    expect(substringExactMatch("It is the Nile.", ["nile"])).toBe(1);
    expect(substringExactMatch("anything", [""])).toBe(0);
    expect(exactMatch("The Nile!", ["nile"])).toBe(1);
    expect(locomoWords("The dogs, and a running cat")).toEqual(["dog", "run", "cat"]);
    expect(locomoScore("camping, pottery", "Pottery, camping", "multi-hop")).toBe(1);
    expect(locomoScore("pottery", "Pottery, camping", "multi-hop")).toBe(0.5);
    expect(locomoScore("Yes", "Yes; because she said so", "open-domain")).toBe(1);
    expect(locomoScore("It is not mentioned.", "", "adversarial")).toBe(1);
    expect(locomoScore("In May", "", "adversarial")).toBe(0);
  });

  it("find evidence by the sources of what was recalled", () => {
    const found = [{ sources: ["a"] }, { sources: ["b", "c"] }];
    expect(evidenceRecall(found, ["b", "d"], 2)).toBe(0.5);
    expect([recallAny(found, ["b", "d"], 1), recallAny(found, ["b", "d"], 2)]).toEqual([0, 1]);
    expect([recallAll(found, ["a", "b"], 2), recallAll(found, [], 2)]).toEqual([1, 0]);
    expect(ndcg(found, ["b"], 2)).toBeCloseTo(1 / Math.log2(3));
  });
});

describe("FactConsolidation", () => {
  it("tells a memory that is corrected from one that only grows", async () => {
    const suite = await loadSuite(`factconsolidation:${await file("facts.json", FACTS)}`);
    const model = new OfflinePolicy();
    const index = { embeddings: new LexicalEmbeddings(), embeddingName: "lexical" };
    const systems: SystemName[] = ["no-memory", "keyword", "agemem"];
    const batches = systems.flatMap((system) =>
      memoryBatches({
        suite,
        system,
        open: async () => openSystem(system, { model, index }),
        reader: model,
        counter: tokenCounter(),
        seed: 0,
      }),
    );
    const out = join(folder, "facts.jsonl");
    expect(await runEvaluation(batches, { out, settings: {} })).toEqual({ played: 3, found: 0, failed: 0 });
    const records = await readEvaluation(out);
    const [none, keyword, agemem] = summarizeSystems(records);
    expect(none?.metrics.substring_exact_match?.mean).toBe(0);
    expect(none?.recalledTokens).toBe(0);
    expect([keyword?.stored, agemem?.stored]).toEqual([4, 3]);
    expect(agemem?.operations).toEqual({ ADD: 3, UPDATE: 1 });
    expect(agemem?.metrics.substring_exact_match?.mean).toBe(1);
    const [against] = pairedDifferences(records, "substring_exact_match", "agemem");
    expect(against).toMatchObject({ baseline: "no-memory", better: 1, worse: 0 });
    const tables = reportTables(
      summarizeSystems(records),
      pairedDifferences(records, "substring_exact_match", "agemem"),
    );
    expect(toMarkdown(tables)).toContain("| agemem | 1 | 0 | 100.0 [100.0, 100.0] |");
  });

  it("overrides a fact by one of the same subject only", () => {
    const old = "3. The capital of France is Paris.";
    expect(isOverridden(old, "9. The capital of France is Lyon.")).toBe(true);
    expect(isOverridden(old, "9. The capital of Spain is Madrid.")).toBe(false);
    expect(isOverridden(old, "9. The capital of France is Paris.")).toBe(false);
  });

  it("names what a file lacks", async () => {
    const path = await file("broken.json", { ...FACTS, answers: [] });
    await expect(loadSuite(`factconsolidation:${path}`)).rejects.toMatchObject({
      code: "AGEMEM_INPUT_FORMAT",
    });
    await expect(loadSuite("nothing:x")).rejects.toMatchObject({ code: "AGEMEM_INPUT_ARGUMENT" });
  });
});

it("LoCoMo, HotpotQA and LongMemEval are read with their evidence", async () => {
  const locomo = await file("locomo.json", [
    {
      sample_id: "c",
      conversation: {
        session_1_date_time: "1 May",
        session_1: [{ speaker: "Ann", dia_id: "D1:1", text: "I paint." }],
      },
      qa: [{ question: "What does Ann do?", answer: "paint", evidence: ["D1:1; D9:9", "D"], category: 4 }],
    },
  ]);
  const [conversation] = (await loadSuite(`locomo:${locomo}`)).cases;
  expect(conversation?.sessions[0]?.[0]).toMatchObject({ id: "D1:1", speaker: "Ann", time: "1 May" });
  expect(conversation?.questions[0]).toMatchObject({
    id: "c-q0",
    evidence: ["D1:1"],
    category: "single-hop",
  });
  expect((await loadSuite(`locomo:${locomo}`, { exclude: ["c-q0"] })).cases[0]?.questions).toEqual([]);

  const row = {
    _id: "h",
    question: "Who?",
    answer: "Bo",
    context: [["T", ["x."]]],
    supporting_facts: [
      ["T", 0],
      ["Gone", 0],
    ],
  };
  const hotpot = await loadSuite(`hotpotqa:${await file("hotpot.json", [row])}`);
  expect(hotpot.cases[0]?.questions[0]?.evidence).toEqual(["T"]);

  const long = {
    question_id: "q",
    question_type: "single-session-user",
    question: "Which?",
    answer: 3,
    haystack_session_ids: ["s1", "s2"],
    haystack_sessions: [[{ role: "user", content: "a" }], [{ role: "user", content: "b", has_answer: true }]],
    answer_session_ids: ["s2"],
  };
  const suite = await loadSuite(`longmemeval:${await file("long.json", [long])}`);
  const [question] = suite.cases[0]?.questions ?? [];
  expect(question?.evidence).toEqual(["s2#0"]);
  const memories = [{ text: "b", score: 1, sources: ["s2#0"] }];
  expect(question && suite.grade(question, { answer: null, memories })).toMatchObject({ "turn_ndcg@5": 1 });
});
