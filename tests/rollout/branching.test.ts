/** Counterfactual groups: K continuations of one beginning, from the same context and long-term memory. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RolloutOptions } from "../../src/rollout/options.js";
import { runRollouts } from "../../src/rollout/runner.js";
import type { FaissStore } from "../../src/store/faiss-store.js";
import { ScriptedChatModel, type ScriptedResponder } from "../../src/testing/scripted-model.js";
import { trlExporter } from "../../src/trajectory/exporters/trl.js";
import type { Rollout } from "../../src/trajectory/file.js";
import { diligent, memoryStore, newestUser, optionsFor, personTask } from "./setup.js";

let store: FaissStore;
beforeAll(async () => {
  store = await memoryStore();
});
afterAll(() => store.close());

/** How often a model was asked, by whose it was. */
type Asked = Map<string, number>;

async function group(options: Partial<RolloutOptions>, asked: Asked = new Map()): Promise<Rollout[]> {
  const policy: RolloutOptions["policy"] = ({ rolloutId, index }) => {
    const respond: ScriptedResponder = (messages, tools) => {
      asked.set(rolloutId, (asked.get(rolloutId) ?? 0) + 1);
      const isQuestion = newestUser(messages).endsWith("?");
      // The second rollout gives up where the others look the answer up.
      return isQuestion && index === 1 && !rolloutId.endsWith("prefix")
        ? "unknown"
        : diligent(messages, tools);
    };
    return new ScriptedChatModel(new Array(60).fill(respond));
  };
  const [made] = await runRollouts([personTask()], { ...optionsFor(store), k: 3, ...options, policy });
  return made!.rollouts;
}

const prompts = ({ steps }: Rollout) => steps.map(({ messages }) => JSON.stringify(messages.slice(1)));

describe("a group with branchAt", () => {
  it("asks for the shared calls once, and all rollouts go on from the same prompt", async () => {
    const asked: Asked = new Map();
    // Two passages and three distractors with one call each: the question is the sixth call.
    const rollouts = await group({ branchAt: 5 }, asked);
    const calls = [...asked].map(([id, n]) => [id.replace(/^g\w+-/, ""), n]);
    expect(Object.fromEntries(calls)).toEqual({ prefix: 5, r0: 2, r1: 1, r2: 2 });
    expect(rollouts.map(({ trajectory }) => trajectory.status)).toEqual(["ok", "ok", "ok"]);
    for (const rollout of rollouts) {
      expect(rollout.trajectory.metadata.branch_at).toBe(5);
      expect(rollout.steps.map(({ step_index }) => step_index)).toEqual(rollout.steps.map((_, i) => i));
      expect(new Set(rollout.steps.map((step) => step.rollout_id))).toEqual(
        new Set([rollout.trajectory.rollout_id]),
      );
      expect(prompts(rollout).slice(0, 5)).toEqual(prompts(rollouts[0]!).slice(0, 5));
      expect(rollout.trajectory.episode?.rounds).toEqual([2, 3, rollout.steps.length - 5]);
    }
    // The newest message carries the id of its own rollout; everything before it is the same.
    const last = rollouts.map(({ steps }) => JSON.stringify(steps[5]!.messages.slice(1, -1)));
    expect(new Set(last).size).toBe(1);
  });

  it("has what the beginning stored, and what one continuation stores is not in another", async () => {
    const rollouts = await group({ branchAt: 1 });
    for (const { trajectory } of rollouts) expect(trajectory.episode?.items.length).toBeGreaterThan(1);
    const [first, , third] = rollouts;
    expect(first!.trajectory.episode?.answer).toBe("Porto");
    const own = (rollout: Rollout) => rollout.trajectory.episode!.items.map(({ id }) => id);
    expect(own(first!)[0]).toBe(own(third!)[0]);
    expect(own(first!)[1]).not.toBe(own(third!)[1]);
    expect(own(first!)).toHaveLength(own(third!).length);
  });

  it("gives shared steps the advantage 0 and later ones that of the continuation, and exports them so", async () => {
    const rollouts = await group({ branchAt: 5 });
    for (const rollout of rollouts) {
      const { advantage } = rollout.trajectory;
      expect(advantage).not.toBe(0);
      expect(rollout.steps.map((step) => step.advantage)).toEqual(
        rollout.steps.map((_, i) => (i < 5 ? 0 : advantage)),
      );
    }
    const [first] = rollouts as [Rollout];
    const tokens = { prompt_token_ids: [1], response_token_ids: [2], response_logprobs: [-1] };
    const steps = first.steps.map((step) => ({
      ...step,
      ...tokens,
      response_mask: [1 as const],
      token_source: "server" as const,
      trainable: true,
      drop_reason: null,
    }));
    const { rows } = trlExporter.export({ ...first, steps }, { policyVersion: 1 });
    expect(rows.map((row) => (row as { advantage: number }).advantage)).toEqual(
      first.steps.map((step) => step.advantage),
    );
  });

  it("branches within the answer of the question, after tools have run", async () => {
    const rollouts = await group({ branchAt: 6 });
    expect(rollouts.map(({ steps }) => steps.length)).toEqual([7, 7, 7]);
    expect(rollouts[0]!.steps[6]!.messages.at(-1)?.role).toBe("tool");
    expect(rollouts.map(({ trajectory }) => trajectory.episode?.answer)).toEqual([
      "Porto",
      "unknown",
      "Porto",
    ]);
  });

  it("goes on from the question where a task ended before", async () => {
    const rollouts = await group({ branchAt: 40 });
    for (const { trajectory } of rollouts) expect(trajectory.metadata.branch_at).toBe(5);
  });

  it("fails as a whole when its beginning does", async () => {
    const [made] = await runRollouts([personTask()], {
      ...optionsFor(store),
      k: 2,
      branchAt: 2,
      policy: () => new ScriptedChatModel([new Error("no such model")]),
    });
    for (const { trajectory } of made!.rollouts) {
      expect(trajectory).toMatchObject({ status: "error", reward: null, advantage: null });
    }
  });

  it("excludes worker processes", async () => {
    const workers = { run: async () => Promise.reject(new Error("not called")) };
    await expect(
      runRollouts([personTask()], { ...optionsFor(store), branchAt: 2 }, { workers }),
    ).rejects.toMatchObject({ code: "AGEMEM_CONFIG_INVALID" });
  });
});

it("other groups keep one advantage for all steps", async () => {
  const rollouts = await group({});
  for (const { steps, trajectory } of rollouts) {
    expect(trajectory.metadata.branch_at).toBeUndefined();
    expect(steps.every(({ advantage }) => advantage === null)).toBe(true);
  }
});
