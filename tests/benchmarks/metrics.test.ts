/** The figures of a recording against numbers worked out by hand, and the plots of them. */
import { describe, expect, it } from "vitest";
import { Tallies, Tally } from "../../src/benchmarks/metrics/figures.js";
import { rewardPlot, tokenPlot } from "../../src/benchmarks/metrics/plots.js";
import { recordingStats } from "../../src/benchmarks/metrics/recording-stats.js";
import { runRollouts } from "../../src/rollout/runner.js";
import type { Rollout } from "../../src/trajectory/file.js";
import { diligent, memoryStore, optionsFor, personTask, respondingModel } from "../rollout/setup.js";

async function recorded(): Promise<Rollout[]> {
  const store = await memoryStore();
  const policy = ({ index, taskId }: { index: number; taskId: string }) =>
    respondingModel(
      index === 1 && taskId === "person-1"
        ? () => {
            throw new Error("down");
          }
        : diligent,
    );
  try {
    const groups = await runRollouts([0, 1].map(personTask), { ...optionsFor(store), policy });
    return groups.flatMap((group) => group.rollouts);
  } finally {
    await store.close();
  }
}

describe("running figures", () => {
  it("are those of the whole list", () => {
    const tally = new Tally();
    for (const value of [2, 4, null, 4, 4, 5, 5, undefined, 7, 9]) tally.add(value);
    const { std, ...rest } = tally.figures;
    expect(rest).toEqual({ n: 8, mean: 5, min: 2, max: 9 });
    expect(std).toBeCloseTo(Math.sqrt(32 / 7), 12);
    expect(new Tally().figures).toEqual({ n: 0, mean: null, std: null, min: null, max: null });
    const tallies = new Tallies();
    tallies.at("a").add(1);
    tallies.at("a").add(3);
    expect(tallies.figures).toMatchObject({ a: { n: 2, mean: 2 } });
  });
});

describe("the figures of a recording", () => {
  it("count operations by stage, calls, failures and groups", async () => {
    const stats = await recordingStats(await recorded());
    expect(stats).toMatchObject({
      rollouts: 4,
      byStatus: { ok: 3, error: 1 },
      failures: { AGEMEM_MODEL_FAILED: 1 },
      // Three whole rollouts: two passages, three distractors, one retrieval.
      operations: {
        ADD: { done: [6, 9, 0], refused: 0 },
        RETRIEVE: { done: [0, 0, 3], refused: 0 },
        FILTER: { done: [0, 0, 0], refused: 0 },
      },
      policySteps: 22,
      trainableSteps: 0,
      formatErrors: 0,
    });
    expect(stats.toolCalls).toMatchObject({ n: 4, mean: 4.5, max: 6, min: 0 });
    expect(stats.steps).toMatchObject({ n: 4, mean: 5.5, max: 7, min: 1 });
    expect(stats.reward.n).toBe(3);
    expect(stats.rewardParts.task).toMatchObject({ n: 3, mean: 1 });
    expect(stats.groups).toMatchObject({ groups: 2, zeroVariance: 2, unscored: 0 });
    expect(stats.promptTokensByStage).toMatchObject({ 1: { n: 7 }, 2: { n: 9 }, 3: { n: 6 } });
    expect(stats.promptTokensByStep).toHaveLength(7);
  });

  it("are drawn as SVG with one mark per group and step", async () => {
    const stats = await recordingStats(await recorded());
    expect(rewardPlot(stats).match(/<circle/g)).toHaveLength(2);
    expect(tokenPlot(stats).match(/<circle/g)).toHaveLength(7);
    expect(tokenPlot(stats)).toMatch(/^<svg xmlns[^>]*>[\s\S]*<polyline[\s\S]*<\/svg>\n$/);
    const empty = await recordingStats([]);
    expect(rewardPlot(empty)).not.toMatch(/NaN|Infinity/);
  });
});
