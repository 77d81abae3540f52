import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { exportRollouts } from "../../src/trajectory/exporter.js";
import { EXPORTERS, type ExporterName, exporterByName } from "../../src/trajectory/exporters/registry.js";
import { ROW_SCHEMAS, rowsJsonSchema } from "../../src/trajectory/exporters/row-schemas.js";
import type { Rollout } from "../../src/trajectory/file.js";
import type { StepRecord, TrajectoryRecord } from "../../src/trajectory/schema.js";
import { step, textStep, trajectory } from "./records.js";

const meta = { mean: 0, std: 1, std_kind: "sample" as const, eps: 1e-6, n: 2, zero_variance: false };
const scored = {
  reward: 0.5,
  reward_parts: { task: 1, context: null },
  advantage: 0.75,
  advantage_meta: meta,
  rollout_index: 1,
};
const calls = [{ id: "c1", name: "Add_memory", arguments: '{"content":  "x"}' }];
const good: StepRecord[] = [
  step({ response: { role: "assistant", content: null, reasoning: "hm", tool_calls: calls } }),
  step({
    step_index: 1,
    stage: 3,
    messages: [
      { role: "user", content: "q" },
      { role: "assistant", content: "", tool_calls: calls },
      { role: "tool", content: "ok", tool_call_id: "c1", name: "Add_memory", id: "internal" },
    ],
    tools: [{ type: "function", function: { name: "Add_memory" } }],
    prompt_token_ids: [9],
    response_token_ids: [10, 11],
    response_logprobs: [-1, -2],
    response_mask: [1, 0],
    response_id: null,
    run_id: "run-b",
    truncated: true,
  }),
];
const rollout = (steps: StepRecord[] = good, over = {}): Rollout => ({
  trajectory: trajectory({ ...scored, n_steps: steps.length, ...over }),
  steps,
});
const judge = textStep({ call_role: "aux", drop_reason: "aux", step_index: 5 });
const tokenless = textStep({ step_index: 2 });
const failed = textStep({
  step_index: 3,
  response: null,
  drop_reason: "error",
  error: { code: null, message: "503" },
});

const messagesOf = (row: Record<string, unknown> = {}) => row.messages as { role: string; weight?: number }[];

describe("export to trl", () => {
  const { trl } = EXPORTERS;
  it("makes a RolloutSample per policy step with the trajectory's advantage", () => {
    const { rows, refused } = trl.export(rollout([...good, judge]));
    expect(refused).toEqual([]);
    expect(rows).toHaveLength(2);
    expect(rows[0]).toMatchObject({
      prompt: [{ role: "user", content: "hello" }],
      completion: [
        {
          role: "assistant",
          content: null,
          reasoning_content: "hm",
          tool_calls: [
            { id: "c1", type: "function", function: { name: "Add_memory", arguments: '{"content":  "x"}' } },
          ],
        },
      ],
      input_ids: [1, 2, 3, 4, 5],
      completion_mask: [0, 0, 0, 1, 1],
      old_log_probs: [0, 0, 0, -0.5, -0.25],
      advantage: 0.75,
      model_version: 3,
      metrics: { reward: 0.5, "reward/task": 1 },
    });
    // Masked tokens carry no log-probability, and the ids of our state stay with us.
    expect(rows[1]).toMatchObject({ completion_mask: [0, 1, 0], old_log_probs: [0, -1, 0] });
    expect(JSON.stringify(rows[1])).not.toContain("internal");
    for (const row of rows) {
      const lengths = ["input_ids", "completion_mask", "old_log_probs"].map(
        (key) => (row[key] as number[]).length,
      );
      expect(new Set(lengths).size).toBe(1);
    }
  });
  it("numbers groups the same for all their rollouts", () => {
    const id = (over: object) => trl.export(rollout(good, over)).rows[0]?.group_id as number;
    expect(id({})).toBe(id({ rollout_id: "r2" }));
    expect(id({})).not.toBe(id({ group_id: "g2" }));
    expect(Number.isSafeInteger(id({}))).toBe(true);
  });
  it("refuses what lacks tokens, log-probabilities, version or advantage", () => {
    const blind = step({ step_index: 4, response_logprobs: null });
    const unversioned = step({ step_index: 6, policy_version: null });
    const { rows, refused } = trl.export(rollout([tokenless, failed, blind, unversioned]));
    expect(rows).toEqual([]);
    expect(refused.map((r) => [r.stepIndex, r.reason])).toEqual([
      [2, "no token ids from the server"],
      [3, "the call failed"],
      [4, "no log-probabilities from the server"],
      [6, "no policy version: give one for the export"],
    ]);
    expect(trl.export(rollout([unversioned]), { policyVersion: 8 }).rows[0]?.model_version).toBe(8);
    expect(trl.export(rollout(good, { advantage: null, advantage_meta: null })).refused).toMatchObject([
      { stepIndex: null, reason: "no advantage: score the rollouts first" },
    ]);
  });
});

