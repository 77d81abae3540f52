/** Runs that are cut off, fail in parts, or meet a file that is not theirs. */
import { spawn } from "node:child_process";
import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EnvironmentError } from "../../../src/errors.js";
import { evaluationJsonSchema } from "../../../src/evaluation/runs/record.js";
import { ResultsFile, readEvaluation } from "../../../src/evaluation/runs/results-file.js";
import { type EpisodeBatch, type EpisodeOutcome, runEvaluation } from "../../../src/evaluation/runs/run.js";

const NONE = { calls: 0, prompt_tokens: 0, response_tokens: 0 };
const WON: EpisodeOutcome = {
  metrics: { success: 1 },
  answer: "yes",
  recalled: 0,
  recalled_tokens: 0,
  policy: NONE,
  auxiliary: NONE,
  operations: {},
};

let folder: string;
let out: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agemem-evaluation-"));
  out = join(folder, "results.jsonl");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function batch(name: string, tasks: string[], play: (task: string) => Promise<EpisodeOutcome>): EpisodeBatch {
  const episodes = tasks.map((task) => ({ task, category: "all", play: () => play(task) }));
  return { suite: "s", system: "a", seed: 0, case: name, episodes };
}

async function episodes() {
  return (await readEvaluation(out)).flatMap((line) => (line.type === "episode" ? [line] : []));
}

describe("runEvaluation", () => {
  it("goes on after an episode that fails, with its code, and fails every episode of a case that cannot begin", async () => {
    const broken: EpisodeBatch = {
      ...batch("two", ["t3", "t4"], async () => WON),
      begin: async () => Promise.reject(new EnvironmentError("AGEMEM_SYSTEM_FAILED", "gone")),
    };
    const first = batch("one", ["t1", "t2"], async (task) => {
      if (task === "t1") throw new EnvironmentError("AGEMEM_ENVIRONMENT_FAILED", "nonsense");
      return WON;
    });
    const counts = await runEvaluation([first, broken], { out, settings: {}, concurrency: 2 });
    expect(counts).toEqual({ played: 4, found: 0, failed: 3 });
    const codes = (await episodes()).map(({ task, error }) => [task, error?.code ?? null]).sort();
    expect(codes).toEqual([
      ["t1", "AGEMEM_ENVIRONMENT_FAILED"],
      ["t2", null],
      ["t3", "AGEMEM_SYSTEM_FAILED"],
      ["t4", "AGEMEM_SYSTEM_FAILED"],
    ]);
  });

  it("stops what is under way when the run itself fails, and ends after it has released what it holds", async () => {
    const told: string[] = [];
    const waiting = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error("was not stopped")), 20_000).unref();
    });
    const slow: EpisodeBatch = {
      ...batch("slow", [], async () => WON),
      episodes: [
        {
          task: "t2",
          category: "all",
          play: (signal) => {
            const stopped = new Promise<never>((_, reject) => {
              signal?.addEventListener("abort", () => reject(signal.reason as Error));
            });
            return Promise.race([stopped, waiting]);
          },
        },
      ],
      end: async () => {
        await new Promise((settle) => setTimeout(settle, 50));
        told.push("released");
      },
    };
    const onEpisode = () => {
      throw new Error("the reader is gone");
    };
    const batches = [slow, batch("one", ["t1"], async () => WON), batch("three", ["t3"], async () => WON)];
    const run = runEvaluation(batches, { out, settings: {}, concurrency: 2, onEpisode });
    await expect(
      run.catch((error: Error) => Promise.reject(new Error(`${error.message}, ${told}`))),
    ).rejects.toThrow("the reader is gone, released");
    expect((await episodes()).map(({ task }) => task)).toEqual(["t1"]);
  });

  it("plays only what is missing, also after a torn line", async () => {
    const played: string[] = [];
    const of = (tasks: string[]) =>
      batch("one", tasks, async (task) => {
        played.push(task);
        return WON;
      });
    await runEvaluation([of(["t1", "t2"])], { out, settings: { k: 3 } });
    await appendFile(out, '{"schema":"agemem.evaluation/1","type":"epi');
    const counts = await runEvaluation([of(["t1", "t2", "t3"])], { out, settings: { k: 3 } });
    expect(counts).toEqual({ played: 1, found: 2, failed: 0 });
    expect(played).toEqual(["t1", "t2", "t3"]);
    expect((await episodes()).map(({ task }) => task)).toEqual(["t1", "t2", "t3"]);
  });

  it("refuses other settings with the difference, another process's file, and a file of another kind", async () => {
    await runEvaluation([], { out, settings: { k: 3, model: "a" } });
    const other = runEvaluation([], { out, settings: { k: 5, model: "a" } });
    await expect(other).rejects.toMatchObject({
      code: "AGEMEM_INPUT_ARGUMENT",
      message: expect.stringContaining("k: 3 there, 5 now"),
    });
    const held = await ResultsFile.open(out, { k: 3, model: "a" });
    await expect(ResultsFile.open(out, { k: 3, model: "a" })).rejects.toMatchObject({
      code: "AGEMEM_INPUT_FILE",
    });
    await held.close();
    await writeFile(out, '{"a":1}\n');
    await expect(runEvaluation([], { out, settings: {} })).rejects.toMatchObject({
      code: "AGEMEM_INPUT_FORMAT",
    });
  });

  it("survives kill -9: no episode twice, none missing", async () => {
    const program = join(folder, "run.ts");
    const source = resolve(import.meta.dirname, "../../../src/evaluation/runs/run.ts");
    await writeFile(
      program,
      `import { runEvaluation } from ${JSON.stringify(source)};
const episodes = Array.from({ length: 30 }, (_, i) => ({ task: "t" + i, category: "all", play: async () => {
  await new Promise((done) => setTimeout(done, 15));
  return ${JSON.stringify(WON)};
} }));
const half = (name: string, part: typeof episodes) => ({ suite: "s", system: "a", seed: 0, case: name, episodes: part });
void runEvaluation([half("a", episodes.slice(0, 15)), half("b", episodes.slice(15))], { out: ${JSON.stringify(out)}, settings: {}, concurrency: 2 });
`,
    );
    const start = () => spawn(process.execPath, ["--import", "tsx", program], { stdio: "ignore" });
    const killed = start();
    const gone = new Promise((done) => killed.once("close", done));
    while ((await readFile(out, "utf8").catch(() => "")).split("\n").length < 6) {
      await new Promise((done) => setTimeout(done, 5));
    }
    killed.kill("SIGKILL");
    await gone;
    const before = (await episodes()).length;
    expect(before).toBeLessThan(30);
    await new Promise((done) => start().once("close", done));
    const tasks = (await episodes()).map(({ task }) => task);
    expect(tasks).toHaveLength(30);
    expect(new Set(tasks).size).toBe(30);
  }, 60_000);
});

it("the published schema is the one in use", async () => {
  const published = resolve(import.meta.dirname, "../../../schemas/agemem.evaluation-1.json");
  expect(JSON.parse(await readFile(published, "utf8"))).toEqual(evaluationJsonSchema());
});
