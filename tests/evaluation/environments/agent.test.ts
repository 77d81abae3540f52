import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InMemoryStore } from "@langchain/langgraph";
import { describe, expect, it } from "vitest";
import { actionIn } from "../../../src/evaluation/environments/actors/act-tool.js";
import { agentActor } from "../../../src/evaluation/environments/actors/agent.js";
import { playEpisode } from "../../../src/evaluation/environments/episode.js";
import { rolloutEnvironment } from "../../../src/evaluation/environments/group.js";
import { FaissStore } from "../../../src/index.js";
import { ScriptedChatModel, type ScriptedStep } from "../../../src/testing.js";
import { Corridor, corridorTask } from "./corridor.js";

const task = corridorTask("t1");

const act = (...actions: string[]) => ({
  tool_calls: actions.map((action) => ({ name: "act", args: { action } })),
});
const budget = { maxTokens: 8192 };
const openStore = () => FaissStore.open(mkdtempSync(join(tmpdir(), "agemem-episode-")));

describe("the agent in an environment", () => {
  it("acts through its tool beside the memory operations, and ends with the task", async () => {
    const model = new ScriptedChatModel([
      {
        tool_calls: [
          { name: "Add_memory", args: { content: "Doors open by: open." } },
          { name: "act", args: { action: "push" } },
        ],
      },
      "I see.\nAction: open",
      act("open", "open"),
    ]);
    const store = new InMemoryStore();
    const result = await playEpisode({
      environment: new Corridor(),
      task,
      actor: agentActor({ model, store, budget }),
    });
    expect(result).toMatchObject({ ended: "won", success: true, progress: 1, turns: 3, error: null });
    expect(result.steps.map(({ action, valid }) => [action, valid])).toEqual([
      ["push", false],
      ["open", true],
      ["open", true],
    ]);
    expect(result.groundingAccuracy).toBeCloseTo(2 / 3);
    expect(result.cost).toMatchObject({
      policy: { calls: 3 },
      operations: { ADD: { calls: 1, refused: 0 } },
    });
    const [first, second, third] = model.calls;
    expect(first?.tools.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["act", "Add_memory", "Filter_context"]),
    );
    expect(first?.messages[0]?.text).toContain("leave the corridor");
    expect(second?.messages.at(-1)?.text).toBe("Nothing happens.");
    expect(third?.messages.at(-1)?.text).toBe("Door 1 is open.");
    expect(await store.search(["memories", "player"])).toHaveLength(1);
  });

  it("is not told of a server's failure as of a mistake of its own: the episode ends", async () => {
    const model = new ScriptedChatModel([act("open"), act("break")]);
    const actor = agentActor({ model, store: new InMemoryStore(), budget });
    const result = await playEpisode({ environment: new Corridor(), task, actor });
    expect(result).toMatchObject({
      ended: "error",
      progress: 0.5,
      error: { code: "AGEMEM_ENVIRONMENT_UNREACHABLE" },
    });
    model.assertDone();
  });

  it("without operations is told of no memory, and keeps the whole episode in its context", async () => {
    const model = new ScriptedChatModel([act("push"), "Action: open", act("open")]);
    const actor = agentActor({
      model,
      store: new InMemoryStore(),
      operations: [],
      budget: { maxTokens: 40 },
    });
    const result = await playEpisode({ environment: new Corridor(), task, actor });
    expect(result.success).toBe(true);
    for (const { messages, tools } of model.calls) {
      const text = JSON.stringify([messages.map(({ content }) => content), tools]);
      expect(text).not.toMatch(/memor|retriev|remember|context|summar|budget|tokens/i);
    }
    expect(model.calls[2]?.messages.map(({ text }) => text).slice(1)).toEqual([
      "You stand before two doors.",
      "",
      "Nothing happens.",
      "Action: open",
      "Door 1 is open.",
    ]);
  });

  it("that never acts ends by its turns, and one that acts by its steps", async () => {
    const store = new InMemoryStore();
    const idle = Array.from(
      { length: 6 },
      (): ScriptedStep => ({ tool_calls: [{ name: "Retrieve_memory", args: { query: "doors" } }] }),
    );
    const one = agentActor({ model: new ScriptedChatModel(idle), store, budget });
    expect(await playEpisode({ environment: new Corridor(), task, actor: one, maxSteps: 3 })).toMatchObject({
      ended: "turns",
      turns: 6,
      groundingAccuracy: null,
    });
    const two = agentActor({ model: new ScriptedChatModel([act("a", "b", "c", "open")]), store, budget });
    const result = await playEpisode({ environment: new Corridor(), task, actor: two, maxSteps: 3 });
    expect(result).toMatchObject({ ended: "steps", progress: 0 });
    expect(result.steps).toHaveLength(3);
  });

  it.each([
    ["Thought: a door.\nAction: open door 1\nmore", "open door 1"],
    ["go to desk 1.", "go to desk 1."],
    ["> `look`", "look"],
    ["Action:", ""],
  ])("reads the action in %j", (text, action) => {
    expect(actionIn(text)).toBe(action);
  });
});

describe("a group of episodes", () => {
  it("is recorded, rewarded by progress, and has advantages; a failed episode has no vote", async () => {
    const store = await openStore();
    const scripts: ScriptedStep[][] = [
      [act("open", "open")],
      [act("open"), act("x"), act("x")],
      [act("break")],
    ];
    const policy = ({ index }: { index: number }) => new ScriptedChatModel(scripts[index] ?? []);
    const group = await rolloutEnvironment({
      environment: new Corridor(),
      task,
      policy,
      store,
      k: 3,
      maxSteps: 3,
      agent: { budget },
    });
    const records = group.rollouts.map(({ trajectory }) => trajectory);
    expect(records.map(({ reward }) => reward)).toEqual([1, 0.5, null]);
    expect(records.map(({ status }) => status)).toEqual(["ok", "ok", "error"]);
    expect(records.map(({ advantage }) => advantage && Math.sign(advantage))).toEqual([1, -1, null]);
    expect(records[0]).toMatchObject({
      n_steps: 1,
      k: 3,
      metadata: { environment: "babyai", environment_steps: [{ action: "open" }, { action: "open" }] },
    });
    expect(group.rollouts[0]?.steps[0]).toMatchObject({
      stage: 3,
      task_id: "t1",
      tool_runs: [{ name: "act" }, { name: "act" }],
    });
    const again = await rolloutEnvironment({
      environment: new Corridor(),
      task,
      policy,
      store,
      k: 3,
      maxSteps: 3,
      reward: "success",
      agent: { budget },
    });
    expect(again.rollouts.map(({ trajectory }) => trajectory.reward)).toEqual([1, 0, null]);
    await store.close();
  });
});
