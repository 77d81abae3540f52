/** Tasks whose facts go out of date: generated, made from HotpotQA rows, and FactConsolidation's. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generateCurriculum, withContradictions } from "../../../src/evaluation/tasks/curriculum.js";
import { findLeaks } from "../../../src/evaluation/tasks/padding.js";
import { loadTasks } from "../../../src/evaluation/tasks/source.js";
import { tokenCounter } from "../../../src/models/tokens.js";
import { OfflinePolicy } from "../../../src/offline/policy.js";
import { createOfflineJudge } from "../../../src/rewards/judges/offline.js";
import { budgetOf } from "../../../src/rollout/options.js";
import { runRollouts } from "../../../src/rollout/runner.js";
import { ScriptedChatModel, type ScriptedResponder } from "../../../src/testing/scripted-model.js";
import type { Rollout } from "../../../src/trajectory/file.js";
import { MEMORY_OPS, type MemoryOp, type MemoryTask } from "../../../src/types.js";
import { call, memoryStore, newestUser, personTask } from "../../rollout/setup.js";

const tasks = generateCurriculum({ count: 30, seed: 3 });

describe("generated tasks", () => {
  it("repeat, and differ by seed", () => {
    expect(generateCurriculum({ count: 10, seed: 3 })).toEqual(tasks.slice(0, 10));
    expect(generateCurriculum({ count: 1, seed: 4 })).not.toEqual(tasks.slice(0, 1));
  });

  it("need two facts, one of which goes out of date in each of three ways, several times", () => {
    expect(new Set(tasks.map(({ metadata }) => metadata.turn))).toEqual(
      new Set(["changed", "contradicted", "withdrawn"]),
    );
    for (const { question, answer, goldFacts, outdatedFacts = [], context, metadata } of tasks) {
      const [link = "", state = ""] = goldFacts;
      const person = context.find(({ text }) => text.includes(state))?.title as string;
      expect(link).toContain(person);
      expect(question).not.toContain(person);
      expect(state).toContain(person);
      expect(state).toContain(answer);
      expect(link).not.toContain(answer);
      expect([2, 3]).toContain(outdatedFacts.length);
      for (const [i, fact] of outdatedFacts.entries()) {
        expect(fact).toContain((metadata.stale as string[])[i]);
        expect(fact).not.toContain(answer);
      }
      for (const fact of [...goldFacts, ...outdatedFacts]) {
        expect(
          context.some(({ text }) => text.includes(fact)),
          fact,
        ).toBe(true);
      }
      expect(context.length).toBeLessThanOrEqual(10);
    }
  });

  it("tell what is withdrawn last and what is changed before the change", () => {
    for (const { context, goldFacts, outdatedFacts = [], metadata } of tasks) {
      const at = (part = "") => context.findIndex(({ text }) => text.includes(part));
      const current = at(goldFacts[1]);
      const last = at(outdatedFacts.at(-1));
      expect(current < last).toBe(metadata.turn === "withdrawn");
      if (metadata.turn !== "withdrawn") continue;
      const stale = (metadata.stale as string[]).at(-1) as string;
      const back = context.findLastIndex(({ text }) => text.includes(stale));
      expect(back).toBe(context.length - 1);
      expect(back).toBeGreaterThan(last);
    }
  });

  it("have distractors that go over 4,096 tokens with a prompt, and no answer among them", () => {
    const counter = tokenCounter();
    for (const task of tasks) {
      const tokens = task.distractors.reduce((sum, { text }) => sum + counter.countText(text), 0);
      expect(tokens).toBeGreaterThan(3_800);
      expect(task.distractors.every(({ text }) => !text.includes(task.answer))).toBe(true);
    }
    expect(findLeaks(tasks)).toEqual([]);
  });

  it("can be short, for a small policy", () => {
    const short = generateCurriculum({
      count: 30,
      seed: 3,
      shape: { changes: 1, distractors: 2, words: 30 },
    });
    for (const { context, distractors, outdatedFacts, metadata } of short) {
      expect(context).toHaveLength(metadata.turn === "withdrawn" ? 5 : 4);
      expect(outdatedFacts).toHaveLength(1);
      expect(distractors.map(({ text }) => text.split(" ").length)).toEqual([30, 30]);
    }
    const long = generateCurriculum({ count: 30, seed: 3, shape: { changes: 5 } });
    expect(Math.max(...long.map(({ context }) => context.length))).toBeLessThanOrEqual(10);
    expect(() => generateCurriculum({ count: 1, shape: { changes: 0 } })).toThrow(
      expect.objectContaining({ code: "AGEMEM_INPUT_ARGUMENT" }),
    );
  });
});

describe("tasks of one fact", () => {
  const shape = { changes: 1, distractors: 1, words: 12, facts: 1 };
  const easy = generateCurriculum({ count: 30, seed: 3, shape });

  it("ask of the person by name, and tell what goes out of date as the others do", async () => {
    for (const { question, answer, goldFacts, outdatedFacts = [], context, metadata } of easy) {
      expect(goldFacts).toHaveLength(1);
      const person = context[0]?.title as string;
      for (const text of [question, goldFacts[0], outdatedFacts[0]]) expect(text).toContain(person);
      expect(goldFacts[0]).toContain(answer);
      expect(context).toHaveLength(metadata.turn === "withdrawn" ? 4 : 3);
      expect(context.filter(({ title }) => title !== person)).toHaveLength(1);
    }
    expect(findLeaks(easy)).toEqual([]);
    const named = await loadTasks("curriculum:30:changes=1,distractors=1,words=12,facts=1", { seed: 3 });
    expect(named).toEqual(easy);
    expect(() => generateCurriculum({ count: 1, shape: { facts: 3 } })).toThrow(
      expect.objectContaining({ code: "AGEMEM_INPUT_ARGUMENT" }),
    );
  });
});

describe("tasks of other sources", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "agemem-curriculum-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("a row gets another row's answer first, and is put right last", () => {
    const made = withContradictions([personTask(0), personTask(1)]);
    expect(made).toHaveLength(2);
    const [task] = made as [MemoryTask];
    expect(task.outdatedFacts).toEqual(["Nora works in Gdansk for Casa Azul."]);
    expect(task.context[0]?.text).toContain("Nora works in Gdansk");
    expect(task.context.at(-1)?.text).toMatch(/wrong\. Nora works in Porto for Casa Azul\.$/);
    expect(task.context.slice(0, -1).some(({ text }) => text.includes("Porto"))).toBe(false);
  });

  it("leaves out rows that are answered yes or no, or whose answer no fact states", () => {
    const closed = { ...personTask(0), answer: "yes", goldFacts: ["yes, Nora works in Porto"] };
    const absent = { ...personTask(1), answer: "Lyon" };
    const made = withContradictions([closed, absent, personTask(2)]);
    expect(made.map(({ id }) => id)).toEqual(["person-2-contradicted"]);
  });

  it("FactConsolidation: the newest of two facts is gold, the one before it outdated", async () => {
    const facts = ["0. Bo is famous for tea.", "1. Ann is famous for milk.", "2. Bo is famous for coffee."];
    const path = join(folder, "facts.json");
    const row = { context: facts.join("\n"), questions: ["What is Bo famous for?"], answers: [["coffee"]] };
    await writeFile(path, JSON.stringify(row));
    const [task] = await loadTasks(`factconsolidation:${path}`);
    expect(task).toMatchObject({
      answer: "coffee",
      goldFacts: ["Bo is famous for coffee."],
      outdatedFacts: ["Bo is famous for tea."],
    });
    expect(task?.context.map(({ text }) => text)).toEqual(facts);
  });

  it("says what a curriculum source may be", async () => {
    await expect(loadTasks("curriculum:many")).rejects.toMatchObject({ code: "AGEMEM_INPUT_ARGUMENT" });
    expect(await loadTasks("curriculum:3", { seed: 3 })).toEqual(tasks.slice(0, 3));
    const [short] = await loadTasks("curriculum:1:changes=1,distractors=2,words=30");
    expect(short?.distractors).toHaveLength(2);
    await expect(loadTasks("curriculum:3:words=2")).rejects.toMatchObject({ code: "AGEMEM_INPUT_ARGUMENT" });
  });
});

/** Stores each first statement, and on a correction updates what it stored. */
const careful: ScriptedResponder = (messages) => {
  const told = newestUser(messages);
  const id = /<memory id="([^"]+)"/.exec(told)?.[1];
  if (told.endsWith("?"))
    return messages.at(-1)?.type === "tool" ? "Porto" : call("Retrieve_memory", { query: told });
  const text = told.split("\n\n")[0]?.replace("What was said of this before is wrong. ", "") ?? "";
  if (/is wrong\./.test(told) && id) return call("Update_memory", { memory_id: id, content: text });
  return call("Add_memory", { content: text });
};

