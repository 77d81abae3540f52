/** Groups of K: isolation, seeds, advantages, failures of one among siblings, cancellation, memory. */
import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { OfflinePolicy } from "../../src/offline/policy.js";
import type { GroupResult } from "../../src/rollout/group.js";
import type { RolloutIdentity, RolloutOptions } from "../../src/rollout/options.js";
import { runRollouts, streamRollouts } from "../../src/rollout/runner.js";
import type { FaissStore } from "../../src/store/faiss-store.js";
import type { ScriptedResponder } from "../../src/testing/scripted-model.js";
import { diligent, memoryStore, newestUser, optionsFor, personTask, respondingModel } from "./setup.js";
import { timeless } from "./shown.js";

let store: FaissStore;
beforeEach(async () => {
  store = await memoryStore();
});
afterEach(() => store.close());

const rules: RolloutOptions["policy"] = ({ seed }) => new OfflinePolicy({ seed, temperature: 1 });
const records = (groups: GroupResult[]) => groups.flatMap((group) => group.rollouts.map(timeless));

/** Diligent, except that rollout `index` does `respond`. */
const except = (index: number, respond: ScriptedResponder) => (rollout: RolloutIdentity) =>
  respondingModel(rollout.index === index ? respond : diligent);

describe("a group", () => {
  it("writes to forks of its own, which are gone afterwards; the base stays as it was", async () => {
    const during: string[][] = [];
    const watching: ScriptedResponder = async (messages, tools) => {
      during.push((await store.branches()).map((branch) => branch.name));
      return diligent(messages, tools);
    };
    const [group] = await runRollouts([personTask()], { ...optionsFor(store, watching), k: 3 });
    expect(new Set(during.flat()).size).toBeGreaterThanOrEqual(4);
    expect((await store.branches()).map((branch) => branch.name)).toEqual(["main"]);
    expect(await store.search(["memories"])).toEqual([]);
    // Each stored the same two passages: had they shared a branch, the second would have met duplicates.
    for (const { trajectory, steps } of group!.rollouts) {
      expect(trajectory.episode?.items.filter((item) => item.present)).not.toEqual([]);
      expect(steps.flatMap((step) => step.memory_ops).every((op) => op.ok)).toBe(true);
    }
  });

  it("repeats to the letter with the same seed and differs with another", async () => {
    const tasks = [0, 1].map(personTask);
    const run = (seed: number, concurrency: number) =>
      runRollouts(tasks, { ...optionsFor(store), policy: rules, seed, concurrency, k: 3 });
    const first = records(await run(1, 1));
    expect(records(await run(1, 4))).toEqual(first);
    expect(records(await run(2, 1))).not.toEqual(first);
    expect(new Set(first.map((record) => JSON.stringify(record))).size).toBe(6);
  });

  it("has advantages that sum to 0, or is marked as without variance", async () => {
    const tasks = [0, 1, 2, 3].map(personTask);
    const groups = await runRollouts(tasks, { ...optionsFor(store), policy: rules, k: 4 });
    for (const { advantages, rollouts } of groups) {
      const given = rollouts.map(({ trajectory }) => trajectory.advantage ?? Number.NaN);
      expect(given).toEqual(advantages.advantages);
      if (advantages.zeroVariance) expect(given).toEqual([0, 0, 0, 0]);
      else expect(Math.abs(given.reduce((a, b) => a + b))).toBeLessThan(1e-9);
    }
    expect(groups.some(({ advantages }) => !advantages.zeroVariance)).toBe(true);
    const [same] = await runRollouts([personTask()], optionsFor(store));
    expect(same!.rollouts[0]!.trajectory.advantage_meta).toMatchObject({ zero_variance: true, std: 0, n: 2 });
  });
});

