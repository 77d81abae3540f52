/** Recordings of a run: one writer, one set of settings, three forms that hold the same. */
import { spawn } from "node:child_process";
import { appendFile, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RunJournal } from "../../../src/rollout/journal.js";
import { runRollouts } from "../../../src/rollout/runner.js";
import type { FaissStore } from "../../../src/store/faiss-store.js";
import { readRollouts, validateFile } from "../../../src/trajectory/file.js";
import { memoryStore, optionsFor, personTask } from "../setup.js";

let folder: string;
let store: FaissStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agemem-recording-"));
  store = await memoryStore();
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const tasks = [0, 1, 2].map(personTask);

/** Everything but times and run ids, which no two runs share. */
async function contents(path: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { steps, trajectory } of readRollouts(path)) {
    const calls = steps.map(({ messages, tools, response, prompt_token_ids: ids }) => ({
      messages,
      tools,
      response,
      ids,
    }));
    found.push(JSON.stringify([trajectory.rollout_id, trajectory.reward, trajectory.advantage, calls]));
  }
  return found.sort();
}

describe("the forms of a recording", () => {
  it("hold the same rollouts, the packed ones in fewer bytes", async () => {
    const paths = ["run.jsonl", "run.jsonl.gz", "run/"].map((name) => join(folder, name));
    for (const out of paths) await runRollouts(tasks, optionsFor(store), { out });
    const [lines, packed, parts] = await Promise.all(paths.map(contents));
    expect(lines).toHaveLength(6);
    expect(packed).toEqual(lines);
    expect(parts).toEqual(lines);
    for (const path of paths) {
      expect(await validateFile(path)).toMatchObject({ trajectories: 6, unfinished: 0, problems: [] });
    }
    const sizes = await Promise.all(paths.slice(0, 2).map(async (path) => (await stat(path)).size));
    expect(sizes[1]).toBeLessThan((sizes[0] as number) / 5);
  });

  it.each(["run.jsonl.gz", "run/"])("goes on after a torn group: %s", async (name) => {
    const out = join(folder, name);
    await runRollouts(tasks.slice(0, 2), optionsFor(store), { out });
    const file = name === "run/" ? join(out, "part-00001.jsonl.gz") : out;
    const whole = await readFile(file);
    await appendFile(file, whole.subarray(0, Math.floor(whole.length / 3)));
    await runRollouts(tasks, optionsFor(store), { out });
    expect(await contents(out)).toHaveLength(6);
    expect((await validateFile(out)).problems).toEqual([]);
  });

  it.each(["run.jsonl", "run.jsonl.gz", "run/"])(
    "gives a group by its id, with or without its place: %s",
    async (name) => {
      const out = join(folder, name);
      const groups = await runRollouts(tasks, optionsFor(store), { out });
      for (const known of [true, false]) {
        if (!known) await rm(`${out.replace(/\/$/, "")}.index`);
        const journal = await RunJournal.open(out);
        for (const { groupId, rollouts } of groups) {
          const read: unknown[] = [];
          for await (const rollout of journal.read(groupId)) read.push(rollout);
          expect(read).toEqual(JSON.parse(JSON.stringify(rollouts)));
        }
        await journal.close(true);
      }
    },
  );

  it("begins another part where one is full", async () => {
    const out = join(folder, "run/");
    const groups = await runRollouts(tasks, optionsFor(store));
    const journal = await RunJournal.open(out, undefined, 1);
    for (const group of groups) await journal.write(group);
    await journal.close(true);
    expect((await readdir(out)).filter((name) => name.startsWith("part-"))).toHaveLength(3);
    expect(await contents(out)).toHaveLength(6);
    expect(await runRollouts(tasks, optionsFor(store), { out })).toEqual([]);
  });
});

describe("one recording", () => {
  it("has one writer, and is free when that one is killed", async () => {
    const out = join(folder, "run.jsonl");
    const program = `
      import { RunJournal } from "${new URL("../../../src/rollout/journal.ts", import.meta.url).href}";
      await RunJournal.open(${JSON.stringify(out)});
      console.log("open");
      setInterval(() => {}, 1000);`;
    const args = ["--import", "tsx", "--input-type=module", "-e", program];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    await new Promise((resolve) => child.stdout.once("data", resolve));
    await expect(runRollouts(tasks, optionsFor(store), { out })).rejects.toMatchObject({
      code: "AGEMEM_RECORDING_LOCKED",
    });
    child.kill("SIGKILL");
    await ended;
    expect(await runRollouts(tasks, optionsFor(store), { out })).toHaveLength(3);
  }, 30_000);

  it("has one set of settings under a run name; the difference is shown", async () => {
    const out = join(folder, "run.jsonl");
    await runRollouts(tasks.slice(0, 1), optionsFor(store), { out, identity: { embeddings: "lexical" } });
    const options = { ...optionsFor(store), maxTurns: 3, policyVersion: 7 };
    const other = runRollouts(tasks, options, { out, identity: { embeddings: "hf:x" } });
    await expect(other).rejects.toMatchObject({
      code: "AGEMEM_RECORDING_SETTINGS",
      message: expect.stringMatching(
        /max_turns \d+, now 3.*policy_version null, now 7.*embeddings "lexical", now "hf:x"/,
      ),
    });
    expect(await contents(out)).toHaveLength(2);
    const named = { ...options, runName: "other" };
    expect(await runRollouts(tasks, named, { out })).toHaveLength(3);
  });

  it("reads what the index does not know: a file that came without one", async () => {
    const out = join(folder, "run.jsonl");
    await runRollouts(tasks, optionsFor(store), { out });
    await rm(`${out}.index`);
    expect(await runRollouts(tasks, optionsFor(store), { out })).toEqual([]);
  });
});
