/** Task sources: LoCoMo, padding of distractors, the generator, and the words that name them. */
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadHotpotQa } from "../../src/evaluation/datasets/hotpotqa.js";
import { type LocomoOptions, loadLocomo } from "../../src/evaluation/datasets/locomo.js";
import { Bm25 } from "../../src/evaluation/tasks/bm25.js";
import { findLeaks, padDistractors } from "../../src/evaluation/tasks/padding.js";
import { loadTasks } from "../../src/evaluation/tasks/source.js";
import { generateTasks } from "../../src/evaluation/tasks/synthetic.js";
import type { MemoryTask } from "../../src/types.js";

const shared = (name: string) => fileURLToPath(new URL(`../../../shared/data/${name}`, import.meta.url));
const HOTPOTQA = shared("hotpotqa_train_100.json");
const LOCOMO = shared("locomo_conv1-5.json");

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "agemem-tasks-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function write(name: string, value: unknown): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, typeof value === "string" ? value : JSON.stringify(value));
  return path;
}

const said = (dia_id: string, speaker: string, text: string) => ({ dia_id, speaker, text });
const conversation = {
  sample_id: "c1",
  conversation: {
    speaker_a: "Ana",
    session_1_date_time: "1 May 2023",
    session_1: [
      said("D1:1", "Ana", "I adopted  a dog."),
      said("D1:2", "Ben", "What is its name?"),
      { ...said("D1:3", "Ana", "Rufus."), blip_caption: "a brown dog" },
    ],
    session_2_date_time: "9 May 2023",
    session_2: [
      said("D2:1", "Ben", "I moved."),
      said("D2:2", "Ana", "Where to?"),
      said("D2:3", "Ben", "Oslo."),
    ],
    session_10: [said("D10:1", "Ana", "It snows.")],
  },
  qa: [
    { question: "What is the dog's name?", answer: "Rufus", evidence: ["D1:3"], category: 4 },
    { question: "Where and what?", answer: 2, evidence: ["D2:3; D1:1", "D"], category: 1 },
    { question: "No evidence?", answer: "x", evidence: ["D:9"], category: 4 },
    { question: "Unanswerable?", evidence: ["D1:1"], category: 5, adversarial_answer: "y" },
  ],
};

describe("LoCoMo", () => {
  const load = async (options: LocomoOptions = {}) =>
    loadLocomo(await write("locomo.json", [conversation]), { turns: 2, ...options });

  it("tells the stretches with evidence and distracts with the others", async () => {
    const notices: string[] = [];
    const tasks = await load({ onNotice: ({ message }) => notices.push(message) });
    expect(tasks).toHaveLength(2);
    expect(tasks[0]).toMatchObject({
      id: "c1-q0",
      answer: "Rufus",
      context: [{ title: "Conversation at 1 May 2023", text: "Ana: Rufus. [shows a picture: a brown dog]" }],
      goldFacts: ["Ana: Rufus. [shows a picture: a brown dog]"],
      metadata: { dataset: "locomo", category: "single-hop", evidence: ["D1:3"], conversation: "c1" },
    });
    expect(tasks[0]?.distractors).toHaveLength(4);
    expect(notices).toEqual(["skipped: none of its evidence is in the conversation"]);
  });

  it("reads dirty evidence and keeps the order of the conversation", async () => {
    const [, task] = await load();
    expect(task?.answer).toBe("2");
    expect(task?.metadata.evidence).toEqual(["D2:3", "D1:1"]);
    expect(task?.context.map(({ text }) => text)).toEqual([
      "Ana: I adopted a dog.\nBen: What is its name?",
      "Ben: Oslo.",
    ]);
  });

  it("takes the unanswerable ones when asked, a limit, and another seed for other distractors", async () => {
    const all = await load({ unanswerable: true });
    expect(all.at(-1)).toMatchObject({ answer: "not mentioned", goldFacts: [] });
    expect(await load({ limit: 1 })).toHaveLength(1);
    const titles = async (seed: number) =>
      JSON.stringify((await load({ seed, distractors: 2 }))[0]?.distractors);
    expect(await titles(1)).toBe(await titles(1));
    expect(new Set(await Promise.all([1, 2, 3, 4, 5].map(titles))).size).toBeGreaterThan(1);
  });

  it.each([
    [{}, "not a JSON array"],
    [[{ conversation: {} }], "qa"],
    [[{ ...conversation, conversation: { session_1: [{ text: 1 }] } }], "speaker"],
  ])("names what is wrong: %j", async (value, words) => {
    const path = await write("wrong.json", value);
    await expect(loadLocomo(path)).rejects.toMatchObject({
      code: "AGEMEM_INPUT_FORMAT",
      message: expect.stringContaining(words),
    });
  });

  it.skipIf(!existsSync(LOCOMO))("reads five real conversations", async () => {
    const notices: string[] = [];
    const tasks = await loadLocomo(LOCOMO, { onNotice: ({ taskId }) => notices.push(taskId) });
    expect(tasks.length).toBeGreaterThan(600);
    expect(notices.length).toBeLessThan(10);
    for (const task of tasks) {
      const context = task.context.map(({ text }) => text).join("\n");
      expect(task.goldFacts.filter((fact) => !context.includes(fact))).toEqual([]);
      expect(task.distractors.filter(({ text }) => context.includes(text))).toEqual([]);
    }
  });
});

