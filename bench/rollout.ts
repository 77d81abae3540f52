/**
 * `npm run bench -- rollout`: how near rollouts come to what the endpoint allows, what recording costs, whether memory
 * stays flat, and 100 tasks x K = 8 with the rules.
 *
 * The endpoint is a test server in a process of its own that answers after 50 ms. "Ideal" is the lower of 64 slots of
 * 50 ms and of what the bare openai client manages with the same requests from one process; both are reported.
 * `--only throughput` measures one part, `--quick` a tenth of all. `driver` compares the two ways to run the agent, `loop`
 * and `graph`: processor time per call and calls per second, one process. `http`
 * compares HTTP clients (`rollout-http.ts`).
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import OpenAI from "openai";
import pLimit from "p-limit";
import { loadTasks } from "../src/evaluation/tasks/source.js";
import { generateTasks } from "../src/evaluation/tasks/synthetic.js";
import { OfflinePolicy } from "../src/offline/policy.js";
import { createOfflineJudge } from "../src/rewards/judges/offline.js";
import { StageAgents } from "../src/rollout/driver/stage-agents.js";
import { type GroupResult, groupIdentities } from "../src/rollout/group.js";
import type { RunHooks } from "../src/rollout/hooks.js";
import { policyEndpoint, rolloutsFor } from "../src/rollout/http/endpoint.js";
import type { RolloutOptions } from "../src/rollout/options.js";
import { streamRollouts } from "../src/rollout/runner.js";
import { rolloutSettings } from "../src/rollout/settings.js";
import { runStages } from "../src/rollout/stages.js";
import { WorkerPool } from "../src/rollout/workers/pool.js";
import type { FaissStore } from "../src/store/faiss-store.js";
import { ScriptedChatModel, type ScriptedResponder } from "../src/testing/scripted-model.js";
import { createToolkit } from "../src/tools/toolkit.js";
import { TrajectoryRecorder } from "../src/trajectory/recorder.js";
import { agentFetch, httpCost } from "./rollout-http.js";
import { type BenchSetup, openRollouts, openStore } from "./rollout-setup.js";

const SLOTS = 64;
const DELAY_S = 0.05;
/** One per core of the machine the bounds are for. */
const PROCESSES = 2;

export async function run(args: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: "boolean" },
      quick: { type: "boolean" },
      hotpotqa: { type: "string" },
      only: { type: "string", multiple: true },
    },
  });
  const scale = values.quick ? 0.1 : 1;
  const server = await startServer();
  const parts: Record<string, () => Promise<Record<string, unknown>>> = {
    throughput: () => throughput(server.url, Math.ceil(128 * scale)),
    driver: () => driverCost(server.url, Math.ceil(64 * scale)),
    http: () => httpCosts(server.url, Math.ceil(64 * scale)),
    recorder: () => recorderCost(server.url, Math.ceil(256 * scale)),
    memory: () => memory(Math.ceil(2000 * scale)),
    offline: () => offlineRun(values.hotpotqa, Math.ceil(100 * scale)),
  };
  try {
    const figures: Record<string, unknown> = {};
    for (const [name, measure] of Object.entries(parts)) {
      if (values.only?.includes(name) ?? true) Object.assign(figures, await measure());
    }
    return figures;
  } finally {
    server.stop();
  }
}

async function startServer(): Promise<{ url: string; stop: () => void }> {
  const program = join(import.meta.dirname, "rollout-server.ts");
  const child = spawn(process.execPath, ["--import", "tsx", program], { stdio: ["pipe", "pipe", "inherit"] });
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.once("data", (line) => resolve(String(line).trim()));
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
  return { url, stop: () => child.stdin.end() };
}

const tasksOf = (count: number) => generateTasks({ count, seed: "bench", difficulty: 0.25 });

/**
 * Calls per second of whole rollouts against what the endpoint allows, with one process and with one per core; the best
 * of four rounds each, taken in turn and after warming up, since other programs of the machine only ever take time.
 */
