/** Discarded forks are cleared away while a run goes on, and nothing else is. */
import { describe, expect, it } from "vitest";
import { streamRollouts } from "../../src/rollout/runner.js";
import { Sweeper } from "../../src/rollout/sweep.js";
import type { ScriptedResponder } from "../../src/testing/scripted-model.js";
import { diligent, memoryStore, newestUser, optionsFor, personTask } from "./setup.js";

const brief: ScriptedResponder = (messages, tools) =>
  messages.at(-1)?.type === "tool" || /Fortified/.test(newestUser(messages))
    ? "Noted."
    : diligent(messages, tools);

describe("a long run", () => {
  it("keeps the store small, and the base with its earlier versions readable", async () => {
    const store = await memoryStore();
    await store.put(["memories", "other"], "a", { content: "first" });
    const before = store.version();
    await store.put(["memories", "other"], "a", { content: "second" });
    const summary = await streamRollouts([0, 1].map(personTask), { ...optionsFor(store, brief), k: 40 });
    expect(summary).toMatchObject({ done: 80, failed: 0 });
    // Each rollout stores two passages: without sweeping there would be 160 and the two of the base.
    const { revisions, vectors } = await store.stats();
    expect(Math.max(revisions, vectors)).toBeLessThan(80);
    expect((await store.at(before).get(["memories", "other"], "a"))?.value.content).toBe("first");
    expect((await store.history(["memories", "other"], "a")).map(({ value }) => value?.content)).toEqual([
      "second",
      "first",
    ]);
    await store.close();
  });

  it("sweeps after every so many rollouts, one sweep at a time, and not at all where the store cannot", async () => {
    let under = 0;
    let swept = 0;
    const vacuum = async () => {
      expect(++under).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 5));
      under--;
      swept++;
    };
    const sweeper = new Sweeper({ vacuum } as never, 2);
    await Promise.all([1, 2, 3, 4, 5].map(() => sweeper.discarded()));
    expect(swept).toBe(2);
    await new Sweeper({} as never, 1).discarded();
  });
});
