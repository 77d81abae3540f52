/** Reports of recordings with calls that the server reported no tokens of: "unknown", where a 0 would be a lie. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { statsReport } from "../../../src/cli/recordings/stats-report.js";
import { eventLine, usageTable } from "../../../src/cli/recordings/trace-report.js";
import { usageLine } from "../../../src/cli/recordings/usage-line.js";
import { recordingStats } from "../../../src/evaluation/metrics/recording-stats.js";
import { TrajectoryWriter } from "../../../src/trajectory/file.js";
import { summaryRecord } from "../../../src/trajectory/summary-record.js";
import { traceRecords } from "../../../src/trajectory/trace/trace.js";
import { usageOfSteps } from "../../../src/trajectory/usage.js";
import { op, textStep } from "../../trajectory/records.js";

const auxiliary = { calls: 1, prompt_tokens: null, completion_tokens: null, latency_ms: 4 };
const steps = [
  textStep({ memory_ops: [op({ op: "SUMMARY", tool_call_id: "b", edit_id: "e1", auxiliary })] }),
  textStep({ step_index: 1, call_role: "aux", drop_reason: "aux", usage: null, model: "notes" }),
  textStep({ step_index: 2 }),
];
const trajectory = summaryRecord(steps, {
  rollout_id: "g1-r0",
  status: "ok",
  ts: "2026-01-02T00:00:00.000Z",
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "agemem-usage-"));
});
afterAll(() => rm(folder, { recursive: true }));

it("agemem trace: the row and the total, while the other rows stay known", () => {
  const prices = { m: { input: 1, output: 1 }, notes: { input: 1, output: 1 } };
  const lines = usageTable(usageOfSteps(steps), prices).split("\n");
  const cells = (name: string) => lines.find((line) => line.includes(` ${name} `))?.split(/[│\s]+/);
  for (const name of ["SUMMARY", "total"]) {
    expect(cells(name)?.filter((cell) => cell === "unknown")).toHaveLength(3);
  }
  expect(cells("ANSWER")).not.toContain("unknown");
  expect(eventLine(traceRecords(steps)[0]?.events[0] as never)).toContain(
    "(1 model call(s), unknown tokens)",
  );
});

it("agemem stats: the line of auxiliary calls", async () => {
  const report = statsReport(await recordingStats([{ trajectory, steps }]));
  expect(report).toContain("auxiliary   1 calls, unknown + unknown tokens");
});

it("the demo: its line of usage", async () => {
  const path = join(folder, "run.jsonl");
  const writer = await TrajectoryWriter.open(path);
  await writer.appendRollout({ trajectory, steps });
  await writer.close();
  expect(await usageLine(path)).toMatch(/^3 model calls, unknown \+ unknown tokens, /);
});
