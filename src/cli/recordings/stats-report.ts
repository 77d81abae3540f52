/** Renders the figures of a recording as tables for the terminal. Pure. */
import Table from "cli-table3";
import type { Figures } from "../../evaluation/metrics/figures.js";
import type { RecordingStats } from "../../evaluation/metrics/recording-stats.js";
import { MEMORY_OPS } from "../../types.js";
import { TABLE_STYLE } from "../demo/screen.js";
import { tokenCount } from "./usage-line.js";

/** Summary, operations by stage (the paper's table 3), measures and reward parts. */
export function statsReport(stats: RecordingStats): string {
  return [summary(stats), operations(stats), measures(stats), rewards(stats)].join("\n");
}

function summary(stats: RecordingStats): string {
  const { groups } = stats;
  const statuses = Object.entries(stats.byStatus).map(([status, n]) => `${n} ${status}`);
  const failures = Object.entries(stats.failures).map(([name, n]) => `  ${n} x ${name}`);
  const { calls, promptTokens, completionTokens } = stats.auxiliary;
  return [
    `rollouts    ${stats.rollouts}: ${statuses.join(", ")}`,
    ...failures,
    `steps       ${stats.policySteps} policy calls, ${stats.trainableSteps} trainable; ${stats.formatErrors} out of format, ${stats.truncated} truncated`,
    `auxiliary   ${calls} calls, ${tokenCount(promptTokens)} + ${tokenCount(completionTokens)} tokens`,
    `groups      ${groups.groups}: ${groups.zeroVariance} without variance, ${groups.unscored} unscored; std within a group ${figure(groups.std.mean)} (mean)`,
  ].join("\n");
}

/** Operations that took effect per rollout: the columns of the paper's table 3, by stage. */
function operations({ operations: counts, rollouts }: RecordingStats): string {
  const table = new Table({ head: ["per rollout", ...MEMORY_OPS], style: TABLE_STYLE });
  const row = (name: string, of: (op: (typeof MEMORY_OPS)[number]) => number): void => {
    table.push([name, ...MEMORY_OPS.map((op) => (of(op) / rollouts).toFixed(2))]);
  };
  for (const stage of [0, 1, 2] as const) row(`stage ${stage + 1}`, (op) => counts[op].done[stage]);
  row("all stages", (op) => counts[op].done.reduce((a, b) => a + b, 0));
  row("refused", (op) => counts[op].refused);
  return table.toString();
}

function measures(stats: RecordingStats): string {
  const table = new Table({ head: ["measure", "mean", "std", "min", "max", "n"], style: TABLE_STYLE });
  const rows: [string, Figures][] = [
    ["tool calls per rollout (TC)", stats.toolCalls],
    ["policy calls per rollout", stats.steps],
    ["prompt tokens per call (TN)", stats.promptTokens],
    ...Object.entries(stats.promptTokensByStage).map(([stage, figures]): [string, Figures] => [
      `  stage ${stage}`,
      figures,
    ]),
    ["response tokens per call", stats.completionTokens],
    ["seconds per rollout", stats.seconds],
    ["answer by the judge (J)", stats.judgeScore],
    ["memory quality (MQ)", stats.memoryQuality],
  ];
  for (const [name, figures] of rows) table.push([name, ...cells(figures)]);
  return table.toString();
}

function rewards(stats: RecordingStats): string {
  const table = new Table({
    head: ["reward part", "mean", "std", "min", "max", "scored"],
    style: TABLE_STYLE,
  });
  for (const [name, figures] of Object.entries(stats.rewardParts)) table.push([name, ...cells(figures)]);
  table.push(["R(tau)", ...cells(stats.reward)]);
  return table.toString();
}

function cells({ mean, std, min, max, n }: Figures): string[] {
  return [figure(mean), figure(std), figure(min), figure(max), String(n)];
}

/** A number for a table; "-" for null. */
export function figure(value: number | null): string {
  if (value === null) return "-";
  return Math.abs(value) >= 100 ? String(Math.round(value)) : value.toFixed(2);
}