describe("BM25", () => {
  it("ranks by rare shared words, against long texts, and leaves out what shares none", () => {
    const index = new Bm25([
      "The red car and the blue car.",
      "A car, with a very long list of other things: wheels, doors, windows, mirrors, seats.",
      "Ships sail.",
      "The lighthouse of Lindau has a red roof.",
    ]);
    expect(index.search("red cars").map(({ index: i }) => i)).toEqual([0, 3, 1]);
    expect(index.search("lighthouses in Lindau").map(({ index: i }) => i)).toEqual([3]);
    expect(index.search("nothing")).toEqual([]);
  });
});

describe("padding", () => {
  const task = (id: string, fields: Partial<MemoryTask> = {}): MemoryTask => ({
    id,
    question: `Where is the ${id} tower?`,
    answer: "Lindau",
    context: [{ title: `${id} tower`, text: `The ${id} tower stands in Lindau.` }],
    distractors: [{ title: "", text: `${id} is a word.` }],
    goldFacts: [`The ${id} tower stands in Lindau.`],
    metadata: {},
    ...fields,
  });

  it("adds the nearest passages of other tasks that give nothing away", () => {
    const others = [
      task("Bern", { answer: "Bern", context: [{ title: "Bern", text: "A tower in Bern is tall." }] }),
      task("Graz", { context: [{ title: "Graz", text: "A tower in LINDAU-Graz." }] }),
      task("Ulm", { context: [{ title: "Ulm", text: "This tower is higher than the Kassel tower." }] }),
    ];
    const [padded] = padDistractors([task("Kassel"), ...others], { size: 3, seed: 1 });
    const texts = padded!.distractors.map(({ text }) => text);
    expect(texts).toContain("Kassel is a word.");
    expect(texts).toContain("A tower in Bern is tall.");
    expect(texts.filter((text) => /lindau|Kassel tower/i.test(text))).toEqual([]);
    expect(padded!.metadata.padded).toBe(texts.length - 1);
    expect(padDistractors([task("Kassel"), ...others], { size: 3, seed: 1 })[0]).toEqual(padded);
  });

  it("leaves a task alone that has enough", () => {
    expect(padDistractors([task("a"), task("b")], { size: 1 })).toEqual([task("a"), task("b")]);
  });

  it("finds what a distractor gives away, by whole words", () => {
    const leaky = task("Kassel", {
      distractors: [
        { title: "x", text: "It is in lindau." },
        { title: "Kassel Tower", text: "y" },
        { title: "z", text: "Lindauer Hut" },
      ],
    });
    expect(findLeaks([leaky]).map(({ kind, distractor }) => [kind, distractor])).toEqual([
      ["answer", "x"],
      ["gold title", "Kassel Tower"],
    ]);
    expect(findLeaks([task("a", { answer: "yes", distractors: [{ title: "", text: "yes" }] })])).toEqual([]);
  });

  it.skipIf(!existsSync(HOTPOTQA))("over 100 HotpotQA rows adds nothing that leaks", async () => {
    const tasks = await loadHotpotQa(HOTPOTQA);
    const padded = padDistractors(tasks, { size: 20, seed: 3 });
    // A task whose answer is a common word finds fewer neighbors that do not hold it.
    const full = padded.filter((each) => each.distractors.length === 20);
    expect(full.length).toBeGreaterThanOrEqual(95);
    // The rows' own distractors may name the answer; none of those added may.
    expect(findLeaks(padded).length).toBe(findLeaks(tasks).length);
    expect(findLeaks(padded).filter(({ kind }) => kind === "gold fact")).toEqual([]);
  });
});

