/** `agemem report`: results of `agemem evaluate` as tables, with the differences between systems. */
import { writeFile } from "node:fs/promises";
import { Command } from "commander";
import { pairedDifferences, summarizeSystems } from "../../evaluation/reporting/summary.js";
import { reportTables, toHtml, toMarkdown } from "../../evaluation/reporting/tables.js";
import type { EvaluationRecord } from "../../evaluation/runs/record.js";
import { readEvaluation } from "../../evaluation/runs/results-file.js";

interface Options {
  system: string;
  metric?: string;
  html?: string;
  json?: boolean;
}

/** The command, for the program of `main.ts`. */
export function reportCommand(): Command {
  return new Command("report")
    .description("tables of one or more files of results: figures with 95 % intervals, costs, differences")
    .argument("<results...>", "files that agemem evaluate wrote")
    .option("--system <name>", "the one that is compared with all others", "agemem")
    .option("--metric <name>", "figure that is compared (default: the first of the file)")
    .option("--html <file>", "write a page too")
    .option("--json", "print the figures as JSON")
    .action(report);
}

async function report(paths: string[], { system, metric, html, json }: Options): Promise<void> {
  const records: EvaluationRecord[] = [];
  for (const path of paths) records.push(...(await readEvaluation(path)));
  const summaries = summarizeSystems(records);
  const first = metric ?? Object.keys(summaries[0]?.metrics ?? {})[0] ?? "";
  const differences = pairedDifferences(records, first, system);
  const tables = reportTables(summaries, differences);
  console.log(json ? JSON.stringify({ summaries, differences }) : toMarkdown(tables));
  if (html !== undefined) await writeFile(html, toHtml(tables));
}
