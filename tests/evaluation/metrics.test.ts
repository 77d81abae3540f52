/** The figures of a recording against numbers worked out by hand, and the plots of them. */
import { describe, expect, it } from "vitest";
import { statsReport } from "../../src/cli/recordings/stats-report.js";
import { FiguresByName, RunningFigures } from "../../src/evaluation/metrics/figures.js";
import { rewardPlot, tokenPlot } from "../../src/evaluation/metrics/plots.js";
import { recordingStats } from "../../src/evaluation/metrics/recording-stats.js";
import { runRollouts } from "../../src/rollout/runner.js";
import type { ScriptedResponder } from "../../src/testing/scripted-model.js";
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
    const tally = new RunningFigures();
    for (const value of [2, 4, null, 4, 4, 5, 5, undefined, 7, 9]) tally.add(value);
    const { std, ...rest } = tally.figures;
    expect(rest).toEqual({ n: 8, mean: 5, min: 2, max: 9 });
    expect(std).toBeCloseTo(Math.sqrt(32 / 7), 12);
    expect(new RunningFigures().figures).toEqual({ n: 0, mean: null, std: null, min: null, max: null });
    const tallies = new FiguresByName();
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

  it("show one rollout that fails, one whose time is up and one out of format, beside a sibling with a fair group", async () => {
    const store = await memoryStore();
    const responses: ScriptedResponder[] = [
      () => "<think>-</think><answer>Porto</answer>",
      () => new Promise(() => undefined),
      () => "<tool_call>{{{</think>",
      () => {
        throw new Error("down");
      },
    ];
    const [group] = await runRollouts([personTask()], {
      ...optionsFor(store),
      protocol: "text",
      k: 4,
      timeoutMs: 3000,
      policy: ({ index }) => respondingModel(responses[index] as ScriptedResponder),
    });
    await store.close();
    const stats = await recordingStats(group!.rollouts);
    expect(group!.advantages).toMatchObject({ n: 2, zeroVariance: false });
    expect(group!.rollouts.map(({ trajectory }) => trajectory.advantage === null)).toEqual([
      false,
      true,
      false,
      true,
    ]);
    const chaos = group!.rollouts[2]!.steps.filter((step) => step.format_error !== null).length;
    expect(chaos).toBeGreaterThan(0);
    const lines = statsReport(stats).split("\n");
    expect(lines).toContain("rollouts    4: 2 ok, 1 timeout, 1 error");
    expect(lines).toContain("  1 x It took longer than 3000 ms.");
    expect(lines).toContain("  1 x AGEMEM_MODEL_FAILED");
    expect(lines.find((line) => line.startsWith("steps"))).toContain(`; ${chaos} out of format, 0 truncated`);
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