describe("a failing rollout leaves its siblings a valid group", () => {
  const group = async (respond: ScriptedResponder, options: Partial<RolloutOptions> = {}) => {
    const [result] = await runRollouts([personTask()], {
      ...optionsFor(store),
      k: 3,
      policy: except(1, respond),
      ...options,
    });
    const [a, b, c] = result!.rollouts.map((rollout) => rollout.trajectory);
    expect([a!.status, c!.status]).toEqual(["ok", "ok"]);
    expect([a!.advantage, c!.advantage].every((advantage) => advantage !== null)).toBe(true);
    return { failed: b!, sibling: a!, steps: result!.rollouts[1]!.steps };
  };

  it("when the model fails", async () => {
    const { failed, sibling, steps } = await group((messages, tools) => {
      if (newestUser(messages).endsWith("?")) throw new Error("boom");
      return diligent(messages, tools);
    });
    expect(failed).toMatchObject({ status: "error", reward: null, advantage: null });
    expect(failed.error).toMatchObject({ code: "AGEMEM_MODEL_FAILED" });
    expect(failed.error?.message).toContain("boom");
    expect(sibling.advantage_meta?.n).toBe(2);
    // What it did until then is recorded, the failed call included.
    expect(steps).toHaveLength(6);
    expect(steps.at(-1)?.error?.message).toContain("boom");
  });

  it("when its time is up", async () => {
    const { failed } = await group(() => new Promise(() => undefined), { timeoutMs: 3000 });
    expect(failed).toMatchObject({ status: "timeout", reward: null });
    expect(failed.error?.message).toContain("3000 ms");
  });

  it("when its format is chaos it counts, with the reward it earned", async () => {
    const tagged: ScriptedResponder = (messages) =>
      `<think>-</think><answer>${newestUser(messages).endsWith("?") ? "Porto" : "Noted."}</answer>`;
    const [result] = await runRollouts([personTask()], {
      ...optionsFor(store),
      protocol: "text",
      k: 3,
      policy: ({ index }) => respondingModel(index === 1 ? () => "<tool_call>{{{</think>" : tagged),
    });
    const rewards = result!.rollouts.map(({ trajectory }) => trajectory.reward ?? Number.NaN);
    expect(result!.rollouts[1]!.trajectory).toMatchObject({ status: "ok", episode: { answer: null } });
    expect(rewards[1]).toBeLessThan(rewards[0]!);
    expect(result!.advantages).toMatchObject({ n: 3, zeroVariance: false });
  });

  it("when all fail the group has no advantages", async () => {
    const [result] = await runRollouts([personTask()], {
      ...optionsFor(store, () => new Error("down") as never),
      policy: () => {
        throw new Error("no endpoint");
      },
    });
    expect(result!.advantages).toMatchObject({ n: 0, mean: null, advantages: [null, null] });
    expect(result!.rollouts.map(({ trajectory }) => trajectory.status)).toEqual(["error", "error"]);
  });
});

describe("a run", () => {
  it("reports progress and sums up", async () => {
    const seen: number[] = [];
    const summary = await streamRollouts(
      [0, 1, 2].map(personTask),
      { ...optionsFor(store), policy: except(1, () => new Promise(() => undefined)), timeoutMs: 3000 },
      { onProgress: ({ done }) => seen.push(done) },
    );
    expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
    expect(summary).toMatchObject({ done: 6, total: 6, failed: 3 });
    expect(summary.groups.map((group) => group.taskId)).toEqual(["person-0", "person-1", "person-2"]);
    expect(summary.groups[0]).toMatchObject({
      statuses: ["ok", "timeout"],
      rewards: [expect.any(Number), null],
    });
  });

  it("is cancelled by its signal, leaves no fork and no listener", async () => {
    const controller = new AbortController();
    let calls = 0;
    const policy = () =>
      respondingModel((messages, tools) => {
        if (++calls === 5) controller.abort(new Error("enough"));
        return diligent(messages, tools);
      });
    const run = runRollouts([0, 1, 2].map(personTask), {
      ...optionsFor(store),
      policy,
      concurrency: 2,
      signal: controller.signal,
    });
    await expect(run).rejects.toThrow("enough");
    expect(calls).toBeLessThan(12);
    expect((await store.branches()).map((branch) => branch.name)).toEqual(["main"]);
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
  });

  it("never holds many listeners on one signal", async () => {
    const warnings: string[] = [];
    const listen = (warning: Error) => warnings.push(`${warning.name}: ${warning.message}`);
    process.on("warning", listen);
    const { signal } = new AbortController();
    await streamRollouts([personTask()], { ...optionsFor(store), k: 20, concurrency: 20, signal });
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", listen);
    expect(warnings).toEqual([]);
  });

  it("begins no further groups while the one that gets them is busy", async () => {
    let begun = 0;
    let release: () => void = () => undefined;
    const busy = new Promise<void>((resolve) => {
      release = resolve;
    });
    const policy = ({ index }: RolloutIdentity) => {
      if (index === 0) begun++;
      return respondingModel(diligent);
    };
    const run = streamRollouts(
      Array.from({ length: 12 }, (_, i) => personTask(i)),
      { ...optionsFor(store), policy, concurrency: 2 },
      { onGroup: () => busy },
    );
    while (begun < 3) await new Promise((resolve) => setTimeout(resolve, 10));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(begun).toBe(3);
    release();
    expect((await run).done).toBe(24);
  });

  it("refuses settings out of range", async () => {
    for (const wrong of [{ k: 0 }, { concurrency: 1.5 }, { maxTurns: -1 }]) {
      await expect(runRollouts([personTask()], { ...optionsFor(store), ...wrong })).rejects.toMatchObject({
        code: "AGEMEM_CONFIG_INVALID",
      });
    }
  });
});
