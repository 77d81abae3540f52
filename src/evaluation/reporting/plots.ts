/**
 * The plots of a report: performance, tokens, and operations by stage, each per suite. Pure; drawn by `bar-chart.ts`.
 */
import { MEMORY_OPS } from "../../types.js";
import { type Bar, barChart } from "./bar-chart.js";
import { PAPER_ROWS, PAPER_SUITES, type PaperModel } from "./paper.js";
import type { Spending } from "./spending.js";
import type { SystemSummary } from "./summary.js";

/** A plot and the name of its file, without the extension. */
export interface ReportPlot {
  name: string;
  svg: string;
}

/**
 * @param metrics the metric that is shown, by suite
 * @param paper base models whose figures in the paper are drawn below ours; may be empty
 */
export function reportPlots(
  summaries: readonly SystemSummary[],
  spent: readonly Spending[],
  { metrics, paper }: { metrics: Readonly<Record<string, string>>; paper: readonly PaperModel[] },
): ReportPlot[] {
  const suites = [...new Set(summaries.map(({ suite }) => suite))];
  return suites.flatMap((suite) => {
    const here = summaries.filter((each) => each.suite === suite);
    const costs = spent.filter((each) => each.suite === suite);
    return [
      { name: `${suite}-performance`, svg: performance(suite, here, metrics[suite] ?? "", paper) },
      { name: `${suite}-tokens`, svg: tokens(suite, costs) },
      ...operations(suite, costs),
    ];
  });
}

function performance(
  suite: string,
  here: readonly SystemSummary[],
  metric: string,
  paper: readonly PaperModel[],
): string {
  const ours = here.flatMap(({ system, metrics }): Bar[] => {
    const figure = metrics[metric];
    if (!figure) return [];
    const { mean, low, high } = figure;
    return [{ label: system, values: [100 * mean], low: 100 * low, high: 100 * high }];
  });
  return barChart({
    title: `${suite}: ${metric}, with 95 % intervals`,
    unit: "percent",
    series: [metric],
    bars: [...ours, ...paperBars(suite, metric, paper)],
    max: 100,
  });
}

function paperBars(suite: string, metric: string, models: readonly PaperModel[]): Bar[] {
  const at = PAPER_SUITES.findIndex((each) => each.suite === suite && each.metric === metric);
  if (at < 0) return [];
  return PAPER_ROWS.filter(
    ({ model, system }) => models.includes(model) && /^(no-memory|mem0|agemem)$/.test(system),
  ).map(({ model, name, figures }) => ({
    label: `paper: ${name}, ${model}`,
    values: [figures[at] ?? null],
    theirs: true,
  }));
}

function tokens(suite: string, here: readonly Spending[]): string {
  return barChart({
    title: `${suite}: tokens per episode`,
    unit: "tokens, without the judge's",
    series: ["prompt", "response", "the memory's own prompts", "the memory's own responses"],
    bars: here.map(({ system, prompt, response, ownPrompt, ownResponse }) => ({
      label: system,
      values: [prompt, response, ownPrompt, ownResponse],
    })),
  });
}

/** None for a suite in which no system reports operations. */
function operations(suite: string, here: readonly Spending[]): ReportPlot[] {
  const names = [
    ...new Set([...MEMORY_OPS, ...here.flatMap((each) => Object.keys({ ...each.shown, ...each.asked }))]),
  ];
  const bars = here.flatMap(({ system, shown, asked }): Bar[] => {
    const bar = (stage: string, counts: Record<string, number>): Bar[] =>
      Object.keys(counts).length === 0
        ? []
        : [{ label: `${system}, ${stage}`, values: names.map((name) => counts[name] ?? 0) }];
    return [...bar("while shown", shown), ...bar("while asked", asked)];
  });
  if (bars.length === 0) return [];
  const title = `${suite}: operations per episode, by stage`;
  return [{ name: `${suite}-operations`, svg: barChart({ title, unit: "operations", series: names, bars }) }];
}