describe("a placeholder for a log-probability", () => {
  it.each(["trl", "trinity", "verl"] as const)("is never a row of %s", (name) => {
    const floored = step({ step_index: 4, response_logprobs: [-0.5, -9999] });
    const { rows, refused } = EXPORTERS[name].export(rollout([floored]));
    expect(rows).toEqual([]);
    expect(refused).toMatchObject([
      { stepIndex: 4, reason: "the server gave a placeholder for a log-probability" },
    ]);
    const masked = step({ step_index: 4, response_logprobs: [-0.5, -9999], response_mask: [1, 0] });
    expect(EXPORTERS[name].export(rollout([masked])).rows).toHaveLength(1);
  });
});

describe("export to trinity", () => {
  const { trinity } = EXPORTERS;
  it("makes the arguments of an Experience per step", () => {
    const { rows } = trinity.export(rollout(), { batch: 7 });
    expect(rows[0]).toMatchObject({
      eid: { batch: 7, task: "t1@g1@v3", run: 1, step: 0, suffix: "chatcmpl-1" },
      tokens: [1, 2, 3, 4, 5],
      prompt_length: 3,
      logprobs: [-0.5, -0.25],
      reward: 0.5,
      info: { model_version: 3, stage: 1 },
      metrics: { task: 1 },
    });
    expect(rows[0]).not.toHaveProperty("action_mask");
    expect(rows[0]).not.toHaveProperty("truncate_status");
    expect(rows[1]).toMatchObject({
      eid: { suffix: "run-b", step: 1 },
      action_mask: [true, false],
      truncate_status: "response_truncated",
    });
  });
  it("keeps runs, seeds, versions of the weights and attempts of one task apart", () => {
    const variants: Partial<TrajectoryRecord>[] = [
      {},
      { group_id: "g2" },
      { group_id: null },
      { policy_version_max: 4 },
      { attempt: 2 },
      { task_id: "t2" },
    ];
    const groups = variants.map((over) => {
      const { rows } = trinity.export(rollout(good, over));
      const names = rows.map(({ eid }) => (eid as { task: string }).task);
      expect(new Set(names).size).toBe(1);
      return names[0];
    });
    expect(new Set(groups).size).toBe(variants.length);
  });
  it("refuses what it cannot place", () => {
    expect(
      trinity.export(rollout(good, { reward: null, advantage: null, advantage_meta: null })).rows,
    ).toEqual([]);
    expect(trinity.export(rollout(good, { rollout_index: null })).refused[0]?.reason).toMatch(
      "rollout index",
    );
    expect(trinity.export(rollout([step({ response_logprobs: null })])).refused[0]?.reason).toMatch(
      "log-prob",
    );
  });
});

describe("export to verl", () => {
  const { verl } = EXPORTERS;
  it("makes one row per rollout, outputs in order, the reward on the last", () => {
    const { rows, refused } = verl.export(rollout([...good, tokenless, judge]));
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({
      uid: "g1",
      session_id: 1,
      outputs: [
        {
          prompt_ids: [1, 2, 3],
          response_ids: [4, 5],
          response_mask: [1, 1],
          response_logprobs: [-0.5, -0.25],
          reward_score: null,
          num_turns: 2,
        },
        {
          prompt_ids: [9],
          response_ids: [10, 11],
          reward_score: 0.5,
          num_turns: 4,
          extra_fields: { step_index: 1, reward_extra_info: { task: 1 } },
        },
      ],
    });
    expect(refused).toMatchObject([{ stepIndex: 2 }]);
  });
  it("gives log-probabilities for all outputs or for none", () => {
    const mixed = [good[0] as StepRecord, step({ step_index: 1, response_logprobs: null })];
    const outputs = verl.export(rollout(mixed)).rows[0]?.outputs as { response_logprobs: unknown }[];
    expect(outputs.map((o) => o.response_logprobs)).toEqual([null, null]);
  });
  it("makes no row of a rollout without tokens", () => {
    expect(verl.export(rollout([tokenless]))).toMatchObject({ rows: [], refused: [{ stepIndex: 2 }] });
  });
});

