/**
 * Results in the form of the paper's tables, with its figures below ours: performance on the five benchmarks (table 2),
 * calls of each operation on HotpotQA, and J, tokens, memory quality and calls there.
 *
 * Tokens (TN) are all prompt tokens of an episode, including the memory's own calls, so that no system hides its cost.
 * Pure.
 */
import { plus } from "../../lib/call-usage.js";
import { MEMORY_OPS } from "../../types.js";
import type { EvaluationEpisode, EvaluationRecord, ObservedRecord } from "../runs/record.js";
import { type Estimate, estimate } from "./estimate.js";
import { PAPER_HOTPOTQA, PAPER_ROWS, PAPER_SUITES, type PaperModel } from "./paper.js";
import type { SystemSummary } from "./summary.js";
import type { ReportTable } from "./tables.js";

/**
 * The tables for which there are results.
 *
 * @param models base models whose rows in the paper are shown
 * @param judge the judge that gave J, which captions name
 */
export function paperTables(
  records: readonly EvaluationRecord[],
  summaries: readonly SystemSummary[],
  models: readonly PaperModel[],
  judge: string,
): ReportTable[] {
  const tables: ReportTable[] = [];
  if (summaries.some(({ suite }) => PAPER_SUITES.some((each) => each.suite === suite))) {
    tables.push(performance(summaries, models, judge));
  }
  const shares = hotpotqaShares(records);
  if (shares.size > 0) tables.push(calls(shares, models), qualities(shares, summaries, models, judge));
  return tables;
}

function performance(
  summaries: readonly SystemSummary[],
  models: readonly PaperModel[],
  judge: string,
): ReportTable {
  const systems = [...new Set(summaries.map(({ system }) => system))];
  const ours = systems.flatMap((system) => {
    const figures = PAPER_SUITES.map(({ suite, metric }) => {
      const found = summaries.find((each) => each.system === system && each.suite === suite);
      return found?.metrics[metric];
    });
    if (figures.every((figure) => figure === undefined)) return [];
    const means = figures.flatMap((figure) => (figure ? [100 * figure.mean] : []));
    const average =
      means.length === figures.length ? means.reduce((a, b) => a + b, 0) / means.length : undefined;
    return [["ours", system, ...figures.map(percent), average?.toFixed(2) ?? "-"]];
  });
  const theirs = PAPER_ROWS.filter(({ model }) => models.includes(model)).map(
    ({ model, name, figures, average }) => [
      `the paper's, ${model}`,
      name,
      ...figures.map((figure) => figure.toFixed(2)),
      average.toFixed(2),
    ],
  );
  return {
    caption: `Five benchmarks, in the form of the paper's table 2 (percent; SR success, PR progress, J by ${judge})`,
    head: ["figures", "system", ...PAPER_SUITES.map(({ title, short }) => `${title} ${short}`), "average"],
    rows: [...ours, ...theirs],
  };
}

/** Means of one HotpotQA episode, with its share of the cost of showing the paragraphs. */
interface EpisodeShare {
  calls: Record<string, number>;
  prompt: number | null;
}

function hotpotqaShares(records: readonly EvaluationRecord[]): Map<string, EpisodeShare[]> {
  const place = ({ system, seed, case: id }: EvaluationEpisode | ObservedRecord): string =>
    JSON.stringify([system, seed, id]);
  const observed = new Map<string, ObservedRecord>();
  const asked = new Map<string, EvaluationEpisode[]>();
  for (const record of records) {
    if (record.type === "settings" || record.suite !== "hotpotqa") continue;
    const key = place(record);
    if (record.type === "observed") observed.set(key, record);
    else asked.set(key, [...(asked.get(key) ?? []), record]);
  }
  const shares = new Map<string, EpisodeShare[]>();
  for (const [key, episodes] of asked) {
    const [system = ""] = JSON.parse(key) as [string];
    const of = episodes.map((episode) => shareOf(episode, observed.get(key), episodes.length));
    shares.set(system, [...(shares.get(system) ?? []), ...of]);
  }
  return shares;
}

