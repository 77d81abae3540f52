/** Usage of recorded steps: what is charged to what. */
import { expect, it } from "vitest";
import { costOf, totalUsage } from "../../src/lib/usage.js";
import { summaryRecord } from "../../src/trajectory/summary-record.js";
import { usageOfSteps } from "../../src/trajectory/usage.js";
import { OVERFLOW_CALL_ID } from "../../src/types.js";
import { op, textStep } from "./records.js";

const usage = (prompt_tokens: number, completion_tokens = 0, cached_tokens: number | null = null) => ({
  prompt_tokens,
  completion_tokens,
  cached_tokens,
});
const auxiliary = { calls: 1, prompt_tokens: 50, completion_tokens: 5, latency_ms: 4 };
const run = { tool_call_id: "own", name: "search", ok: true, error: null, latency_ms: 1 };

it("charges calls to operations, own tools, answers, summaries and the guard; the rows add up", () => {
  const steps = [
    textStep({
      step_index: 0,
      usage: usage(300, 30),
      memory_ops: [
        op({ op: "ADD", tool_call_id: "a", latency_ms: 1 }),
        op({
          op: "SUMMARY",
          tool_call_id: "b",
          tokens_before: 200,
          tokens_after: 80,
          auxiliary,
          latency_ms: 9,
        }),
      ],
      tool_runs: [run],
    }),
    textStep({
      step_index: 1,
      call_role: "aux",
      drop_reason: "aux",
      usage: usage(50, 5),
      latency_ms: 4,
      model: "s",
    }),
    textStep({ step_index: 2, call_role: "aux", drop_reason: "aux", usage: usage(70, 7), model: "s" }),
    textStep({
      step_index: 3,
      usage: usage(100, 10),
      memory_ops: [op({ op: "SUMMARY", tool_call_id: OVERFLOW_CALL_ID, auxiliary, tokens_after: 60 })],
    }),
    textStep({ step_index: 4, usage: null, response: null, error: { code: null, message: "down" } }),
  ];
  const rows = usageOfSteps(steps);
  expect(Object.keys(rows).sort()).toEqual(["ADD", "ANSWER", "GUARD", "SUMMARY", "TOOLS"]);
  expect(rows.ADD).toMatchObject({ operations: 1, promptTokens: 100, completionTokens: 10, latencyMs: 5 });
  expect(rows.TOOLS).toMatchObject({ operations: 0, promptTokens: 100 });
  expect(rows.SUMMARY).toMatchObject({
    promptTokens: 150,
    completionTokens: 15,
    tokensSaved: 120,
    latencyMs: 13,
  });
  expect(rows.GUARD).toMatchObject({ operations: 1, promptTokens: 70, tokensSaved: 40 });
  expect(rows.ANSWER).toMatchObject({ promptTokens: 100, calls: 2 });
  expect(rows.SUMMARY?.models.s?.promptTokens).toBe(50);
  const total = totalUsage(rows);
  expect([total.promptTokens, total.completionTokens]).toEqual([520, 52]);
  expect(total.calls).toBeCloseTo(5, 12);
});

it("does not know a sum with a call that the server reported nothing of; a failed call has nothing to report", () => {
  const failed = { response: null, usage: null, error: { code: null, message: "down" } };
  const steps = [
    textStep({ usage: usage(100, 10) }),
    textStep({ step_index: 1, usage: null }),
    textStep({ ...failed, step_index: 2 }),
    textStep({ step_index: 3, call_role: "aux", drop_reason: "aux", usage: usage(50, 5) }),
  ];
  const total = totalUsage(usageOfSteps(steps));
  expect(total).toMatchObject({ calls: 4, promptTokens: null, completionTokens: null, unreported: 1 });
  const record = summaryRecord(steps, { rollout_id: "r", status: "ok", ts: "2026-01-02T00:00:00.000Z" });
  expect(record.policy_usage).toMatchObject({ calls: 3, prompt_tokens: null, completion_tokens: null });
  expect(record.aux_usage).toMatchObject({ calls: 1, prompt_tokens: 50, completion_tokens: 5 });
  const known = totalUsage(usageOfSteps(steps.filter(({ step_index }) => step_index !== 1)));
  expect(known).toMatchObject({ calls: 3, promptTokens: 150, completionTokens: 15 });
});

it("prices the cached tokens of a recording at their own price", () => {
  const steps = [
    textStep({ model: "m", usage: usage(1000, 10, 600) }),
    textStep({ step_index: 1, model: "m", usage: usage(500) }),
  ];
  const total = totalUsage(usageOfSteps(steps));
  expect(total).toMatchObject({ promptTokens: 1500, cachedTokens: 600 });
  const price = { input: 2, output: 10, cachedInput: 0.5 };
  expect(costOf(total, { m: price })).toBeCloseTo((900 * 2 + 600 * 0.5 + 100) / 1e6, 12);
});
