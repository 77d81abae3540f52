/** `agemem report`: results of `agemem evaluate` as tables, plots and a page, with the differences between systems. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { InputError } from "../../errors.js";
import { toPage } from "../../evaluation/reporting/page.js";
import { makeReport, type Report } from "../../evaluation/reporting/report.js";
import { toMarkdown } from "../../evaluation/reporting/tables.js";
import { readEvaluation } from "../../evaluation/runs/results-file.js";

interface Options {
  system: string;
  metric?: string;
  html?: string;
  plots?: string;
  paper: boolean;
  json?: boolean;
}

/** The command, for the program of `main.ts`. */
export function reportCommand(): Command {
  return new Command("report")
    .description("tables of one or more files of results: figures with 95 % intervals, costs, differences")
    .argument("<results...>", "files that agemem evaluate wrote")
    .option("--system <name>", "the system to compare with all others", "agemem")
    .option("--metric <name>", "figure that is compared (default: the suite's main one)")
    .option("--html <file>", "write a page too, with tables and plots; it opens offline")
    .option("--plots <folder>", "write the plots too, as SVG")
    .option("--no-paper", "without tables in the form of AgeMem's paper and its own figures")
    .option("--json", "print the figures as JSON")
    .action(report);
}

async function report(paths: string[], options: Options): Promise<void> {
  const { system, metric, html, plots, paper, json } = options;
  const files = await Promise.all(paths.map(readEvaluation));
  if (!files.flat().some(({ type }) => type === "episode")) {
    throw new InputError("AGEMEM_INPUT_FILE", `${paths.join(", ")}: no episodes`, {
      remedy: "Run agemem evaluate first.",
      details: { paths },
    });
  }
  const made = makeReport(files, { system, paper, ...(metric === undefined ? {} : { metric }) });
  const tables = [...made.paper, ...made.bySuite.flatMap((each) => each.tables)];
  const { summaries, spendings, differences } = made;
  console.log(json ? JSON.stringify({ summaries, spendings, differences }) : toMarkdown(tables));
  if (html !== undefined) await writeFile(html, pageOf(made));
  if (plots !== undefined) {
    await mkdir(plots, { recursive: true });
    const all = made.bySuite.flatMap((each) => each.plots);
    await Promise.all(all.map(({ name, svg }) => writeFile(join(plots, `${name}.svg`), svg)));
  }
}

const THEIRS =
  "Rows and outlined bars marked as the paper's are figures of AgeMem (arXiv 2601.01885), taken with other prompts, another judge and other data: a difference to ours proves nothing.";

function pageOf({ facts, paper, bySuite }: Report): string {
  return toPage({
    title: "Evaluation",
    facts,
    sections: [
      { heading: "In the form of the paper", note: THEIRS, tables: paper, plots: [] },
      ...bySuite.map(({ suite, tables, plots }) => ({ heading: suite, tables, plots })),
    ],
  });
}
