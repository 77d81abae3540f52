/** Tables in the paper's form, plots and the page, from lines made by hand whose figures are known. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { barChart } from "../../../src/evaluation/reporting/bar-chart.js";
import { toPage } from "../../../src/evaluation/reporting/page.js";
import { PAPER_ROWS, paperModelsFor } from "../../../src/evaluation/reporting/paper.js";
import { makeReport } from "../../../src/evaluation/reporting/report.js";
import { type EvaluationRecord, evaluationLine } from "../../../src/evaluation/runs/record.js";
import { run } from "../../cli/program.js";

const SCHEMA = "agemem.evaluation/1";
const tokens = (prompt: number | null, response: number | null) => ({
  calls: 1,
  prompt_tokens: prompt,
  response_tokens: response,
});

function settings(model: string): EvaluationRecord {
  return evaluationLine.parse({
    schema: SCHEMA,
    type: "settings",
    settings: { suite: "hotpotqa", model, judge: "J-1" },
  });
}

function question(
  system: string,
  task: string,
  j: number | undefined,
  over: object = {},
): EvaluationRecord[] {
  const place = { schema: SCHEMA, suite: "hotpotqa", system, seed: 0, case: task };
  const observed = {
    ...place,
    type: "observed",
    messages: 10,
    auxiliary: tokens(100, 10),
    operations: system === "agemem" ? { ADD: 4 } : {},
    stored: 4,
    stored_tokens: 40,
    latency_ms: 1500,
    cost: 0.25,
  };
  const episode = {
    ...place,
    type: "episode",
    task,
    category: "all",
    metrics: { f1: 0.5, ...(j === undefined ? {} : { j, mq: 0.5 }) },
    answer: "a",
    recalled: 3,
    recalled_tokens: 30,
    policy: tokens(50, 5),
    auxiliary: { calls: 0, prompt_tokens: 0, response_tokens: 0 },
    operations: system === "agemem" ? { RETRIEVE: 2 } : {},
    latency_ms: 500,
    cost: 0.75,
    judge: {
      ...tokens(20, 1),
      latency_ms: 5,
      cost: null,
      failures: j === undefined ? [{ code: "AGEMEM_MODEL_FAILED", message: "no verdict" }] : [],
    },
    error: null,
    ...over,
  };
  return [observed, episode].map((line) => evaluationLine.parse(line));
}

const RUN = [
  settings("Qwen/Qwen2.5-7B-Instruct"),
  ...question("keyword", "t1", 0),
  ...question("keyword", "t2", 1),
  ...question("agemem", "t1", 1),
  ...question("agemem", "t2", undefined),
];

describe("makeReport", () => {
  it("puts ours above the paper's rows of the same base model, marked as theirs", () => {
    const { paper } = makeReport([RUN], { system: "agemem", paper: true });
    const [five, calls, quality] = paper;
    expect(five?.head.slice(2)).toEqual([
      "ALFWorld SR",
      "SciWorld SR",
      "PDDL PR",
      "BabyAI SR",
      "HotpotQA J",
      "average",
    ]);
    expect(five?.caption).toContain("J-1");
    expect(
      five?.rows
        .filter(([whose]) => whose === "ours")
        .map(([, system, ...rest]) => [system, rest[4]?.split(" ")[0], rest[5]]),
    ).toEqual([
      ["keyword", "50.00", "-"],
      ["agemem", "100.00", "-"],
    ]);
    const theirs = five?.rows.filter(([whose]) => whose !== "ours") ?? [];
    expect(theirs).toHaveLength(7);
    expect(theirs.at(-1)).toEqual([
      "the paper's, Qwen2.5-7B",
      "AgeMem",
      "41.07",
      "35.55",
      "17.31",
      "61.42",
      "54.44",
      "41.96",
    ]);
    expect(calls?.rows.map((row) => [row[1], row[2]?.split(" ")[0], row[5]?.split(" ")[0]])).toEqual([
      ["agemem", "4.00", "2.00"],
      ["AgeMem, trained", "1.64", "1.95"],
    ]);
    expect(quality?.rows[1]?.slice(1)).toEqual([
      "agemem",
      "100.00 [100.00, 100.00]",
      "150 [150, 150]",
      "0.500 [0.500, 0.500]",
      "6.00 [6.00, 6.00]",
    ]);
  });

  it("counts what a judge did not give, time and money, and never as a score of 0", () => {
    const { spendings, differences } = makeReport([RUN], { system: "agemem", paper: false });
    const agemem = spendings.find(({ system }) => system === "agemem");
    expect(agemem).toMatchObject({
      judgeFailures: 1,
      judge: 21,
      seconds: 2,
      cost: 1,
      judgeCost: null,
      prompt: 50,
      ownPrompt: 100,
      shown: { ADD: 4 },
      asked: { RETRIEVE: 2 },
    });
    // t2 of agemem has no score: one pair is left.
    expect(differences).toMatchObject([
      { metric: "j", baseline: "keyword", better: 1, difference: { n: 1 } },
    ]);
  });

  it("names the model of each system where files differ in it, and pairs within one model", () => {
    const other = [settings("qwen3-4b"), ...question("keyword", "t1", 1), ...question("agemem", "t1", 0)];
    const { summaries, differences } = makeReport([RUN, other], { system: "agemem", paper: true });
    expect(summaries.map(({ system }) => system)).toContain("agemem (qwen3-4b)");
    expect(differences.map(({ system, baseline }) => [system, baseline])).toEqual([
      ["agemem (Qwen/Qwen2.5-7B-Instruct)", "keyword (Qwen/Qwen2.5-7B-Instruct)"],
      ["agemem (qwen3-4b)", "keyword (qwen3-4b)"],
    ]);
  });

  it("says where tokens were not reported", () => {
    const untold = question("agemem", "t1", 1, { policy: tokens(null, null) });
    const { paper, bySuite } = makeReport([[settings("m"), ...untold]], { system: "agemem", paper: true });
    expect(paper[2]?.rows[0]?.[3]).toBe("not reported");
    expect(bySuite[0]?.plots.find(({ name }) => name === "hotpotqa-tokens")?.svg).toContain("over 110");
  });
});

it("the paper's rows average to what it says, but for its rounding", () => {
  for (const { figures, average } of PAPER_ROWS) {
    const mean = figures.reduce((a, b) => a + b, 0) / figures.length;
    expect(Math.abs(mean - average)).toBeLessThan(0.011);
  }
  expect(paperModelsFor(["gguf:smollm2"])).toHaveLength(2);
  expect(paperModelsFor(["openai:qwen3-4b-instruct"])).toEqual(["Qwen3-4B"]);
});

it("a chart draws bars to scale, intervals, and escapes its texts", () => {
  const svg = barChart({
    title: "<t>",
    unit: "percent",
    series: ["x"],
    max: 100,
    bars: [
      { label: "a&b", values: [50], low: 40, high: 60 },
      { label: "theirs", values: [25], theirs: true },
    ],
  });
  const widths = [...svg.matchAll(/<rect x="210.0" y="\d+" width="([\d.]+)"/g)].map(([, width]) =>
    Number(width),
  );
  expect(widths[0]).toBeCloseTo(2 * (widths[1] ?? 0), 0);
  expect(svg).toContain("a&amp;b");
  expect(svg).toContain("stroke-dasharray");
  expect(svg).not.toContain("<t>");
});

it("agemem report writes a page that needs nothing else, and plots; it refuses a file without episodes", async () => {
  const folder = await mkdtemp(join(tmpdir(), "agemem-report-"));
  const path = join(folder, "results.jsonl");
  await writeFile(path, RUN.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const page = join(folder, "page.html");
  const done = await run(["report", path, "--html", page, "--plots", join(folder, "plots")]);
  expect(done.code).toBe(0);
  expect(done.stdout).toContain("| the paper's, Qwen2.5-7B | AgeMem |");
  const html = await readFile(page, "utf8");
  expect(html.match(/<svg /g)).toHaveLength(3);
  expect(html.replaceAll("http://www.w3.org/2000/svg", "")).not.toMatch(/https?:\/\/|<script|<link/);
  expect(await readFile(join(folder, "plots", "hotpotqa-performance.svg"), "utf8")).toContain(
    "paper: AgeMem",
  );
  const empty = join(folder, "empty.jsonl");
  await writeFile(empty, `${JSON.stringify(RUN[0])}\n`);
  expect((await run(["report", empty])).stderr).toContain("AGEMEM_INPUT_FILE");
  await rm(folder, { recursive: true });
  expect(toPage({ title: "<b>", facts: [], sections: [] })).toContain("&lt;b&gt;");
}, 60_000);
