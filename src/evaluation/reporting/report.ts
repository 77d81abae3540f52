/** Everything that `agemem report` shows for one or more files of results. Pure; the command reads and writes. */
import type { EvaluationRecord } from "../runs/record.js";
import { paperModelsFor } from "./paper.js";
import { paperTables } from "./paper-tables.js";
import { type ReportPlot, reportPlots } from "./plots.js";
import { type Spending, spendings } from "./spending.js";
import { type PairedDifference, pairedDifferences, type SystemSummary, summarizeSystems } from "./summary.js";
import { type ReportTable, reportTables } from "./tables.js";

/** The figures, and how they are shown. */
export interface Report {
  summaries: SystemSummary[];
  spendings: Spending[];
  differences: PairedDifference[];
  /** Tables in the paper's form; empty without results on its benchmarks. */
  paper: ReportTable[];
  bySuite: { suite: string; tables: ReportTable[]; plots: ReportPlot[] }[];
  /** Settings of the runs, by name. */
  facts: [string, string][];
}

/** Figures that tell most, first the one that is there. */
const MAIN = ["j", "success", "progress", "substring_exact_match", "f1"];
const PROGRESS_FIRST = ["progress", ...MAIN];

/**
 * @param files lines of each file; if the files have different models, a system is named with its model
 * @param system the system that is compared with all others of its model
 * @param metric that is compared; default of each suite: J, success or progress, or the suite's own measure
 * @param paper whether to add tables in the form of AgeMem's paper, with its figures
 */
export function makeReport(
  files: readonly (readonly EvaluationRecord[])[],
  { system, metric, paper }: { system: string; metric?: string; paper: boolean },
): Report {
  const settings = files.map(settingsOf);
  const models = [...new Set(settings.map(modelOf))];
  const named = (name: string, at: number): string =>
    models.length > 1 ? `${name} (${modelOf(settings[at])})` : name;
  const labeled = files.map((records, at) =>
    records.map((record) =>
      record.type === "settings" ? record : { ...record, system: named(record.system, at) },
    ),
  );
  const records = labeled.flat();
  const summaries = summarizeSystems(records);
  const spent = spendings(records);
  const suites = [...new Set(summaries.map(({ suite }) => suite))];
  const metrics = Object.fromEntries(suites.map((suite) => [suite, metric ?? mainMetric(suite, summaries)]));
  const differences = suites.flatMap((suite) =>
    models.flatMap((model) => {
      const here = labeled.flatMap((lines, at) => (modelOf(settings[at]) === model ? lines : []));
      const inSuite = here.filter((record) => record.type !== "settings" && record.suite === suite);
      const name = models.length > 1 ? `${system} (${model})` : system;
      return pairedDifferences(inSuite, metrics[suite] ?? "", name);
    }),
  );
  const tables = reportTables(summaries, differences);
  const plots = reportPlots(summaries, spent, { metrics, paper: paper ? paperModelsFor(models) : [] });
  return {
    summaries,
    spendings: spent,
    differences,
    paper: paper ? paperTables(records, summaries, paperModelsFor(models), judgeOf(settings)) : [],
    bySuite: suites.map((suite) => ({
      suite,
      tables: [
        ...tables.filter(({ caption }) => caption.startsWith(`${suite}: `)),
        spendingTable(
          suite,
          spent.filter((each) => each.suite === suite),
        ),
      ],
      plots: plots.filter(({ name }) => name.startsWith(`${suite}-`)),
    })),
    facts: factsOf(settings),
  };
}

function settingsOf(records: readonly EvaluationRecord[]): Record<string, unknown> {
  const [first] = records;
  return first?.type === "settings" ? first.settings : {};
}

function judgeOf(settings: readonly Record<string, unknown>[]): string {
  const names = [...new Set(settings.flatMap(({ judge }) => (typeof judge === "string" ? [judge] : [])))];
  return names.join(", ") || "no judge";
}

function modelOf(settings: Record<string, unknown> | undefined): string {
  return String(settings?.model ?? "unknown");
}

function mainMetric(suite: string, summaries: readonly SystemSummary[]): string {
  const there = new Set(
    summaries.filter((each) => each.suite === suite).flatMap(({ metrics }) => Object.keys(metrics)),
  );
  const order = suite === "pddl" ? PROGRESS_FIRST : MAIN;
  return order.find((name) => there.has(name)) ?? [...there][0] ?? "";
}

function spendingTable(suite: string, here: readonly Spending[]): ReportTable {
  const money = (value: number | null): string => (value === null ? "-" : value.toPrecision(3));
  return {
    caption: `${suite}: time, price and judge, per episode`,
    head: [
      "system",
      "seconds",
      "model calls",
      "price",
      "judge's calls",
      "judge's tokens",
      "judge's price",
      "scores not given",
    ],
    rows: here.map((each) => [
      each.system,
      each.seconds.toFixed(2),
      each.calls.toFixed(2),
      money(each.cost),
      each.judgeCalls.toFixed(2),
      each.judge === null ? "not reported" : each.judge.toFixed(0),
      money(each.judgeCost),
      String(each.judgeFailures),
    ]),
  };
}

function factsOf(settings: readonly Record<string, unknown>[]): [string, string][] {
  const names = [...new Set(settings.flatMap((each) => Object.keys(each)))];
  return names.map((name) => {
    const values = settings.flatMap((each) => (each[name] === undefined ? [] : [told(each[name])]));
    return [name, [...new Set(values)].join("; ")];
  });
}

function told(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
