/** The three recipes of a run: what each shows, ends and scores. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RolloutOptions } from "../../../src/rollout/options.js";
import { runIdentity } from "../../../src/rollout/recording/identity.js";
import { runRollouts } from "../../../src/rollout/runner.js";
import { rolloutSettings } from "../../../src/rollout/settings.js";
import type { FaissStore } from "../../../src/store/faiss-store.js";
import type { ScriptedResponder } from "../../../src/testing/scripted-model.js";
import type { Rollout } from "../../../src/trajectory/file.js";
import { call, diligent, memoryStore, newestUser, optionsFor, personTask } from "../setup.js";

let store: FaissStore;
beforeAll(async () => {
  store = await memoryStore();
});
afterAll(() => store.close());

async function one(respond: ScriptedResponder, options: Partial<RolloutOptions>): Promise<Rollout> {
  const [group] = await runRollouts([personTask()], { ...optionsFor(store, respond), k: 1, ...options });
  return group!.rollouts[0]!;
}

const told = ({ steps }: Rollout) => [
  ...new Set(steps.map((step) => String(step.messages.findLast(({ role }) => role === "user")?.content))),
];

describe("presets of a run", () => {
  it("official: all passages in one message, three lines of small talk, the question; nothing is looked up unasked", async () => {
    const task = personTask();
    const rollout = await one(() => "Fine.", { preset: "official" });
    const [first = "", ...others] = told(rollout);
    for (const { text } of [...task.context, ...task.distractors]) expect(first).toContain(text);
    expect(first).not.toContain("<retrieved_memories");
    expect(others).toHaveLength(4);
    expect(others.at(-1)).toBe(task.question);
    expect(rollout.trajectory.episode).toMatchObject({ rounds: [1, 3, 1], n_max: 5 });
    expect(rollout.trajectory.reward_parts).toHaveProperty("tool");
    expect(rollout.trajectory.metadata.preset).toBe("official");
  });

  it("official: up to five rounds a message, and Clear_context is FILTER", async () => {
    const busy: ScriptedResponder = (messages) =>
      newestUser(messages).endsWith("?") && messages.at(-1)?.type === "tool"
        ? "Porto"
        : call("Clear_context", { criteria: "umbrellas and cats" });
    const rollout = await one(busy, { preset: "official" });
    const ops = rollout.steps.flatMap((step) => step.memory_ops);
    expect(ops.length).toBeGreaterThan(5);
    expect(new Set(ops.map(({ op }) => op))).toEqual(new Set(["FILTER"]));
    expect(rollout.steps.filter(({ stage }) => stage === 1)).toHaveLength(5);
  });

  it("agemem: a plain reply ends its message only; paper: it ends the stage", async () => {
    const stages = async (preset: "paper" | "agemem") =>
      (await one(() => "Fine.", { preset })).trajectory.episode?.rounds;
    expect(await stages("paper")).toEqual([1, 1, 1]);
    expect(await stages("agemem")).toEqual([2, 3, 1]);
  });

  it("what is given beside a preset wins over it, weights over those of its reward", () => {
    const of = (options: Partial<RolloutOptions>) =>
      rolloutSettings({ ...optionsFor(store, diligent), ...options });
    const settings = of({ preset: "official", maxTurns: 7, told: "passages" });
    expect(settings).toMatchObject({
      maxTurns: 7,
      told: "passages",
      messageRounds: 5,
      advantage: "official",
    });
    expect(of({ preset: "agemem", reward: { weights: { task: 2 } } }).reward).toEqual({
      preset: "agemem",
      weights: { task: 2 },
    });
    expect(of({ preset: "official", reward: { preset: "answer-only" } }).reward).toEqual({
      preset: "answer-only",
    });
    expect(of({})).toMatchObject({ preset: "paper", maxTurns: 10, messageRounds: 1, earlyAnswer: "stage" });
  });

  it("are part of a run's settings", () => {
    const of = (preset: "paper" | "agemem") =>
      runIdentity(rolloutSettings({ ...optionsFor(store, diligent), preset })).settings;
    expect(of("paper")).toMatchObject({ preset: "paper", reward: { preset: "paper" } });
    expect(of("agemem")).toMatchObject({ preset: "agemem", early_answer: "message" });
  });

  it("official advantages count each policy call as a sample", async () => {
    const [group] = await runRollouts([personTask()], {
      ...optionsFor(store),
      k: 2,
      preset: "official",
      policy: ({ index }) =>
        optionsFor(store, index === 0 ? diligent : () => "Fine.").policy({ index } as never),
    });
    const records = group!.rollouts.map(({ trajectory }) => trajectory);
    const samples = records.map(({ policy_usage }) => policy_usage.calls);
    expect(samples[0]).not.toBe(samples[1]);
    expect(records[0]!.advantage_meta?.n).toBe(samples[0]! + samples[1]!);
    const weighed = records.reduce((sum, { advantage }, i) => sum + samples[i]! * advantage!, 0);
    expect(weighed).toBeCloseTo(0, 9);
  });
});
