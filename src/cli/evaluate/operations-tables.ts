/** Renders the figures of the operations test as tables for the terminal. Pure. */
import Table from "cli-table3";
import { MOVES, type Share, type SubjectReport } from "../../evaluation/operations/report.js";
import { TABLE_STYLE } from "../demo/screen.js";

/** Totals with 95 % intervals, then a row per kind of situation with the moves made. */
export function operationsTables(report: SubjectReport): string {
  return [totals(report), matrix(report)].join("\n");
}

function totals(report: SubjectReport): string {
  const tokens = (value: number | null): string => (value === null ? "not reported" : value.toFixed(0));
  return [
    `subject          ${report.subject}`,
    `situations       ${report.situations}`,
    `valid            ${share(report.valid)}`,
    `right operation  ${share(report.rightOperation)}`,
    `right arguments  ${share(report.rightArguments)}`,
    `tokens           ${tokens(report.promptTokens)} prompt, ${tokens(report.responseTokens)} response (mean per decision)`,
  ].join("\n");
}

function share({ hits, of, share: value, low, high }: Share): string {
  return `${percent(value)} (${hits}/${of}, 95 % interval ${percent(low)} to ${percent(high)})`;
}

function matrix({ byKind }: SubjectReport): string {
  const head = ["situation", "wanted", "operation", "arguments", ...MOVES.map(short)];
  const table = new Table({ head, style: TABLE_STYLE });
  for (const [kind, row] of Object.entries(byKind)) {
    const counts = MOVES.map((move) => row.moves[move] || "");
    table.push([
      kind,
      row.wanted,
      percent(row.rightOperation.share),
      percent(row.rightArguments.share),
      ...counts,
    ]);
  }
  return table.toString();
}

/** Abbreviated, because nine of these columns must fit beside the others. */
function short(move: (typeof MOVES)[number]): string {
  return move.slice(0, 4).toLowerCase();
}

function percent(value: number): string {
  return `${(100 * value).toFixed(0)} %`;
}
