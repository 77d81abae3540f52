/** Scoring a recording again: other weights, another judge, other advantages; the rest stays to the letter. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ModelError } from "../../src/errors.js";
import { OfflinePolicy } from "../../src/offline/policy.js";
import type { Judge } from "../../src/rewards/judge.js";
import { createOfflineJudge } from "../../src/rewards/judges/offline.js";
import { rescoreFile } from "../../src/rollout/rescore.js";
import { streamRollouts } from "../../src/rollout/runner.js";
import { type Rollout, readRollouts, validateFile } from "../../src/trajectory/file.js";
import { memoryStore, optionsFor, personTask } from "./setup.js";

let folder: string;
let input: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "agemem-rescore-"));
  input = join(folder, "run.jsonl");
  const store = await memoryStore();
  await streamRollouts(
    [0, 1].map(personTask),
    { ...optionsFor(store), policy: ({ seed }) => new OfflinePolicy({ seed, temperature: 1 }), k: 4 },
    { out: input },
  );
  await store.close();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function read(path: string): Promise<Rollout[]> {
  const rollouts: Rollout[] = [];
  for await (const rollout of readRollouts(path)) rollouts.push(rollout);
  return rollouts;
}

let made = 0;
const output = () => join(folder, `scored-${made++}.jsonl`);

describe("rescoreFile", () => {
  it("with the same settings changes nothing", async () => {
    const out = output();
    const report = await rescoreFile(input, out);
    expect(report).toMatchObject({ rollouts: 8, scored: 8 });
    expect(report.meanAfter).toBeCloseTo(report.meanBefore!, 12);
    expect(await read(out)).toEqual(await read(input));
  });

  it("applies other weights and advantages of the whole group", async () => {
    const out = output();
    await rescoreFile(input, out, { reward: { preset: "answer-only" }, advantage: "prime-rl" });
    const [before, after] = [await read(input), await read(out)];
    for (const [i, { trajectory, steps }] of after.entries()) {
      expect(trajectory.reward).toBe(before[i]!.trajectory.reward_parts.task);
      expect(steps).toEqual(before[i]!.steps);
      expect(trajectory.episode).toEqual(before[i]!.trajectory.episode);
    }
    for (const group of [after.slice(0, 4), after.slice(4)]) {
      const mean = group.reduce((sum, { trajectory }) => sum + trajectory.reward!, 0) / 4;
      for (const { trajectory } of group) {
        const expected = trajectory.advantage_meta?.zero_variance ? 0 : trajectory.reward! - mean;
        expect(trajectory.advantage).toBeCloseTo(expected, 12);
      }
    }
    expect((await validateFile(out)).problems).toEqual([]);
  });

  it("asks another judge, whose failures leave the reward open", async () => {
    const harsh: Judge = {
      ...createOfflineJudge(),
      name: "harsh",
      answer: async (question) => {
        if (question.includes("Nora")) throw new ModelError("AGEMEM_MODEL_FAILED", "no verdict");
        return 0.25;
      },
    };
    const out = output();
    const report = await rescoreFile(input, out, { judge: harsh });
    const after = await read(out);
    expect(after.every(({ trajectory }) => trajectory.metadata.judge === "harsh")).toBe(true);
    const [nora, ivo] = [after.slice(0, 4), after.slice(4)];
    const answered = nora.filter(({ trajectory }) => trajectory.episode?.answer);
    expect(answered.length).toBeGreaterThan(0);
    for (const { trajectory } of answered) {
      expect(trajectory).toMatchObject({ reward: null, advantage: null });
      expect(trajectory.metadata.judge_problems).toEqual([expect.stringContaining("no verdict")]);
    }
    const given = ivo.filter(({ trajectory }) => trajectory.episode?.answer);
    expect(given.every(({ trajectory }) => trajectory.reward_parts.task === 0.25)).toBe(true);
    expect(report.scored).toBe(8 - answered.length);
  });

  it("never writes over a file, and refuses a weight that is none", async () => {
    await writeFile(join(folder, "taken.jsonl"), "");
    await expect(rescoreFile(input, join(folder, "taken.jsonl"))).rejects.toMatchObject({
      code: "AGEMEM_INPUT_ARGUMENT",
    });
    const wrong = rescoreFile(input, output(), { reward: { weights: { task: Number.NaN } } });
    await expect(wrong).rejects.toMatchObject({ code: "AGEMEM_INPUT_ARGUMENT" });
  });
});
