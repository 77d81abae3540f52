/** A recording survives the death of its process, and the run goes on where it ended. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { appendFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RolloutOptions } from "../../src/rollout/options.js";
import { runRollouts, streamRollouts } from "../../src/rollout/runner.js";
import type { FaissStore } from "../../src/store/faiss-store.js";
import { readRollouts, validateFile } from "../../src/trajectory/file.js";
import { KILLED_TASKS, runTasks } from "./killed-run.js";
import { diligent, memoryStore, optionsFor, personTask, respondingModel } from "./setup.js";

let folder: string;
let out: string;
let store: FaissStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agemem-journal-"));
  out = join(folder, "run.jsonl");
  store = await memoryStore();
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const tasks = [0, 1, 2].map(personTask);

/** Stops the run with an error of the disk kind after `n` rollouts. */
const failingAfter = (n: number): RolloutOptions => {
  let begun = 0;
  const failing = new Proxy(store, {
    get: (target, key) => {
      if (key === "fork") {
        return (...args: Parameters<FaissStore["fork"]>) =>
          ++begun > n ? Promise.reject(new Error("the disk is gone")) : target.fork(...args);
      }
      const value = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { ...optionsFor(failing), concurrency: 1 };
};

async function identities(path: string): Promise<string[]> {
  const ids: string[] = [];
  for await (const { trajectory } of readRollouts(path)) {
    ids.push(`${trajectory.task_id}/${trajectory.rollout_index}`);
  }
  return ids.sort();
}
const expected = (list: { id: string }[]) => list.flatMap(({ id }) => [`${id}/0`, `${id}/1`]).sort();

describe("killed with SIGKILL in the middle of 100 tasks and resumed", () => {
  it("has each rollout exactly once and keeps the earlier lines to the byte", async () => {
    const program = fileURLToPath(new URL("./killed-run.ts", import.meta.url));
    const child = spawn(process.execPath, ["--import", "tsx", program, out], { stdio: "inherit" });
    const exit = new Promise<NodeJS.Signals | null>((resolve) => child.once("exit", (_, by) => resolve(by)));
    while ((existsSync(out) ? readFileSync(out, "utf8").split('"kind":"trajectory"').length : 0) < 40) {
      if (child.exitCode !== null) throw new Error("the child ended before it was killed");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    child.kill("SIGKILL");
    expect(await exit).toBe("SIGKILL");
    const before = await readFile(out);
    const done = before.toString("utf8").split('"kind":"trajectory"').length - 1;
    expect(done).toBeGreaterThan(30);
    expect(done).toBeLessThan(200);

    const calls = await runTasks(out);
    const after = await readFile(out);
    const whole = before.subarray(0, before.lastIndexOf(0x0a) + 1);
    expect(after.subarray(0, whole.length).equals(whole)).toBe(true);
    expect(await identities(out)).toEqual(expected(KILLED_TASKS));
    expect(await validateFile(out)).toMatchObject({ trajectories: 200, unfinished: 0, problems: [] });
    // Four calls a rollout: those that were finished were not run again.
    expect(calls).toBeLessThanOrEqual((200 - done) * 4);
    expect(existsSync(`${out}.journal`)).toBe(false);
  }, 60_000);
});

describe("resuming", () => {
  it("runs only what is missing, of a group begun as well", async () => {
    await expect(streamRollouts(tasks, failingAfter(3), { out })).rejects.toThrow("the disk is gone");
    expect(await identities(out)).toEqual(["person-0/0", "person-0/1"]);
    const begun: string[] = [];
    const policy: RolloutOptions["policy"] = ({ taskId, index }) => {
      begun.push(`${taskId}/${index}`);
      return respondingModel(diligent);
    };
    const progress: number[] = [];
    const summary = await streamRollouts(
      tasks,
      { ...optionsFor(store), policy, concurrency: 1 },
      { out, onProgress: ({ done }) => progress.push(done) },
    );
    expect(begun.sort()).toEqual(["person-1/1", "person-2/0", "person-2/1"]);
    expect(progress).toEqual([1, 2, 3, 4, 5, 6]);
    expect(summary).toMatchObject({ done: 6, failed: 0 });
    expect(summary.groups.map((group) => group.taskId)).toEqual(["person-1", "person-2"]);
    expect(await identities(out)).toEqual(expected(tasks));
  });

  it("does nothing when all is there, and begins anew for other settings", async () => {
    await runRollouts(tasks, optionsFor(store), { out });
    const size = (await stat(out)).size;
    expect(await runRollouts(tasks, optionsFor(store), { out })).toEqual([]);
    expect((await stat(out)).size).toBe(size);
    expect(await runRollouts(tasks, { ...optionsFor(store), seed: 1 }, { out })).toHaveLength(3);
    expect(await runRollouts(tasks, { ...optionsFor(store), k: 3 }, { out })).toHaveLength(3);
    expect((await validateFile(out)).problems).toEqual([]);
  });

  it("cuts off a group that was torn while it was appended, and writes it again", async () => {
    await expect(streamRollouts(tasks, failingAfter(3), { out })).rejects.toThrow();
    const whole = await readFile(out, "utf8");
    const [group] = await runRollouts(tasks.slice(1, 2), optionsFor(store));
    const lines = group!.rollouts.flatMap(({ steps, trajectory }) => [...steps, trajectory]);
    const torn = lines.map((line) => JSON.stringify(line)).join("\n");
    const note = { group: group!.groupId, size: Buffer.byteLength(whole) };
    await writeFile(join(`${out}.journal`, "tail.json"), JSON.stringify(note));
    await appendFile(out, torn.slice(0, Math.floor(torn.length * 0.7)));
    await runRollouts(tasks, optionsFor(store), { out });
    expect((await readFile(out, "utf8")).startsWith(whole)).toBe(true);
    expect(await identities(out)).toEqual(expected(tasks));
    expect((await validateFile(out)).problems).toEqual([]);
  });

  it("is refused for a path that cannot be written", async () => {
    await mkdir(join(folder, "taken.jsonl"));
    const run = runRollouts(tasks, optionsFor(store), { out: join(folder, "taken.jsonl") });
    await expect(run).rejects.toMatchObject({ code: "AGEMEM_INPUT_FILE" });
  });
});
