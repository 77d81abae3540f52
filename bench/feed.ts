/**
 * `npm run bench -- feed`: many rollouts of about 1 MB through the rollout service and through the command line: peak memory,
 * disk per rollout, and how long it takes to go on after a `kill -9` near the end. Not in any suite: minutes, and disk.
 *
 * `--rollouts 2000` how many, `--characters 30000` length of a task's passages, `--only service|cli|shared` one part,
 * `--source DIR` another checkout whose command or service is measured, `--legacy` asks its service in one piece, as trainers
 * did before it streamed, `--python PROGRAM` one with httpx and pydantic, `--folder DIR` for everything written (removed
 * at the end).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { readRollouts } from "../src/trajectory/file.js";

const K = 8;
/** Of a rollout: one per passage, one for the question. */
const CALLS = 4;
const HERE = resolve(import.meta.dirname, "..");

interface Setup {
  folder: string;
  source: string;
  python: string;
  rollouts: number;
  tasks: string;
  model: string;
}

type Figures = Record<string, unknown>;

export async function run(args: string[]): Promise<Figures> {
  const { values } = parseArgs({
    args,
    options: {
      rollouts: { type: "string", default: "2000" },
      characters: { type: "string", default: "30000" },
      only: { type: "string", multiple: true },
      source: { type: "string", default: HERE },
      python: { type: "string", default: "python3" },
      legacy: { type: "boolean", default: false },
      folder: { type: "string" },
    },
  });
  const folder = values.folder ?? (await mkdtemp(join(tmpdir(), "agemem-feed-")));
  mkdirSync(folder, { recursive: true });
  const server = spawn(process.execPath, ["--import", "tsx", join(import.meta.dirname, "feed-server.ts")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [url] = (await once(server.stdout, "data")) as [Buffer];
  const rollouts = Number(values.rollouts);
  const tasks = join(folder, "tasks.jsonl");
  writeFileSync(tasks, tasksOf(Math.ceil(rollouts / K), Number(values.characters)));
  const { source, python } = values;
  const setup: Setup = { folder, source, python, rollouts, tasks, model: String(url).trim() };
  const parts: Record<string, () => Promise<Figures>> = {
    service: () => (values.legacy ? legacyService(setup) : service(setup)),
    cli: () => commandLine(setup, values.legacy ? "run.jsonl" : "run/"),
    shared: () => sharedRun(setup),
  };
  const figures: Figures = { rollouts };
  try {
    for (const [name, measure] of Object.entries(parts)) {
      if (!(values.only?.includes(name) ?? name !== "shared")) continue;
      figures[name] = await measure();
      console.error(name, JSON.stringify(figures[name]));
    }
    return figures;
  } finally {
    server.kill();
    if (values.folder === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/** Tasks with two passages and a distractor, all different. */
function tasksOf(count: number, characters: number): string {
  const text = (i: number): string => {
    const sentences: string[] = [];
    for (let length = 0, n = 0; length < characters / 3; n++) {
      sentences.push(
        `Note ${n} of file ${i} says that item ${(n * 7919 + i * 104_729) % 999_983} is in room ${n % 97}.`,
      );
      length += (sentences.at(-1) as string).length + 1;
    }
    return sentences.join(" ");
  };
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify({
      id: `task-${i}`,
      question: `In which city is the office of file ${i}?`,
      answer: "Porto",
      context: [text(3 * i), text(3 * i + 1)],
      distractors: [text(3 * i + 2)],
    }),
  );
  return `${lines.join("\n")}\n`;
}

const REQUEST = { k: K, t_max: 400_000, concurrency: 16, timeout_s: 3600 };

function requestOf({ model }: Setup): string {
  return JSON.stringify({ ...REQUEST, policy: { model: "served", base_url: `${model}/v1` } });
}

/** All tasks through one service, which is killed when nineteen of twenty groups have come. */
async function service(setup: Setup): Promise<Figures> {
  const { folder, tasks, python, rollouts } = setup;
  const out = join(folder, "groups.txt");
  writeFileSync(out, "");
  const served = await startService(setup, "one");
  const client = spawn(
    python,
    [join(import.meta.dirname, "feed-client.py"), tasks, out, requestOf(setup), served.url],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const said = textOf(client);
  const groups = Math.ceil(rollouts / K);
  let disk = 0;
  await until(client, () => {
    disk = Math.max(disk, sizeOf(served.rollouts));
    return linesIn(out).length >= Math.floor(0.95 * groups);
  });
  const before = await served.kill();
  const killed = Date.now();
  await mark(setup);
  const atKill = linesIn(out).length;
  const again = await startService(setup, "one", served.port);
  const restarted = Date.now();
  await until(client, () => {
    disk = Math.max(disk, sizeOf(served.rollouts));
    return linesIn(out).length > atKill;
  });
  const next = Date.now();
  await once(client, "close");
  const after = await again.kill();
  const ids = linesIn(out).map((line) => line.split(" ")[0]);
  const { calls, firstAfterMark } = await told(setup);
  return {
    client: JSON.parse((await said).trim().split("\n").at(-1) ?? "{}"),
    service_peak_mib: Math.max(before, after),
    groups: ids.length,
    distinct_groups: new Set(ids).size,
    groups_at_kill: atKill,
    service_start_s: seconds(restarted - killed),
    next_group_after_start_s: seconds(next - restarted),
    next_call_after_start_s: firstAfterMark === null ? null : seconds(firstAfterMark - restarted),
    calls_per_rollout: calls / rollouts,
    disk_kib_per_rollout: Math.round(disk / rollouts / 1024),
  };
}

/** As trainers asked before the service streamed: one run of the graph, its answer in one piece. */
async function legacyService(setup: Setup): Promise<Figures> {
  const served = await startService(setup, "one");
  const tasks = linesIn(setup.tasks).map((line) => JSON.parse(line) as unknown);
  const request = { ...(JSON.parse(requestOf(setup)) as object), tasks, format: "records" };
  const response = await fetch(`${served.url}/runs/wait`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ assistant_id: "rollout", input: { request } }),
  }).catch((error: unknown) => ({ status: 0, text: async () => String(error) }));
  const text = await response.text().catch((error: unknown) => String(error));
  const peak = await served.kill();
  return {
    status: response.status,
    answer_mib: Math.round(text.length / 2 ** 20),
    begins: text.slice(0, 200),
    service_peak_mib: peak,
  };
}

/** The command, killed when nineteen of twenty groups are in the recording. */
async function commandLine(setup: Setup, name: string): Promise<Figures> {
  const { folder, source, tasks, model, rollouts } = setup;
  const out = join(folder, name);
  const args = [
    "--import",
    "tsx",
    join(source, "src/cli/main.ts"),
    "rollout",
    `jsonl:${tasks}`,
    "--out",
    out,
  ];
  args.push("--k", String(K), "--t-max", String(REQUEST.t_max), "--concurrency", "16", "--timeout", "3600");
  const env = { ...quiet(), OPENAI_BASE_URL: `${model}/v1`, AGEMEM_MODEL: "served" };
  const callsBefore = (await told(setup)).calls;
  const first = spawn(process.execPath, args, { cwd: source, env, stdio: ["ignore", "ignore", "inherit"] });
  const enough = 0.95 * rollouts * CALLS;
  let peak = 0;
  await until(first, async () => {
    peak = Math.max(peak, peakOf(first.pid));
    return (await told(setup)).calls - callsBefore >= enough;
  });
  first.kill("SIGKILL");
  await once(first, "close");
  await mark(setup);
  const restarted = Date.now();
  const second = spawn(process.execPath, args, { cwd: source, env, stdio: ["ignore", "pipe", "inherit"] });
  const said = textOf(second);
  await until(second, () => {
    peak = Math.max(peak, peakOf(second.pid));
    return false;
  });
  const ended = Date.now();
  const { calls, firstAfterMark } = await told(setup);
  return {
    says: (await said).trim(),
    peak_mib: peak,
    next_call_after_restart_s: firstAfterMark === null ? null : seconds(firstAfterMark - restarted),
    rest_s: seconds(ended - restarted),
    calls_per_rollout: (calls - callsBefore) / rollouts,
    bytes_per_rollout: await plainBytes(out),
    disk_kib_per_rollout: Math.round(sizeOf(out) / rollouts / 1024),
  };
}

/** Mean size of the first rollouts of a recording as plain records, one JSON text per line: what "about 1 MB" is. */
async function plainBytes(recording: string): Promise<number> {
  let [bytes, count] = [0, 0];
  for await (const { steps, trajectory } of readRollouts(recording)) {
    for (const record of [...steps, trajectory]) bytes += Buffer.byteLength(JSON.stringify(record)) + 1;
    if (++count === 4 * K) break;
  }
  return Math.round(bytes / count);
}

/** Two trainers and two services: every group once. */
async function sharedRun(setup: Setup): Promise<Figures> {
  const services = await Promise.all(["one", "two"].map((name) => startService(setup, name)));
  const outs = ["a", "b"].map((name) => join(setup.folder, `groups-${name}.txt`));
  const clients = outs.map((out) => {
    writeFileSync(out, "");
    const args = [join(import.meta.dirname, "feed-client.py"), setup.tasks, out, requestOf(setup)];
    args.push(...services.map(({ url }) => url), "--shared");
    return spawn(setup.python, args, { stdio: ["ignore", "pipe", "inherit"] });
  });
  const said = clients.map(textOf);
  await Promise.all(clients.map((client) => once(client, "close")));
  for (const each of services) await each.kill();
  const ids = outs.map((out) => linesIn(out).map((line) => line.split(" ")[0]));
  return {
    groups_per_trainer: ids.map(({ length }) => length),
    distinct_groups: new Set(ids.flat()).size,
    expected: Math.ceil(setup.rollouts / K),
    clients: (await Promise.all(said)).map(
      (text) => JSON.parse(text.trim().split("\n").at(-1) ?? "{}") as unknown,
    ),
  };
}

interface Served {
  url: string;
  port: number;
  rollouts: string;
  /** Kills it with SIGKILL. @returns peak resident set of its largest process in MiB */
  kill: () => Promise<number>;
}

/** `langgraphjs dev` on the graphs of the source, with state of its own. */
async function startService({ folder, source }: Setup, name: string, port?: number): Promise<Served> {
  const home = join(folder, `service-${name}`);
  const rollouts = join(home, "rollouts");
  const [at, http] = [port ?? (await freePort()), "graphs/rollout-http.ts"];
  const path = (file: string): string => `./${relative(home, join(source, file))}`;
  const config = {
    node_version: "20",
    graphs: { rollout: `${path("graphs/rollout.ts")}:graph` },
    ...(existsSync(join(source, http)) ? { http: { app: `${path(http)}:app` } } : {}),
  };
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, "langgraph.json"), JSON.stringify(config));
  const program = join(source, "node_modules/@langchain/langgraph-cli/dist/cli/cli.mjs");
  const flags = [
    "dev",
    "--no-browser",
    "--no-reload",
    "--port",
    String(at),
    "--config",
    join(home, "langgraph.json"),
  ];
  const child = spawn(process.execPath, [program, ...flags], {
    cwd: source,
    env: { ...quiet(), OPENAI_API_KEY: "none", AGEMEM_ROLLOUT_FOLDER: rollouts },
    stdio: "ignore",
    detached: true,
  });
  const url = `http://127.0.0.1:${at}`;
  await until(child, async () => (await fetch(`${url}/ok`).catch(() => undefined))?.ok ?? false);
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, ...familyOf(child.pid).map(peakOf));
  }, 500);
  const kill = async (): Promise<number> => {
    clearInterval(watch);
    peak = Math.max(peak, ...familyOf(child.pid).map(peakOf));
    if (child.pid) process.kill(-child.pid, "SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "close");
    return peak;
  };
  return { url, port: at, rollouts, kill };
}

