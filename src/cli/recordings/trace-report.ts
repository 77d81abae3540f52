/** Renders `agemem trace`: pure functions from a trace to lines of text. */
import Table from "cli-table3";
import colors from "picocolors";
import {
  addUsage,
  costOf,
  type OperationUsage,
  type Prices,
  totalUsage,
  type UsageByOperation,
  type UsageKey,
} from "../../lib/usage.js";
import { showInvisible } from "../../text/escaping.js";
import { collapseSpace, truncate } from "../../text/text.js";
import type { TracedMemory, TraceEvent } from "../../trajectory/trace/events.js";
import type { ConversationTrace } from "../../trajectory/trace/trace.js";
import type { FactVerdict, Verdict } from "../../trajectory/trace/verdict.js";
import { TABLE_STYLE } from "../demo/screen.js";
import { tokenCount } from "./usage-line.js";

/** The whole report. */
export function traceReport(traces: readonly ConversationTrace[], prices: Prices | undefined): string {
  const parts = traces.map((trace) => conversationReport(trace, prices));
  if (traces.length > 1) {
    const all = traces.map(({ usage }) => usage).reduce(addUsage, {});
    parts.push([colors.bold(`All ${traces.length} conversations`), usageTable(all, prices)].join("\n"));
    const verdicts = traces.flatMap((trace) => trace.verdicts);
    if (verdicts.length > 0) parts.push(`verdicts    ${verdictCounts(verdicts)}`);
  }
  return parts.join("\n\n");
}

function conversationReport(trace: ConversationTrace, prices: Prices | undefined): string {
  const facts = [
    trace.threadId === null || trace.threadId === trace.rolloutId ? "" : `thread ${trace.threadId}`,
    trace.taskId === null ? "" : `task ${trace.taskId}`,
    trace.attempt > 1 ? `attempt ${trace.attempt}` : "",
    trace.status ?? "no ending on record",
    trace.reward === null ? "" : `reward ${trace.reward.toFixed(3)}`,
  ].filter(Boolean);
  return [
    `${colors.bold(trace.rolloutId)} (${facts.join(", ")})`,
    ...trace.events.map(eventLine),
    usageTable(trace.usage, prices),
    ...trace.verdicts.map(verdictLines),
  ].join("\n");
}

/** One event as a line: step, operation, arguments, result. */
export function eventLine(event: TraceEvent): string {
  const stage = event.stage > 0 ? `${event.stage}/` : "";
  const name = event.guard ? "OVERFLOW" : event.kind;
  const place = `${stage}${event.step}`.padStart(6);
  return `${colors.dim(place)}  ${paint(event, name.padEnd(9))} ${showInvisible(describe(event))}`;
}

function paint(event: TraceEvent, text: string): string {
  if (!event.ok) return colors.yellow(text);
  return event.kind === "ANSWER" ? colors.green(text) : colors.magenta(text);
}

function describe(event: TraceEvent): string {
  const asked = event.asked === null ? "" : quote(event.asked);
  if (!event.ok) return `${asked} refused: ${truncate(collapseSpace(event.error ?? ""), 160)}`.trim();
  switch (event.kind) {
    case "ADD":
    case "DELETE":
      return event.memories.map(memory).join(", ");
    case "UPDATE":
      return `${memory({ id: event.memories[0]?.id ?? "", content: event.before })} -> ${content(event.memories[0])}`;
    case "RETRIEVE":
      return `${asked} -> ${event.memories.map(memory).join(", ") || "nothing"}`;
    case "SUMMARY":
    case "FILTER":
      return `${asked} -> ${edit(event)}`.replace(/^ -> /, "");
    case "ANSWER":
      return asked;
  }
}

function edit(event: TraceEvent): string {
  const own = event.auxiliary
    ? ` (${event.auxiliary.calls} model call(s), ${tokenCount(event.auxiliary.tokens)} tokens)`
    : "";
  return `edit ${event.editId}, ${event.messages} message(s), ${event.tokensSaved} tokens saved${own}`;
}

function memory(each: TracedMemory): string {
  return `${each.id} ${content(each)}`;
}

function content(each: TracedMemory | undefined): string {
  return each?.content == null ? "(content not on record)" : quote(each.content, 80);
}

function quote(text: string, length = 120): string {
  return `"${truncate(collapseSpace(text), length)}"`;
}

const SOURCES = { given: "", gold_fact: " (gold fact)", gold_answer: " (gold answer)" };

/** A fact, its verdict, and why. */
function verdictLines(verdict: FactVerdict): string {
  const name = verdictName(verdict.verdict).toUpperCase() + (verdict.certain ? "" : "?");
  const color = verdict.verdict === "answered" ? colors.green : colors.yellow;
  return [
    `  ${quote(verdict.fact)}${SOURCES[verdict.source]} at step ${verdict.step}`,
    `    ${color(name)}  ${verdict.reason}`,
  ].join("\n");
}

function verdictName(verdict: Verdict): string {
  const names: Partial<Record<Verdict, string>> = {
    in_context: "in the context",
    filtered: "filtered away",
    summarized: "summarized away",
    not_retrieved: "stored, not retrieved",
  };
  return names[verdict] ?? verdict.replaceAll("_", " ");
}

function verdictCounts(verdicts: readonly FactVerdict[]): string {
  const counts = new Map<string, number>();
  for (const { verdict } of verdicts) {
    counts.set(verdictName(verdict), (counts.get(verdictName(verdict)) ?? 0) + 1);
  }
  return [...counts].map(([name, n]) => `${n} ${name}`).join(", ");
}

const ROWS: UsageKey[] = [
  "ADD",
  "UPDATE",
  "DELETE",
  "RETRIEVE",
  "SUMMARY",
  "FILTER",
  "GUARD",
  "TOOLS",
  "AUX",
  "ANSWER",
];

/** Usage per operation with totals, and a price column if there are prices. */
export function usageTable(usage: UsageByOperation, prices: Prices | undefined): string {
  const head = ["", "n", "refused", "calls", "prompt", "completion", "ms", "tokens saved"];
  const table = new Table({
    head: prices ? [...head, "price"] : head,
    colAligns: ["left", ...head.map(() => "right" as const)],
    style: TABLE_STYLE,
  });
  const line = (name: string, row: OperationUsage): string[] => {
    const cost = prices && costOf(row, prices);
    return [
      name,
      row.operations ? String(row.operations) : "",
      row.refused ? String(row.refused) : "",
      row.calls.toFixed(1),
      tokenCount(row.promptTokens),
      tokenCount(row.completionTokens),
      String(Math.round(row.latencyMs)),
      row.tokensSaved ? String(row.tokensSaved) : "",
      ...(prices ? [cost == null ? "unknown" : cost.toFixed(6)] : []),
    ];
  };
  for (const key of ROWS) {
    const row = usage[key];
    if (row) table.push(line(key, row));
  }
  table.push(line("total", totalUsage(usage)));
  return table.toString();
}