describe("the generator", () => {
  const levels = [0, 0.25, 0.5, 0.75, 1];

  it("repeats with its seed, and a longer list begins with the shorter one", () => {
    const tasks = generateTasks({ count: 20, seed: 7 });
    expect(generateTasks({ count: 20, seed: 7 })).toEqual(tasks);
    expect(generateTasks({ count: 5, seed: 7 })).toEqual(tasks.slice(0, 5));
    expect(generateTasks({ count: 20, seed: 8 })).not.toEqual(tasks);
  });

  it.each(levels)("at difficulty %d tells every gold fact once and ends with the answer", (difficulty) => {
    for (const task of generateTasks({ count: 60, seed: "t", difficulty })) {
      const told = task.context.map(({ text }) => text);
      for (const fact of task.goldFacts) expect(told.filter((text) => text.includes(fact))).toHaveLength(1);
      const last = task.goldFacts.at(-1)!;
      expect(last).toContain(task.answer);
      const { stale, hops, changes } = task.metadata as { stale: string[]; hops: number; changes: number };
      expect(stale).not.toContain(task.answer);
      expect(stale).toHaveLength(changes);
      expect(task.context).toHaveLength(hops + changes);
      // The stale values come before the one that holds.
      const at = (value: string) => told.findIndex((text) => text.includes(value));
      for (const value of stale)
        expect(at(value)).toBeLessThan(told.findIndex((text) => text.includes(last)));
    }
  });

  it.each(levels)("at difficulty %d has look-alikes that give nothing away", (difficulty) => {
    const tasks = generateTasks({ count: 60, seed: "t", difficulty });
    expect(findLeaks(tasks)).toEqual([]);
    for (const task of tasks) {
      const people = new Set(task.context.map(({ title }) => title));
      const names = new Set([...people].flatMap((person) => person.split(" ")));
      expect(task.distractors.filter(({ title }) => people.has(title))).toEqual([]);
      expect(task.distractors.every(({ title }) => title.split(" ").some((name) => names.has(name)))).toBe(
        true,
      );
      expect(task.distractors.filter(({ text }) => text.includes(task.answer))).toEqual([]);
    }
  });

  it("gets harder in every respect", () => {
    const means = levels.map((difficulty) => {
      const [task] = generateTasks({ count: 1, difficulty });
      return [task!.context.length, task!.context[0]!.text.length, task!.distractors.length];
    });
    const [easy, hard] = [means[0]!, means.at(-1)!];
    expect(easy[0]).toBe(1);
    expect(hard[0]).toBe(5);
    expect(easy[2]).toBe(3);
    expect(hard[2]).toBe(10);
    expect(hard[1]).toBeGreaterThan(easy[1]!);
  });

  it("takes single figures in place of those of the difficulty", () => {
    const shape = { hops: 1, changes: 1, distractors: 2, talk: 0 };
    for (const task of generateTasks({ count: 20, difficulty: 1, shape })) {
      expect(task).toMatchObject({ metadata: { hops: 1, changes: 1 }, distractors: [{}, {}] });
      expect(task.context.map(({ text }) => text.match(/\./g))).toEqual([["."], ["."]]);
    }
  });

  it("refuses a difficulty that is none, and a shape that the world has no names for", () => {
    expect(() => generateTasks({ count: 1, difficulty: 1.5 })).toThrow(/difficulty/);
    expect(() => generateTasks({ count: 1, shape: { hops: 8 } })).toThrow(/hops=8/);
    expect(() => generateTasks({ count: 1, shape: { changes: 0.5 } })).toThrow(/changes=0.5/);
  });
});

describe("sources", () => {
  it("are named by a prefix or the file's ending", async () => {
    const row = { question: "q", answer: "a", context: ["c"] };
    const path = await write("tasks.jsonl", `${JSON.stringify(row)}\n`);
    expect(await loadTasks(path)).toEqual(await loadTasks(`jsonl:${path}`));
    const locomo = await write("locomo.json", [conversation]);
    expect(await loadTasks(`locomo:${locomo}`, { limit: 1 })).toHaveLength(1);
    expect((await loadTasks("synthetic:9:0.5", { limit: 4, seed: 2 })).map(({ id }) => id)).toEqual(
      generateTasks({ count: 4, seed: 2 }).map(({ id }) => id),
    );
    expect((await loadTasks("synthetic:3:1", { padTo: 12 }))[0]!.distractors.length).toBeGreaterThan(10);
    const [shaped] = await loadTasks("synthetic:1:0:changes=1,distractors=0");
    expect(shaped).toMatchObject({ context: [{}, {}], distractors: [] });
  });

  it.each(["synthetic:many", "synthetic:3:2", "synthetic:3:size=1", "synthetic:3:hops=9", "webshop:x"])(
    "refuse %s",
    async (source) => {
      await expect(loadTasks(source)).rejects.toMatchObject({ code: "AGEMEM_INPUT_ARGUMENT" });
    },
  );
});
