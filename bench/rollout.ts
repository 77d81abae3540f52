/**
 * `npm run bench -- rollout`: how near rollouts come to what the endpoint allows, what recording costs, whether memory
 * stays flat, and 100 tasks x K = 8 with the rules.
 *
 * The endpoint is a test server in a process of its own that answers after 50 ms. "Ideal" is the lower of 64 slots of
 * 50 ms and of what the bare openai client manages with the same requests on this machine; both are reported.
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
import { createAgeMemAgent } from "../src/agent/agent.js";
import { loadTasks } from "../src/benchmarks/tasks/source.js";
import { generateTasks } from "../src/benchmarks/tasks/synthetic.js";
import { LexicalEmbeddings } from "../src/models/lexical-embeddings.js";
import { OfflinePolicy } from "../src/models/offline-policy.js";
import { createOfflineJudge } from "../src/rewards/judges/offline.js";
import { policyEndpoint } from "../src/rollout/endpoint.js";
import { groupIdentities } from "../src/rollout/group.js";
import { type RolloutOptions, rolloutSettings } from "../src/rollout/options.js";
import { streamRollouts } from "../src/rollout/runner.js";
import { runStages } from "../src/rollout/stages.js";
import { FaissStore } from "../src/store/faiss-store.js";
import { ScriptedChatModel, type ScriptedResponder } from "../src/testing/scripted-model.js";
import { createToolkit } from "../src/tools/toolkit.js";
import { TrajectoryRecorder } from "../src/trajectory/recorder.js";

const SLOTS = 64;
const DELAY_S = 0.05;

export async function run(args: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args,
    options: { json: { type: "boolean" }, quick: { type: "boolean" }, hotpotqa: { type: "string" } },
  });
  const scale = values.quick ? 0.1 : 1;
  const server = await startServer();
  try {
    return {
      ...(await throughput(server.url, Math.ceil(32 * scale))),
      ...(await recorderCost(server.url, Math.ceil(256 * scale))),
      ...(await memory(Math.ceil(2000 * scale))),
      ...(await offlineRun(values.hotpotqa, Math.ceil(100 * scale))),
    };
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

const openStore = () =>
  FaissStore.open(":memory:", { index: { embeddings: new LexicalEmbeddings(), fields: ["content"] } });

const tasksOf = (count: number) => generateTasks({ count, seed: "bench", difficulty: 0.25 });

/** Calls per second of whole rollouts against what the endpoint allows. */
async function throughput(baseURL: string, tasks: number): Promise<Record<string, number>> {
  const bodies: string[] = [];
  const noting: typeof fetch = (input, init) => {
    if (bodies.length < 2000) bodies.push(String(init?.body));
    return fetch(input, init);
  };
  const patience = { concurrency: SLOTS, fetch: noting };
  const { policy, stats } = policyEndpoint({ model: "openai:bench", baseURL, patience });
  const store = await openStore();
  const options: RolloutOptions = { policy, store, judge: createOfflineJudge(), k: 8, concurrency: SLOTS };
  await streamRollouts(tasksOf(4), { ...options, seed: "warm" });
  const before = stats.requests;
  const seconds = await timed(() => streamRollouts(tasksOf(tasks), options));
  await store.close();
  const rate = (stats.requests - before) / seconds;
  const client = await bareClient(baseURL, bodies);
  const slots = SLOTS / DELAY_S;
  return {
    throughput_vs_ideal: rate / Math.min(slots, client),
    calls_per_s: rate,
    ideal_slots_calls_per_s: slots,
    ideal_client_calls_per_s: client,
  };
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
  const limit = pLimit(SLOTS);
  const one = async (
    task: ReturnType<typeof tasksOf>[number],
    identity: ReturnType<typeof groupIdentities>[number],
  ) => {
    const fork = await store.fork(identity.rolloutId);
    const shared = { store: fork, budget: settings.budget, topK: 3, counter: settings.counter };
    const agent = createAgeMemAgent({ ...shared, model: policy(identity), overflow: "record" });
    const recorder = new TrajectoryRecorder({ counter: settings.counter });
    const callbacks = mode === "with" ? [recorder] : [];
    const { signal } = new AbortController();
    await runStages({ agent, kit: createToolkit(shared), task, identity, settings, callbacks, signal });
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
