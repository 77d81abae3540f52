/** The figures of an evaluation as tables, and tables as Markdown. Pure. */
import type { Estimate } from "./estimate.js";
import type { PairedDifference, SystemSummary } from "./summary.js";

/** A table. */
export interface ReportTable {
  caption: string;
  head: readonly string[];
  rows: readonly (readonly string[])[];
}

/**
 * For each suite, tables of metrics, costs, categories and differences. Where episodes come in groups (questions of one
 * conversation), the interval that takes them as independent is followed by the one over groups.
 */
export function reportTables(
  summaries: readonly SystemSummary[],
  differences: readonly PairedDifference[],
): ReportTable[] {
  const suites = [...new Set(summaries.map(({ suite }) => suite))];
  return suites.flatMap((suite) => {
    const here = summaries.filter((each) => each.suite === suite);
    const pairs = differences.filter((each) => each.suite === suite);
    return [
      figures(suite, here),
      costs(suite, here),
      ...categories(suite, here),
      ...(pairs.length ? [paired(suite, pairs)] : []),
    ];
  });
}

function figures(suite: string, here: readonly SystemSummary[]): ReportTable {
  const names = [...new Set(here.flatMap(({ metrics }) => Object.keys(metrics)))];
  return {
    caption: `${suite}: percent, with 95 % intervals`,
    head: ["system", "episodes", "failed", ...names, "tokens recalled"],
    rows: here.map((each) => [
      each.system,
      String(each.episodes),
      String(each.failed),
      ...names.map((name) => percent(each.metrics[name])),
      each.recalledTokens.toFixed(0),
    ]),
  };
}

function costs(suite: string, here: readonly SystemSummary[]): ReportTable {
  const operations = [...new Set(here.flatMap((each) => Object.keys(each.operations)))];
  return {
    caption: `${suite}: tokens and calls per episode, operations in all`,
    head: ["system", "prompt", "response", "auxiliary", "auxiliary calls", "stored per case", ...operations],
    rows: here.map((each) => [
      each.system,
      number(each.promptTokens),
      number(each.responseTokens),
      number(each.auxiliaryTokens),
      each.auxiliaryCalls.toFixed(2),
      number(each.stored),
      ...operations.map((name) => String(each.operations[name] ?? 0)),
    ]),
  };
}

function categories(suite: string, here: readonly SystemSummary[]): ReportTable[] {
  const names = [...new Set(here.flatMap((each) => Object.keys(each.categories)))];
  if (names.length < 2) return [];
  const metrics = [...new Set(here.flatMap((each) => Object.keys(each.metrics)))];
  return metrics.map((metric) => ({
    caption: `${suite}: ${metric} by category, percent`,
    head: ["system", ...names],
    rows: here.map((each) => [each.system, ...names.map((name) => percent(each.categories[name]?.[metric]))]),
  }));
}

function paired(suite: string, pairs: readonly PairedDifference[]): ReportTable {
  return {
    caption: `${suite}: differences over the same episodes, in points, with 95 % intervals`,
    head: ["system", "minus", "figure", "difference", "better", "worse", "episodes"],
    rows: pairs.map(({ system, baseline, metric, difference, better, worse }) => [
      system,
      baseline,
      metric,
      percent(difference),
      String(better),
      String(worse),
      String(difference.n),
    ]),
  };
}

function percent(value: Estimate | undefined): string {
  if (!value) return "-";
  const points = (each: number): string => (100 * each).toFixed(1);
  const { mean, low, high, grouped } = value;
  const byGroup = grouped
    ? `, ${grouped.groups} groups [${points(grouped.low)}, ${points(grouped.high)}]`
    : "";
  return `${points(mean)} [${points(low)}, ${points(high)}]${byGroup}`;
}

function number(value: number | null): string {
  return value === null ? "not reported" : value.toFixed(0);
}

/** @example toMarkdown([{ caption: "a", head: ["b"], rows: [["1"]] }]) */
export function toMarkdown(tables: readonly ReportTable[]): string {
  return tables
    .map(({ caption, head, rows }) => {
      const line = (cells: readonly string[]): string =>
        `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
      return [`### ${caption}`, "", line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
    })
    .join("\n\n");
}
