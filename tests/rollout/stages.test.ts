/** What the policy is shown in which stage, and how a stage ends (AgeMem, alg. 3-5). */
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { loadHotpotQa } from "../../src/evaluation/datasets/hotpotqa.js";
import { generateTasks } from "../../src/evaluation/tasks/synthetic.js";
import { OfflinePolicy } from "../../src/offline/policy.js";

import type { RolloutOptions } from "../../src/rollout/options.js";
import { runRollouts, streamRollouts } from "../../src/rollout/runner.js";
import type { FaissStore } from "../../src/store/faiss-store.js";
import type { ScriptedResponder } from "../../src/testing/scripted-model.js";
import type { Rollout } from "../../src/trajectory/file.js";
import type { MemoryTask } from "../../src/types.js";
import { call, diligent, HOTPOTQA, memoryStore, newestUser, optionsFor, personTask } from "./setup.js";
import { leaks, ownSentences } from "./shown.js";

let store: FaissStore;
beforeAll(async () => {
  store = await memoryStore();
});
afterAll(() => store.close());

async function one(
  respond: ScriptedResponder,
  options: Partial<RolloutOptions> = {},
  task: MemoryTask = personTask(),
): Promise<Rollout> {
  const [group] = await runRollouts([task], { ...optionsFor(store, respond), k: 1, ...options });
  return group!.rollouts[0]!;
}

const perStage = ({ steps }: Rollout) => [1, 2, 3].map((n) => steps.filter((s) => s.stage === n).length);

describe("the three stages", () => {
  it("show one passage per turn, one call each, and the question in stage 3", async () => {
    const task = personTask();
    const rollout = await one(diligent);
    expect(perStage(rollout)).toEqual([2, 3, 2]);
    expect(rollout.trajectory.episode?.rounds).toEqual([2, 3, 2]);
    const users = rollout.steps.map((step) => step.messages.findLast((m) => m.role === "user")?.content);
    const told = [...task.context, ...task.distractors].map(({ title, text }) => `${title}: ${text}`);
    for (const [i, text] of told.entries()) expect(users[i]).toContain(text);
    expect(users.slice(5)).toEqual([task.question, task.question]);
    expect(rollout.trajectory).toMatchObject({ status: "ok", episode: { answer: "Porto" } });
    expect(rollout.trajectory.reward_parts).toMatchObject({ task: 1, penalty: 0 });
  });

  it("stage 1 shows with each message what M holds about it, the other stages do not", async () => {
    const rollout = await one(diligent);
    const introspection = rollout.steps.map((step) => {
      const user = step.messages.findLast((m) => m.role === "user")?.content;
      return /<retrieved_memories[^>]*>/.exec(String(user))?.[0] ?? null;
    });
    expect(introspection[0]).toContain('count="0"');
    expect(introspection[1]).toContain('count="1"');
    expect(introspection.slice(2)).toEqual([null, null, null, null, null]);
  });

  it("search as the run is told, and the record says how", async () => {
    const context = [
      { title: "", text: "Nora Lind works in Porto." },
      { title: "", text: "Heavy rain fell yesterday." },
    ];
    for (const [options, used, shown] of [
      [{}, "hybrid", 1],
      // No word in common.
      [{ searchMode: "keyword" }, "keyword", 0],
    ] as const) {
      const { steps, trajectory } = await one(diligent, options, { ...personTask(), context });
      const ops = steps.flatMap((step) => step.memory_ops);
      const modes = (op: string) =>
        new Set(ops.filter((each) => each.op === op).map((each) => each.search_mode));
      expect([...modes("RETRIEVE")]).toEqual([used]);
      expect([...modes("ADD")]).toEqual([null]);
      expect(trajectory.metadata.search_mode).toBe(used);
      const told = steps.findLast((step) => step.stage === 1)?.messages.findLast((m) => m.role === "user");
      expect(String(told?.content)).toContain(`count="${shown}"`);
    }
  });

  it("stage 2 begins with an empty context and what stage 1 stored", async () => {
    const { steps } = await one(diligent);
    const first = steps.find((step) => step.stage === 2);
    expect(first?.messages.map((message) => message.role)).toEqual(["system", "user"]);
    expect(first?.context_edit).toBe("stage_reset");
    expect(first?.extends_previous).toBe(false);
    expect(first?.revision_before).toBeGreaterThan(0);
  });

  it("stage 3 continues the context of stage 2", async () => {
    const { steps } = await one(diligent);
    const last = steps.findLast((step) => step.stage === 2)!;
    const next = steps.find((step) => step.stage === 3)!;
    expect(next.messages.slice(1, last.messages.length)).toEqual(last.messages.slice(1));
  });

  it("a final answer ends the stage", async () => {
    const silent: ScriptedResponder = (messages) =>
      newestUser(messages).endsWith("?") ? "Porto" : "Thank you.";
    const rollout = await one(silent);
    expect(perStage(rollout)).toEqual([1, 1, 1]);
    expect(rollout.trajectory.episode?.answer).toBe("Porto");
  });

  it("a plain reply ends only its message's calls where the run says so", async () => {
    const silent: ScriptedResponder = (messages) =>
      newestUser(messages).endsWith("?") ? "Porto" : "Thank you.";
    const rollout = await one(silent, { earlyAnswer: "message", messageRounds: 5 });
    expect(perStage(rollout)).toEqual([2, 3, 1]);
    expect(rollout.trajectory.episode?.rounds).toEqual([2, 3, 1]);
  });

  it("a message may take several calls, bounded, which count as one round", async () => {
    const options = { earlyAnswer: "message", messageRounds: 3 } as const;
    const rollout = await one(diligent, options);
    expect(perStage(rollout)).toEqual([6, 9, 2]);
    expect(rollout.trajectory.episode?.rounds).toEqual([2, 3, 2]);
    const storesOnce: ScriptedResponder = (messages, ...rest) =>
      messages.at(-1)?.type === "tool" && !newestUser(messages).endsWith("?")
        ? "Stored."
        : diligent(messages, ...rest);
    expect(perStage(await one(storesOnce, options))).toEqual([4, 6, 2]);
  });

  it("N_max bounds the turns of each stage; an answer that never comes costs both R_task and a penalty", async () => {
    const restless: ScriptedResponder = () => call("Retrieve_memory", { query: "more" });
    const rollout = await one(restless, { maxTurns: 2 });
    expect(perStage(rollout)).toEqual([2, 2, 2]);
    expect(rollout.trajectory.episode).toMatchObject({ answer: null, rounds: [2, 2, 3], n_max: 2 });
    expect(rollout.trajectory.reward_parts).toMatchObject({ task: -1, "penalty.rounds": -1 });
  });

  it("a context beyond T_max is recorded and penalised, not repaired", async () => {
    const rollout = await one(diligent, { budget: { maxTokens: 300, responseTokens: 50 } });
    expect(Math.max(...rollout.steps.map((step) => step.context_tokens ?? 0))).toBeGreaterThan(300);
    expect(rollout.steps.flatMap((step) => step.memory_ops).some((op) => op.op === "SUMMARY")).toBe(false);
    expect(rollout.trajectory.reward_parts).toMatchObject({ "penalty.tokens": -0.5 });
  });

  it("what the policy keeps saying out of format is recorded and scored as no answer", async () => {
    const rollout = await one(() => "no tags at all", { protocol: "text" });
    expect(rollout.trajectory).toMatchObject({ status: "ok", episode: { answer: null } });
    expect(rollout.trajectory.reward_parts.task).toBe(-1);
    expect(rollout.steps.every((step) => step.format_error !== null)).toBe(true);
  });
});

