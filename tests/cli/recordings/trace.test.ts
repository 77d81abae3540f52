/** `agemem trace` as a process: report, JSON, prices, and errors that say what to do. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TrajectoryWriter } from "../../../src/trajectory/file.js";
import { record } from "../../trajectory/trace/story.js";
import { run, temporaryDirectory } from "../program.js";

const FACT = "User drives a red Volvo 240.";

describe("agemem trace", () => {
  let dir: Awaited<ReturnType<typeof temporaryDirectory>>;
  let past: string;
  let now: string;
  let prices: string;

  beforeAll(async () => {
    dir = await temporaryDirectory();
    past = join(dir.path, "past.jsonl");
    now = join(dir.path, "now.jsonl");
    prices = join(dir.path, "prices.json");
    await writeFile(prices, JSON.stringify({ scripted: { input: 1, output: 2 } }));
    const records = await record(
      [
        { thread: "past", user: "Note my car.", acts: [[["Add_memory", { content: FACT }]], "Noted."] },
        {
          thread: "now",
          user: "Which car?",
          acts: [
            [["Retrieve_memory", { query: FACT }]],
            [
              ["Filter_context", { criteria: FACT }],
              ["Delete_memory", { memory_id: "nope" }],
            ],
            "No idea.",
          ],
        },
      ],
      { protocol: "text" },
    );
    for (const [thread, path] of Object.entries({ past, now })) {
      const writer = await TrajectoryWriter.open(path);
      await writer.append(records.filter((line) => line.rollout_id === thread));
      await writer.close();
    }
  });
  afterAll(() => dir.remove());

  it("prints what happened in order, usage, and why the answer lacked a fact", async () => {
    const { stdout, stderr, code } = await run(["trace", past, now, "--fact", FACT]);
    expect([stderr, code]).toEqual(["", 0]);
    const lines = stdout.split("\n").map((line) => line.trim());
    const begins = (start: RegExp) => lines.filter((line) => start.test(line));
    expect(begins(/^\d+ {2}/).map((line) => line.replace(/\b[me][0-9a-z]{8}\b/g, "ID"))).toEqual([
      `0  ADD       ID "${FACT}"`,
      '1  ANSWER    "Noted."',
      `0  RETRIEVE  "${FACT}" -> ID "${FACT}"`,
      expect.stringMatching(/^1 {2}FILTER {4}".*" -> edit ID, 2 message\(s\), \d+ tokens saved$/),
      expect.stringMatching(/^1 {2}DELETE {4}refused: There is no memory "nope"/),
      '2  ANSWER    "No idea."',
    ]);
    expect(stdout).toMatch(/FILTERED AWAY {2}It was retrieved, and FILTER e\w{8} of step 1 removed it/);
    expect(stdout).toContain("All 2 conversations");
  });

  it("gives the same as JSON, with the price of every call", async () => {
    const { stdout, code } = await run(["trace", past, now, "--fact", FACT, "--json", "--prices", prices]);
    expect(code).toBe(0);
    const trace = JSON.parse(stdout);
    expect(trace.conversations.map((each: { rolloutId: string }) => each.rolloutId)).toEqual(["past", "now"]);
    expect(trace.conversations[1].verdicts).toMatchObject([{ verdict: "filtered", certain: true, step: 2 }]);
    expect(trace.total).toMatchObject({ operations: 4, refused: 1, calls: 5 });
    // The scripted model reports no tokens: they, and the cost, are not known.
    expect(trace.total).toMatchObject({ promptTokens: null, completionTokens: null, unreported: 5 });
    expect(trace.cost).toBeNull();
  });

  it("shows one conversation, judged by what the others stored", async () => {
    const { stdout } = await run([
      "trace",
      past,
      now,
      "--fact",
      FACT,
      "--rollout",
      "now",
      "--step",
      "0",
      "--json",
    ]);
    const { conversations } = JSON.parse(stdout);
    expect(conversations).toMatchObject([
      { rolloutId: "now", verdicts: [{ verdict: "not_retrieved", step: 0 }] },
    ]);
  });

  it.each([
    [["--rollout", "other"], "AGEMEM_INPUT_ARGUMENT", "There are: now."],
    [["--fact", "x y", "--step", "9"], "AGEMEM_INPUT_ARGUMENT", "Step 9"],
    [["--prices", "missing.json"], "AGEMEM_INPUT_FILE", "missing.json"],
    [["--prices", "package.json"], "AGEMEM_INPUT_FORMAT", "table of prices"],
  ])("fails with %j", async (args, code, text) => {
    const finished = await run(["trace", now, ...args]);
    expect(finished.code).toBe(2);
    expect(finished.stderr).toContain(code);
    expect(finished.stderr).toContain(text);
  });
});