async function throughput(baseURL: string, tasks: number): Promise<Record<string, number>> {
  const bodies = await bodiesOf(baseURL);
  const data: BenchSetup = { baseURL, concurrency: rolloutsFor(SLOTS), requests: SLOTS };
  const { options, close } = await openRollouts(data);
  const setup = new URL("./rollout-setup.ts", import.meta.url);
  const each = { ...data, requests: Math.ceil(SLOTS / PROCESSES) };
  const workers = await WorkerPool.open({ processes: PROCESSES, setup, data: each });
  const best = { client: 0, alone: 0, shared: 0, cpuMs: Number.POSITIVE_INFINITY };
  for (let round = -1; round < 4; round++) {
    const client = await bareClient(baseURL, bodies);
    const alone = await rolloutRate(options, tasks, `${round}`, {});
    const shared = await rolloutRate(options, tasks, `${round}`, { workers });
    if (round < 0) continue;
    best.client = Math.max(best.client, client);
    best.alone = Math.max(best.alone, alone.rate);
    best.cpuMs = Math.min(best.cpuMs, alone.cpuMs);
    best.shared = Math.max(best.shared, shared.rate);
  }
  await workers.close();
  await close?.();
  const slots = SLOTS / DELAY_S;
  const ideal = Math.min(slots, best.client);
  return {
    throughput_vs_ideal: best.shared / ideal,
    throughput_vs_ideal_one_process: best.alone / ideal,
    calls_per_s: best.shared,
    processes: PROCESSES,
    calls_per_s_one_process: best.alone,
    cpu_ms_per_call_one_process: best.cpuMs,
    ideal_slots_calls_per_s: slots,
    ideal_client_calls_per_s: best.client,
  };
}

/** The same rollouts driven both ways, in turn; the best of three rounds each, after warming up. */
async function driverCost(baseURL: string, tasks: number): Promise<Record<string, number>> {
  const { options, close } = await openRollouts({
    baseURL,
    concurrency: rolloutsFor(SLOTS),
    requests: SLOTS,
  });
  const none = () => ({ rate: 0, cpuMs: Number.POSITIVE_INFINITY });
  const best = { loop: none(), graph: none() };
  for (let round = -1; round < 3; round++) {
    for (const driver of ["loop", "graph"] as const) {
      const { rate, cpuMs } = await rolloutRate({ ...options, driver }, tasks, `driver${round}`, {});
      if (round < 0) continue;
      best[driver].rate = Math.max(best[driver].rate, rate);
      best[driver].cpuMs = Math.min(best[driver].cpuMs, cpuMs);
    }
  }
  await close?.();
  return {
    graph_cpu_over_loop: best.graph.cpuMs / best.loop.cpuMs,
    loop_cpu_ms_per_call: best.loop.cpuMs,
    graph_cpu_ms_per_call: best.graph.cpuMs,
    loop_calls_per_s: best.loop.rate,
    graph_calls_per_s: best.graph.rate,
  };
}

/** Requests alone, then whole rollouts over each client: processor time per call, the best of three rounds in turn. */
async function httpCosts(baseURL: string, tasks: number): Promise<Record<string, number>> {
  const best: Record<string, number> = await httpCost(baseURL, await bodiesOf(baseURL), SLOTS);
  const clients = { own: {}, agent: { fetch: agentFetch() }, global: { fetch } };
  for (let round = -1; round < 3; round++) {
    for (const [name, client] of Object.entries(clients)) {
      const setup = { baseURL, concurrency: rolloutsFor(SLOTS), requests: SLOTS, ...client };
      const { options, close } = await openRollouts(setup);
      const { cpuMs } = await rolloutRate(options, tasks, `http${round}`, {});
      await close?.();
      const key = `rollouts_${name}_cpu_ms_per_call`;
      if (round >= 0) best[key] = Math.min(best[key] ?? cpuMs, cpuMs);
    }
  }
  return best;
}

/** What rollouts send, for the bare client to send again. */
async function bodiesOf(baseURL: string): Promise<string[]> {
  const bodies: string[] = [];
  const noting: typeof fetch = (input, init) => {
    if (bodies.length < 2000) bodies.push(String(init?.body));
    return fetch(input, init);
  };
  const setup = { baseURL, concurrency: SLOTS, requests: SLOTS, fetch: noting };
  const { options, close } = await openRollouts(setup);
  await streamRollouts(tasksOf(28), options);
  await close?.();
  return bodies;
}

/** Steps are calls: the server refuses none. As many rollouts are under way with workers as without. */
async function rolloutRate(options: RolloutOptions, tasks: number, seed: string, hooks: RunHooks) {
  let calls = 0;
  const onGroup = ({ rollouts }: GroupResult) => {
    for (const { steps } of rollouts) calls += steps.length;
  };
  const before = process.cpuUsage();
  const seconds = await timed(() =>
    streamRollouts(tasksOf(tasks), { ...options, seed }, { ...hooks, onGroup }),
  );
  const { user, system } = process.cpuUsage(before);
  return { rate: calls / seconds, cpuMs: (user + system) / 1000 / calls };
}

