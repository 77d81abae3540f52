/** Tasks whose facts go out of date: generated, made from HotpotQA rows, and FactConsolidation's. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generateCurriculum, withContradictions } from "../../../src/evaluation/tasks/curriculum.js";
import { findLeaks } from "../../../src/evaluation/tasks/padding.js";
import { loadTasks } from "../../../src/evaluation/tasks/source.js";
import { tokenCounter } from "../../../src/models/tokens.js";
import { createOfflineJudge } from "../../../src/rewards/judges/offline.js";
import { runRollouts } from "../../../src/rollout/runner.js";
import { ScriptedChatModel, type ScriptedResponder } from "../../../src/testing/scripted-model.js";
import type { MemoryTask } from "../../../src/types.js";
import { call, memoryStore, newestUser, personTask } from "../../rollout/setup.js";

const tasks = generateCurriculum({ count: 30, seed: 3 });

describe("generated tasks", () => {
  it("repeat, and differ by seed", () => {
    expect(generateCurriculum({ count: 10, seed: 3 })).toEqual(tasks.slice(0, 10));
    expect(generateCurriculum({ count: 1, seed: 4 })).not.toEqual(tasks.slice(0, 1));
  });

  it("need two facts, one of which goes out of date in each of three ways", () => {
    expect(new Set(tasks.map(({ metadata }) => metadata.turn))).toEqual(
      new Set(["changed", "contradicted", "withdrawn"]),
    );
    for (const { question, answer, goldFacts, outdatedFacts, context, metadata } of tasks) {
      const [link = "", state = ""] = goldFacts;
      const person = link.split(" is ")[1]?.replace(/\.$/, "") as string;
      expect(question).not.toContain(person);
      expect(state).toContain(person);
      expect(state).toContain(answer);
      expect(link).not.toContain(answer);
      expect(outdatedFacts).toHaveLength(1);
      expect(outdatedFacts?.[0]).toContain((metadata.stale as string[])[0]);
      expect(outdatedFacts?.[0]).not.toContain(answer);
      for (const fact of [...goldFacts, ...(outdatedFacts ?? [])]) {
        expect(
          context.some(({ text }) => text.includes(fact)),
          fact,
        ).toBe(true);
      }
    }
  });

  it("tell what is withdrawn last and what is changed before the change", () => {
    for (const { context, goldFacts, outdatedFacts, metadata } of tasks) {
      const at = (fact = "") => context.findIndex(({ text }) => text.includes(fact));
      const [current, outdated] = [at(goldFacts[1]), at(outdatedFacts?.[0])];
      expect(current < outdated).toBe(metadata.turn === "withdrawn");
      if (metadata.turn === "withdrawn") expect(at("Forget what I said")).toBe(context.length - 1);
    }
  });

  it("have distractors that fill a context of 4,096 tokens, and no answer among them", () => {
    const counter = tokenCounter();
    for (const task of tasks) {
      const tokens = task.distractors.reduce((sum, { text }) => sum + counter.countText(text), 0);
      expect(tokens).toBeGreaterThan(1_900);
      expect(task.distractors.every(({ text }) => !text.includes(task.answer))).toBe(true);
    }
    expect(findLeaks(tasks)).toEqual([]);
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