describe("export to chat", () => {
  const { chat } = EXPORTERS;
  it("needs no tokens and weighs only the response to learn", () => {
    const second = { ...(good[1] as StepRecord), truncated: false };
    const { rows } = chat.export(rollout([tokenless, second]));
    expect(rows[0]).toMatchObject({
      messages: [{ role: "user" }, { role: "assistant", content: "hi", weight: 1 }],
    });
    expect(messagesOf(rows[1]).map((m) => [m.role, m.weight])).toEqual([
      ["user", undefined],
      ["assistant", 0],
      ["tool", undefined],
      ["assistant", 1],
    ]);
    expect(rows[1]).toMatchObject({ tools: [{ type: "function" }], metadata: { reward: 0.5, stage: 3 } });
  });
  it("leaves out what must not be imitated, and poor rollouts when asked", () => {
    const broken = step({ step_index: 2, format_error: "no tags" });
    expect(
      chat.export(rollout([good[1] as StepRecord, broken, failed])).refused.map((r) => r.reason),
    ).toEqual([
      "the response was cut at the length limit",
      "the response broke the format",
      "the call failed",
    ]);
    expect(chat.export(rollout(), { minReward: 0.6 }).rows).toEqual([]);
    expect(chat.export(rollout(), { minReward: 0.5 }).rows.length).toBeGreaterThan(0);
  });
});

describe("exportRollouts", () => {
  it("counts rows and refusals by reason", async () => {
    const rows: unknown[] = [];
    const all = [rollout([...good, tokenless]), rollout([tokenless, failed])];
    const report = await exportRollouts(all, exporterByName("trl"), (row) => void rows.push(row));
    expect(report).toEqual({
      rollouts: 2,
      rows: 2,
      refused: { "no token ids from the server": 2, "the call failed": 1 },
    });
    expect(rows).toHaveLength(2);
  });
  it("knows its formats", () => {
    expect(() => exporterByName("toString")).toThrowError(
      expect.objectContaining({ code: "AGEMEM_INPUT_ARGUMENT" }),
    );
    for (const [name, exporter] of Object.entries(EXPORTERS)) expect(exporter.name).toBe(name);
  });
});

describe("the schemas of rows", () => {
  const rowsOf = (name: ExporterName) => EXPORTERS[name].export(rollout([...good, judge])).rows;
  it.each(Object.keys(EXPORTERS) as ExporterName[])("hold for what is exported to %s", (name) => {
    const rows = rowsOf(name);
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) expect(ROW_SCHEMAS[name].parse(JSON.parse(JSON.stringify(row)))).toEqual(row);
  });

  it.each<[ExporterName, (row: never) => void]>([
    ["trl", (row: { old_log_probs: number[] }) => row.old_log_probs.pop()],
    ["trl", (row: { completion_mask: number[] }) => row.completion_mask.fill(2)],
    ["trl", (row: { model_version?: number }) => delete row.model_version],
    ["trl", (row: { extra: number }) => Object.assign(row, { extra: 1 })],
    ["trinity", (row: { logprobs: number[] }) => row.logprobs.push(-1)],
    ["trinity", (row: { advantages: number[] }) => Object.assign(row, { advantages: [1] })],
    ["trinity", (row: { prompt_length: number }) => Object.assign(row, { prompt_length: 0 })],
    ["trinity", (row: { eid: object }) => Object.assign(row.eid, { suffix: "" })],
    ["verl", (row: { outputs: { response_mask: number[] }[] }) => row.outputs[0]?.response_mask.pop()],
    ["verl", (row: { outputs: object[] }) => row.outputs.splice(0)],
    ["chat", (row: { messages: object[] }) => row.messages.splice(1)],
  ] as never)("do not hold for a broken row of %s: %s", (name, spoil) => {
    const row = structuredClone(rowsOf(name)[0]);
    expect(ROW_SCHEMAS[name].safeParse(row).success).toBe(true);
    spoil(row as never);
    expect(ROW_SCHEMAS[name].safeParse(row).success).toBe(false);
  });

  it("hold the advantage of each step of a counterfactual group, and none elsewhere", () => {
    const own = rollout(good.map((each, i) => ({ ...each, advantage: i === 0 ? 0 : -0.25 })));
    const export_ = (name: ExporterName, of = own) => EXPORTERS[name].export(of, { policyVersion: 4 }).rows;
    const trinity = export_("trinity").map((row) => ROW_SCHEMAS.trinity.parse(row).advantages);
    expect(trinity).toEqual([good[0]?.response_mask?.map(() => 0), [-0.25, 0]]);
    const [verl] = export_("verl").map((row) => ROW_SCHEMAS.verl.parse(row));
    expect(verl?.outputs.map(({ extra_fields }) => extra_fields.advantage)).toEqual([0, -0.25]);
    expect(export_("trl").map((row) => ROW_SCHEMAS.trl.parse(row).advantage)).toEqual([0, -0.25]);
    expect(JSON.stringify([export_("trinity", rollout()), export_("verl", rollout())])).not.toContain(
      '"advantage',
    );
  });

  it("are published as JSON Schema, and the published file is current", () => {
    const published = readFileSync(new URL("../../schemas/agemem.rows-1.json", import.meta.url), "utf8");
    expect(JSON.parse(published)).toEqual(JSON.parse(JSON.stringify(rowsJsonSchema())));
  });
});