/** The same requests through the openai client and nothing else. */
async function bareClient(baseURL: string, bodies: readonly string[]): Promise<number> {
  const client = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
  const limit = pLimit(SLOTS);
  const send = (body: string) => limit(() => client.chat.completions.create(JSON.parse(body)));
  await Promise.all(bodies.slice(0, SLOTS).map(send));
  const seconds = await timed(() => Promise.all(bodies.map(send)));
  return bodies.length / seconds;
}

/** The stages alone, with the recorder over without; the better of three runs each, taken in turn. */
async function recorderCost(baseURL: string, rollouts: number): Promise<Record<string, number>> {
  const best = { with: Number.POSITIVE_INFINITY, without: Number.POSITIVE_INFINITY };
  for (let round = 0; round < 3; round++) {
    for (const mode of ["with", "without"] as const) {
      const store = await openStore();
      best[mode] = Math.min(best[mode], await timed(() => stagesOnly(baseURL, store, rollouts, mode, round)));
      await store.close();
    }
  }
  return { recorder_cost: best.with / best.without };
}

async function stagesOnly(
  baseURL: string,
  store: FaissStore,
  rollouts: number,
  mode: "with" | "without",
  round: number,
): Promise<void> {
  const patience = { concurrency: SLOTS };
  const { policy } = policyEndpoint({ model: "openai:bench", baseURL, patience });
  const settings = rolloutSettings({
    policy,
    store,
    judge: createOfflineJudge(),
    k: 8,
    runName: `${mode}${round}`,
  });
  const agents = new StageAgents(settings);
  const limit = pLimit(SLOTS);
  const one = async (
    task: ReturnType<typeof tasksOf>[number],
    identity: ReturnType<typeof groupIdentities>[number],
  ) => {
    const fork = await store.fork(identity.rolloutId);
    const agent = agents.of(policy(identity), fork);
    const kit = createToolkit({ store: fork, topK: settings.topK, counter: settings.counter });
    const recorder = new TrajectoryRecorder({ counter: settings.counter });
    const callbacks = mode === "with" ? [recorder] : [];
    const { signal } = new AbortController();
    await runStages({ agent, kit, task, identity, settings, callbacks, signal });
    recorder.take(identity.rolloutId);
    await fork.discard();
  };
  const tasks = tasksOf(Math.ceil(rollouts / 8));
  await Promise.all(
    tasks.flatMap((task) => groupIdentities(task, settings).map((id) => limit(() => one(task, id)))),
  );
}

/** Stores what it is told, answers the question. */
const storing: ScriptedResponder = (messages) => {
  const told = messages.findLast((message) => message.type === "human")?.text.split("\n\n")[0] ?? "";
  return told.endsWith("?") ? "Porto" : { tool_calls: [{ name: "Add_memory", args: { content: told } }] };
};

/** Resident set after a tenth of the rollouts and after all of them, recorded to disk, nothing kept. */
async function memory(rollouts: number): Promise<Record<string, number>> {
  const folder = await mkdtemp(join(tmpdir(), "agemem-bench-"));
  const store = await openStore();
  const policy = () => new ScriptedChatModel(new Array(40).fill(storing));
  const resident: number[] = [];
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (const count of [rollouts / 10, rollouts - rollouts / 10]) {
    const options: RolloutOptions = { policy, store, judge: createOfflineJudge(), k: 8, concurrency: 8 };
    const out = join(folder, `run-${resident.length}.jsonl`);
    await streamRollouts(tasksOf(Math.ceil(count / 8)), { ...options, runName: out }, { out });
    collect();
    resident.push(process.memoryUsage().rss / 2 ** 20);
  }
  await store.close();
  await rm(folder, { recursive: true, force: true });
  const [early = 1, late = 0] = resident;
  return { memory_growth: late / early, rss_mb_at_tenth: early, rss_mb_at_end: late };
}

/** Real rows where there are any, generated tasks of the same size otherwise. */
async function offlineRun(file: string | undefined, count: number): Promise<Record<string, unknown>> {
  const rows = file !== undefined && existsSync(file);
  const tasks = await loadTasks(rows ? `hotpotqa:${file}` : `synthetic:${count}:0.75`, { limit: count });
  const store = await openStore();
  const policy: RolloutOptions["policy"] = ({ seed }) => new OfflinePolicy({ seed, temperature: 1 });
  const options: RolloutOptions = { policy, store, judge: createOfflineJudge(), k: 8 };
  const seconds = await timed(() => streamRollouts(tasks, options));
  await store.close();
  return {
    offline_seconds: seconds,
    offline_rollouts: tasks.length * 8,
    offline_tasks: rows ? "hotpotqa" : "synthetic",
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}