describe("nothing of stage 1 reaches stage 2 or 3 but through retrieval", () => {
  it("the check notices a leak", async () => {
    const task = personTask();
    const rollout = await one(diligent);
    expect(leaks(task, rollout)).toEqual([]);
    const stage2 = rollout.steps.find((step) => step.stage === 2)!;
    stage2.messages.push({ role: "user", content: ownSentences(task)[0]!, id: "x" });
    expect(leaks(task, rollout)).toHaveLength(1);
    stage2.messages.push({ role: "user", content: task.question, id: "y" });
    expect(leaks(task, rollout)).toHaveLength(2);
  });

  it("with the offline policy on tasks of our own", async () => {
    const tasks = [0, 1, 2].map(personTask);
    const policy: RolloutOptions["policy"] = ({ seed }) => new OfflinePolicy({ seed, temperature: 1 });
    const groups = await runRollouts(tasks, { ...optionsFor(store), policy });
    for (const [i, task] of tasks.entries()) {
      for (const rollout of groups[i]!.rollouts) expect(leaks(task, rollout)).toEqual([]);
    }
  });

  /** Also: gold titles are never distractors. */
  async function checkHundred(tasks: MemoryTask[]): Promise<void> {
    expect(tasks).toHaveLength(100);
    const found: string[] = [];
    const sentences: number[] = [];
    const seen = await streamRollouts(
      tasks,
      { ...optionsFor(store, eager), k: 1, maxTurns: 3 },
      {
        onGroup: ({ taskId, rollouts }) => {
          const task = tasks.find((each) => each.id === taskId)!;
          const gold = new Set(task.context.map((passage) => passage.title));
          expect(task.distractors.filter((passage) => gold.has(passage.title))).toEqual([]);
          sentences.push(ownSentences(task).length);
          for (const rollout of rollouts) found.push(...leaks(task, rollout));
        },
      },
    );
    expect(seen).toMatchObject({ done: 100, failed: 0 });
    expect(sentences.filter((count) => count > 0).length).toBeGreaterThan(90);
    expect(found).toEqual([]);
  }

  it("over 100 generated tasks", async () => {
    await checkHundred(generateTasks({ count: 100, seed: 3, difficulty: 0.7 }));
  }, 120_000);

  it.skipIf(!HOTPOTQA)(
    "over 100 HotpotQA rows",
    async () => checkHundred(await loadHotpotQa(HOTPOTQA!)),
    120_000,
  );
});

/** Stores everything, ends stage 2 after one filter, retrieves once. */
const eager: ScriptedResponder = (messages) => {
  const last = messages.at(-1);
  const told = newestUser(messages);
  if (last?.type === "tool") return "Nothing more to do.";
  if (messages.some((message) => message.text.includes("<retrieved_memories"))) {
    return call("Add_memory", { content: told.split("\n\n")[0] });
  }
  return told.endsWith("?")
    ? call("Retrieve_memory", { query: told, top_k: 5 })
    : call("Filter_context", { criteria: told });
};
