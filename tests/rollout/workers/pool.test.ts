/** Rollouts in processes of their own: the same recording, and accidents that a run survives or tells. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RunHooks } from "../../../src/rollout/hooks.js";
import { runRollouts } from "../../../src/rollout/runner.js";
import { type WorkerOptions, WorkerPool } from "../../../src/rollout/workers/pool.js";
import { readRollouts } from "../../../src/trajectory/file.js";
import { openRollouts, TASKS, type WorkerData } from "./worker-setup.js";

const SETUP = new URL("./worker-setup.ts", import.meta.url);
let folder: string;
const pools: WorkerPool[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agemem-workers-"));
});
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
  await rm(folder, { recursive: true, force: true });
});

async function open(data: WorkerData, more: Partial<WorkerOptions> = {}): Promise<WorkerPool> {
  const pool = await WorkerPool.open({
    processes: 2,
    setup: SETUP,
    data,
    execArgv: ["--import", "tsx"],
    ...more,
  });
  pools.push(pool);
  return pool;
}

async function run(data: WorkerData, hooks: RunHooks = {}, signal?: AbortSignal) {
  const { options, close } = await openRollouts(data);
  try {
    return await runRollouts(TASKS, { ...options, ...(signal ? { signal } : {}) }, hooks);
  } finally {
    await close?.();
  }
}

/** Without what differs between any two runs: times, ids of runs, and revisions, which count the writes of all forks. */
function plain(groups: Awaited<ReturnType<typeof run>>): unknown {
  const dropped = /^(ts|latency_ms|latencyMs|run_id|root_run_id|revision|revision_before|revision_after)$/;
  return JSON.parse(JSON.stringify(groups), (key, value) => (dropped.test(key) ? null : value));
}

describe("worker processes", () => {
  it.each(["script", "rules"] as const)("record what one process records: %s", async (policy) => {
    const alone = await run({ policy });
    const shared = await run({ policy }, { workers: await open({ policy }) });
    expect(alone).toHaveLength(TASKS.length);
    expect(plain(shared)).toEqual(plain(alone));
  });

  it("that die are replaced, and each rollout is there once", async () => {
    const [group] = await run({});
    const diesAt = group!.rollouts[1]!.trajectory.rollout_id;
    const out = join(folder, "run.jsonl");
    const workers = await open({ diesAt, mark: join(folder, "died") });
    await run({}, { workers, out });
    const ids: string[] = [];
    for await (const { trajectory } of readRollouts(out)) {
      expect(trajectory.status).toBe("ok");
      ids.push(trajectory.rollout_id);
    }
    expect(new Set(ids).size).toBe(TASKS.length * 2);
    expect(ids).toContain(diesAt);
  });

  it("that die twice with one rollout end the run, which can be resumed", async () => {
    const [group] = await run({});
    const diesAt = group!.rollouts[0]!.trajectory.rollout_id;
    const out = join(folder, "run.jsonl");
    const failing = run({}, { workers: await open({ diesAt }), out });
    await expect(failing).rejects.toMatchObject({
      code: "AGEMEM_WORKER_FAILED",
      message: expect.stringContaining(diesAt),
    });
    await run({}, { out });
    let rollouts = 0;
    for await (const _ of readRollouts(out)) rollouts++;
    expect(rollouts).toBe(TASKS.length * 2);
  });

  it("stop with the run, whose reason is thrown", async () => {
    const controller = new AbortController();
    const workers = await open({ policy: "hang" }, { signal: controller.signal });
    const running = run({}, { workers }, controller.signal);
    setTimeout(() => controller.abort(new Error("enough")), 100);
    await expect(running).rejects.toThrow("enough");
  });

  it("that cannot be set up say why", async () => {
    await expect(open({ failsToOpen: true })).rejects.toThrow("no such endpoint");
    await expect(open({}, { setup: new URL("./none.ts", import.meta.url) })).rejects.toThrow(/none\.ts/);
    await expect(open({}, { processes: 0 })).rejects.toMatchObject({ code: "AGEMEM_CONFIG_INVALID" });
  });
});
