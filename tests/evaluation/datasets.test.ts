import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type DataNotice, loadHotpotQa } from "../../src/evaluation/datasets/hotpotqa.js";
import { loadJsonlTasks } from "../../src/evaluation/datasets/jsonl-tasks.js";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agemem-data-"));
  path = join(folder, "rows.json");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const names = ["Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Ginkgo", "Hazel", "Ironwood", "Juniper"];
const official = {
  _id: "row-a",
  question: "Which tree is taller,  Alder or Cedar?",
  answer: "Cedar",
  type: "comparison",
  level: "easy",
  supporting_facts: [
    ["Cedar", 1],
    ["Alder", 0],
  ] as [string, number][],
  context: names.map((name) => [name, [`${name} is a tree.`, ` ${name} grows.`]] as [string, string[]]),
};
const columns = {
  ...official,
  _id: undefined,
  id: "row-a",
  supporting_facts: { title: ["Cedar", "Alder"], sent_id: [1, 0] },
  context: { title: names, sentences: official.context.map(([, sentences]) => sentences) },
};
const write = (data: unknown) => writeFile(path, typeof data === "string" ? data : JSON.stringify(data));

describe("loadHotpotQa", () => {
  it("tells supporting paragraphs in order and distracts with the others", async () => {
    await write([official]);
    const [task] = await loadHotpotQa(path);
    expect(task).toMatchObject({
      id: "row-a",
      question: "Which tree is taller, Alder or Cedar?",
      answer: "Cedar",
      context: [
        { title: "Alder", text: "Alder is a tree. Alder grows." },
        { title: "Cedar", text: "Cedar is a tree. Cedar grows." },
      ],
      goldFacts: ["Cedar grows.", "Alder is a tree."],
      metadata: { dataset: "hotpotqa", row: 0, type: "comparison", level: "easy" },
    });
    expect(task?.distractors.map((p) => p.title).sort()).toEqual(
      names.filter((n) => n !== "Alder" && n !== "Cedar"),
    );
  });

  it("reads the column form, a served page and JSON Lines to the same task", async () => {
    await write([official]);
    const expected = await loadHotpotQa(path);
    await write([columns]);
    expect(await loadHotpotQa(path)).toEqual(expected);
    await write({ rows: [{ row_idx: 0, row: columns }] });
    expect(await loadHotpotQa(path)).toEqual(expected);
    const lines = join(folder, "rows.jsonl");
    await writeFile(lines, `${JSON.stringify(columns)}\n`);
    expect(await loadHotpotQa(lines)).toEqual(expected);
  });

  it("shuffles distractors by the seed", async () => {
    await write([official]);
    const order = async (seed: number) =>
      (await loadHotpotQa(path, { seed }))[0]?.distractors.map((p) => p.title);
    expect(await order(1)).toEqual(await order(1));
    expect(await order(1)).not.toEqual(await order(2));
  });

  it("works around dirty rows and says so", async () => {
    const dirty = {
      ...official,
      _id: "dirty",
      supporting_facts: [
        ["Alder", 7],
        ["Yew", 0],
        ["Cedar", 0],
      ],
    };
    const short = { ...official, _id: "short", context: official.context.slice(0, 4) };
    const lost = { ...official, _id: "lost", supporting_facts: [["Yew", 0]] };
    await write([dirty, lost, short]);
    const notices: DataNotice[] = [];
    const tasks = await loadHotpotQa(path, { onNotice: (n) => notices.push(n) });
    expect(tasks.map((t) => t.id)).toEqual(["dirty", "short"]);
    expect(tasks[0]?.goldFacts).toEqual(["Cedar is a tree."]);
    expect(tasks[0]?.context.map((p) => p.title)).toEqual(["Alder", "Cedar"]);
    expect(tasks[0]?.metadata.notices).toHaveLength(2);
    expect(notices.map((n) => [n.row, n.taskId, n.message])).toEqual([
      [0, "dirty", 'supporting sentence 7 of "Alder" does not exist'],
      [0, "dirty", 'supporting paragraph "Yew" is not in the context'],
      [1, "lost", 'supporting paragraph "Yew" is not in the context'],
      [1, "lost", "skipped: none of its supporting paragraphs is in the context"],
      [2, "short", "has 4 paragraphs instead of 10"],
    ]);
  });

  it("stops at the limit", async () => {
    await write([official, { ...official, _id: "b" }, "not a row"]);
    expect(await loadHotpotQa(path, { limit: 2 })).toHaveLength(2);
  });

  it.each([
    ["question", { ...official, question: undefined }, "question"],
    ["context", { ...official, context: undefined }, "context"],
    ["a sentence", { ...official, context: [["Alder", ["x", 3]]] }, "context.0.1.1"],
    ["a fact", { ...official, supporting_facts: [["Alder", "0"]] }, "supporting_facts.0.1"],
    ["columns", { ...columns, context: { title: names } }, "context.sentences"],
    ["the row", "text", "(the row itself)"],
  ])("names path, row and field of a bad row: %s", async (_what, row, field) => {
    await write([official, row]);
    await expect(loadHotpotQa(path)).rejects.toMatchObject({
      code: "AGEMEM_INPUT_FORMAT",
      message: expect.stringContaining(`${path}, row 1, field ${field}:`),
      details: { path, row: 1, field },
    });
  });

  it("refuses what is no such file", async () => {
    await expect(loadHotpotQa(join(folder, "none.json"))).rejects.toMatchObject({
      code: "AGEMEM_INPUT_FILE",
    });
    for (const data of ["{", "{}", "[]"]) {
      await write(data);
      await expect(loadHotpotQa(path)).rejects.toMatchObject({ code: "AGEMEM_INPUT_FORMAT" });
    }
  });
});

