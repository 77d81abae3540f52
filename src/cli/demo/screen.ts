/** Renders the demo: pure functions from events to lines of text. */
import Table from "cli-table3";
import colors from "picocolors";
import { collapseSpace, truncate } from "../../text/text.js";
import type { MemoryOp, MemoryOpOutcome } from "../../types.js";

/** Style of all tables; plain if the output has no color. */
export const TABLE_STYLE = colors.isColorSupported
  ? { head: ["bold"], compact: true }
  : { head: [], border: [], compact: true };

const WIDTH = 108;
const LABEL = 10;

/** A line with a label in the left margin; long text wraps under itself. */
function labeled(label: string, text: string, paint: (text: string) => string = (t) => t): string {
  const lines = wrap(text, WIDTH - LABEL);
  return lines.map((line, i) => `${paint((i === 0 ? label : "").padEnd(LABEL))}${line}`).join("\n");
}

/** What the user said; a long text is cut on the screen only. */
export function userLine(text: string): string {
  return `\n${labeled("you", truncate(collapseSpace(text), 330), colors.cyan)}`;
}

export function thoughtLine(text: string): string {
  return labeled("thinks", colors.dim(truncate(collapseSpace(text), 200)), colors.dim);
}

export function answerLine(text: string): string {
  return labeled("agent", collapseSpace(text), colors.green);
}

/** A memory operation: its arguments and its result. */
export function operationLine(
  op: MemoryOp,
  args: Record<string, unknown>,
  result: string,
  ok: boolean,
): string {
  const asked = truncate(collapseSpace(describeArguments(op, args)), 160);
  const came = truncate(collapseSpace(plainResult(result)), 300);
  const mark = ok ? colors.green("->") : colors.yellow("refused:");
  return labeled(op, `${asked}\n${mark} ${came}`, ok ? colors.magenta : colors.yellow);
}

function describeArguments(op: MemoryOp, args: Record<string, unknown>): string {
  switch (op) {
    case "ADD":
      return `"${args.content}" (${args.memory_type ?? "fact"})`;
    case "UPDATE":
      return `${args.memory_id} := "${args.content}"`;
    case "DELETE":
      return `${args.memory_id}, confirmation ${args.confirmation ?? args.confirmed ?? false}`;
    case "RETRIEVE":
      return `"${args.query}"${args.top_k ? `, top ${args.top_k}` : ""}`;
    case "SUMMARY":
      return `span ${args.span}`;
    case "FILTER":
      return `remove what is like "${truncate(String(args.criteria), 120)}"`;
  }
}

/** Retrieved memories as a list instead of tags. */
function plainResult(text: string): string {
  if (!text.startsWith("<retrieved_memories")) return text;
  const found = [...text.matchAll(/<memory id="([^"]+)"[^>]*>([^<]*)<\/memory>/g)];
  const shown = [...text.matchAll(/<memory id="([^"]+)" already_in_context/g)];
  if (found.length + shown.length === 0) return "nothing found";
  return [
    ...found.map((match) => `[${match[1]}] ${match[2]}`),
    ...shown.map((match) => `[${match[1]}] already in the context`),
  ].join("  ");
}

/** Tokens used of the budget. */
export function budgetBar(tokens: number, maxTokens: number): string {
  const share = tokens / maxTokens;
  const filled = Math.min(30, Math.round(share * 30));
  const bar = "█".repeat(filled) + "░".repeat(30 - filled);
  const paint = share > 1 ? colors.red : share > 0.7 ? colors.yellow : colors.dim;
  const figures = `${tokens.toLocaleString("en")} / ${maxTokens.toLocaleString("en")} tokens (${Math.round(share * 100)}%)`;
  return labeled("context", paint(`${bar} ${figures}`), colors.dim);
}

/** The memories of a user as a table. */
export function memoryTable(rows: { id: string; type: string; content: string; revision: string }[]): string {
  const table = new Table({
    head: ["memory", "type", "content", "history"],
    colWidths: [13, 13, 62, 18],
    wordWrap: true,
    style: TABLE_STYLE,
  });
  for (const row of rows) table.push([row.id, row.type, row.content, row.revision]);
  return table.toString();
}

/** How often each operation took effect, and how often one was refused. */
export function operationCounts(outcomes: readonly MemoryOpOutcome[]): string {
  const counts = new Map<MemoryOp, number>();
  for (const { op, ok } of outcomes) if (ok) counts.set(op, (counts.get(op) ?? 0) + 1);
  const refused = outcomes.filter((outcome) => !outcome.ok).length;
  const text = [...counts].map(([op, n]) => `${op} ${n}`).join(", ") || "none";
  return refused ? `${text} (${refused} refused)` : text;
}

function wrap(text: string, width: number): string[] {
  const out: string[] = [];
  for (const paragraph of text.split("\n")) {
    let line = "";
    for (const word of paragraph.split(" ")) {
      if (line && line.length + word.length + 1 > width) {
        out.push(line);
        line = word;
      } else {
        line = line ? `${line} ${word}` : word;
      }
    }
    out.push(line);
  }
  return out;
}