function quiet(): NodeJS.ProcessEnv {
  return {
    ...process.env,
    LANGSMITH_TRACING: "false",
    LANGGRAPH_CLI_NO_ANALYTICS: "1",
    AGEMEM_EMBEDDINGS: "lexical",
    LOG_LEVEL: "error",
  };
}

/** Asks until it is so, or the process has ended. */
async function until(child: ChildProcess, so: () => boolean | Promise<boolean>): Promise<void> {
  while (child.exitCode === null && child.signalCode === null && !(await so())) {
    await new Promise((wait) => setTimeout(wait, 200));
  }
}

async function told({ model }: Setup): Promise<{ calls: number; firstAfterMark: number | null }> {
  return (await (await fetch(`${model}/calls`)).json()) as { calls: number; firstAfterMark: number | null };
}

async function mark({ model }: Setup): Promise<void> {
  await fetch(`${model}/mark`, { method: "POST" });
}

function linesIn(file: string): string[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "");
}

function textOf(child: ChildProcess): Promise<string> {
  let text = "";
  child.stdout?.on("data", (piece: Buffer) => {
    text += piece;
  });
  return new Promise((done) => child.once("close", () => done(text)));
}

/** VmHWM in MiB; 0 for a process that is gone. */
function peakOf(pid: number | undefined): number {
  const file = `/proc/${pid}/status`;
  if (pid === undefined || !existsSync(file)) return 0;
  try {
    return Math.round(Number(/VmHWM:\s+(\d+)/.exec(readFileSync(file, "utf8"))?.[1] ?? 0) / 1024);
  } catch {
    return 0; // it ended in between
  }
}

/** A process and what it started. */
function familyOf(pid: number | undefined): number[] {
  if (pid === undefined) return [];
  const file = `/proc/${pid}/task/${pid}/children`;
  if (!existsSync(file)) return [pid];
  const children = readFileSync(file, "utf8").trim().split(" ").filter(Boolean).map(Number);
  return [pid, ...children.flatMap(familyOf)];
}

function sizeOf(path: string): number {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found?.isDirectory()) return found?.size ?? 0;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}