describe("loadJsonlTasks", () => {
  it("reads texts and titled passages", async () => {
    const file = join(folder, "tasks.jsonl");
    const row = { question: "q", answer: "a", context: ["one", { title: "T", text: "two" }] };
    await writeFile(
      file,
      `${JSON.stringify(row)}\n\n${JSON.stringify({ ...row, id: "x", distractors: ["d"], gold_facts: ["g"] })}\n`,
    );
    expect(await loadJsonlTasks(file)).toEqual([
      {
        id: "row-0",
        question: "q",
        answer: "a",
        context: [
          { title: "", text: "one" },
          { title: "T", text: "two" },
        ],
        distractors: [],
        goldFacts: [],
        metadata: {},
      },
      expect.objectContaining({ id: "x", distractors: [{ title: "", text: "d" }], goldFacts: ["g"] }),
    ]);
    expect(await loadJsonlTasks(file, { limit: 1 })).toHaveLength(1);
  });
  it.each([
    [{ answer: "a", context: ["c"] }, "question"],
    [{ question: "q", answer: "a", context: [] }, "context"],
    [{ question: "q", answer: "a", context: ["c"], distractors: [3] }, "distractors.0"],
    [{ id: "row-0", question: "q", answer: "a", context: ["c"] }, "id"],
  ])("names the field that is wrong: %j", async (row, field) => {
    const file = join(folder, "tasks.jsonl");
    await writeFile(
      file,
      `${JSON.stringify({ question: "q", answer: "a", context: ["c"] })}\n${JSON.stringify(row)}\n`,
    );
    await expect(loadJsonlTasks(file)).rejects.toMatchObject({
      code: "AGEMEM_INPUT_FORMAT",
      details: { path: file, row: 1, field },
    });
  });
});

const real = fileURLToPath(new URL("../../../shared/data/hotpotqa_train_100.json", import.meta.url));
describe.skipIf(!existsSync(real))("100 rows of HotpotQA (skipped unless ../shared/data has them)", () => {
  it("loads them all; a gold title is never a distractor", async () => {
    const notices: DataNotice[] = [];
    const tasks = await loadHotpotQa(real, { onNotice: (n) => notices.push(n) });
    expect(tasks).toHaveLength(100);
    expect(notices.map((n) => n.message)).toEqual(["has 4 paragraphs instead of 10"]);
    for (const task of tasks) {
      const gold = new Set(task.context.map((p) => p.title));
      expect(task.context.length).toBe(2);
      expect(task.goldFacts.length).toBeGreaterThan(0);
      expect(task.distractors.some((p) => gold.has(p.title))).toBe(false);
    }
  });
});