function shareOf(episode: EvaluationEpisode, shown: ObservedRecord | undefined, among: number): EpisodeShare {
  const before = shown?.auxiliary.prompt_tokens;
  const told = before === undefined || before === null ? before : before / among;
  const own = plus(episode.policy.prompt_tokens, episode.auxiliary.prompt_tokens);
  const calls = Object.fromEntries(
    MEMORY_OPS.map((op) => [op, (episode.operations[op] ?? 0) + (shown?.operations[op] ?? 0) / among]),
  );
  return { calls, prompt: told === undefined ? own : plus(own, told) };
}

function calls(
  shares: ReadonlyMap<string, readonly EpisodeShare[]>,
  models: readonly PaperModel[],
): ReportTable {
  const total = (counts: Readonly<Record<string, number>>): number =>
    MEMORY_OPS.reduce((sum, op) => sum + (counts[op] ?? 0), 0);
  const acting = [...shares].filter(([, episodes]) =>
    episodes.some(({ calls: counts }) => total(counts) > 0),
  );
  const ours = acting.map(([system, episodes]) => [
    "ours",
    system,
    ...MEMORY_OPS.map((op) => interval(episodes.map(({ calls: counts }) => counts[op] ?? 0))),
    interval(episodes.map(({ calls: counts }) => total(counts))),
  ]);
  const theirs = models.map((model) => {
    const { calls: counts } = PAPER_HOTPOTQA[model];
    const figures = MEMORY_OPS.map((op) => (counts[op] ?? 0).toFixed(2));
    return [`the paper's, ${model}`, "AgeMem, trained", ...figures, total(counts).toFixed(2)];
  });
  return {
    caption: "HotpotQA: calls of each operation per episode, in the form of the paper's table 3",
    head: ["figures", "system", ...MEMORY_OPS, "all"],
    rows: [...ours, ...theirs],
  };
}

function qualities(
  shares: ReadonlyMap<string, readonly EpisodeShare[]>,
  summaries: readonly SystemSummary[],
  models: readonly PaperModel[],
  judge: string,
): ReportTable {
  const ours = [...shares].map(([system, episodes]) => {
    const metrics =
      summaries.find((each) => each.system === system && each.suite === "hotpotqa")?.metrics ?? {};
    const prompts = episodes.flatMap(({ prompt }) => (prompt === null ? [] : [prompt]));
    return [
      "ours",
      system,
      percent(metrics.j),
      prompts.length === episodes.length ? interval(prompts, 0) : "not reported",
      metrics.mq ? unit(metrics.mq) : "-",
      interval(episodes.map(({ calls: counts }) => Object.values(counts).reduce((a, b) => a + b, 0))),
    ];
  });
  const theirs = models.map((model) => {
    const { j, mq, calls: counts } = PAPER_HOTPOTQA[model];
    const all = Object.values(counts).reduce((a, b) => a + b, 0);
    return [`the paper's, ${model}`, "AgeMem, trained", j.toFixed(2), "-", mq.toFixed(3), all.toFixed(2)];
  });
  return {
    caption: `HotpotQA: J and memory quality (MQ) by ${judge}, prompt tokens (TN), operations (TC), in the form of the paper's table 4`,
    head: ["figures", "system", "J (percent)", "TN", "MQ", "TC"],
    rows: [...ours, ...theirs],
  };
}

function percent(value: Estimate | undefined): string {
  if (!value) return "-";
  const [mean, low, high] = [value.mean, value.low, value.high].map((each) => (100 * each).toFixed(2));
  return `${mean} [${low}, ${high}]`;
}

function unit({ mean, low, high }: Estimate): string {
  return `${mean.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;
}

function interval(values: readonly number[], digits = 2): string {
  const { mean, low, high } = estimate(values.map((value, i) => ({ group: String(i), value })));
  return `${mean.toFixed(digits)} [${low.toFixed(digits)}, ${high.toFixed(digits)}]`;
}