it("under the agemem reward an UPDATE is earned here and not where nothing changes", async () => {
  const store = await memoryStore();
  const [changing] = withContradictions([personTask(0), personTask(1)]) as [MemoryTask];
  const groups = await runRollouts([changing, personTask(2)], {
    policy: () => new ScriptedChatModel(new Array(60).fill(careful)),
    store,
    judge: createOfflineJudge(),
    k: 1,
    preset: "agemem",
  });
  const [earned, idle] = groups.map(({ rollouts }) => rollouts[0]?.trajectory.reward_parts);
  expect(earned).toMatchObject({ "memory.maintenance": 1, task: 1 });
  expect(idle).toMatchObject({ "memory.maintenance": null });
  await store.close();
});

describe("the rules on generated tasks", () => {
  const play = async (operations?: MemoryOp[]) => {
    const store = await memoryStore();
    const groups = await runRollouts(tasks.slice(0, 3), {
      policy: ({ seed }) => new OfflinePolicy({ seed }),
      store,
      judge: createOfflineJudge(),
      k: 1,
      preset: "agemem",
      budget: budgetOf(4096),
      ...(operations ? { operations } : {}),
    });
    await store.close();
    return groups.flatMap(({ rollouts }) => rollouts);
  };
  const parts = (rollouts: Rollout[], name: string) =>
    rollouts.map(({ trajectory }) => trajectory.reward_parts[name]);

  it("solve them with all six operations", async () => {
    const rollouts = await play();
    expect(parts(rollouts, "task")).toEqual(new Array(3).fill(1));
    expect(parts(rollouts, "memory.maintenance")).toEqual(new Array(3).fill(1));
    expect(parts(rollouts, "penalty.tokens")).toEqual(new Array(3).fill(0));
    const done = new Set(
      rollouts
        .flatMap(({ steps }) => steps.flatMap(({ memory_ops }) => memory_ops))
        .flatMap(({ op, ok }) => (ok ? op : [])),
    );
    expect(done).toEqual(new Set(MEMORY_OPS));
  });

  it("go over T_max without FILTER and SUMMARY", async () => {
    const unfiltered = await play(["ADD", "UPDATE", "DELETE", "RETRIEVE"]);
    expect(parts(unfiltered, "penalty.tokens")).toEqual(new Array(3).fill(-0.5));
  });

  it("leave facts outdated without UPDATE and DELETE, and then answer with them", async () => {
    const stale = await play(["ADD", "RETRIEVE", "SUMMARY", "FILTER"]);
    expect(parts(stale, "memory.maintenance")).toEqual(new Array(3).fill(0));
    expect(parts(stale, "task").filter((task) => task === 1).length).toBeLessThan(3);
  });
});
