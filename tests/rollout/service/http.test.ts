/** The streaming rollout service: bounded, resumable, one reader per group; over HTTP as LangGraph's server serves it. */
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serve } from "@hono/node-server";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createRolloutService, type RolloutService } from "../../../src/rollout/service/http.js";
import { ROLLOUTS_PROTOCOL } from "../../../src/rollout/service/protocol.js";
import { type OpenAIServer, startOpenAIServer } from "../../../src/testing/openai-server.js";
import { parseRecord } from "../../../src/trajectory/file.js";
import { memoryStore, personTask } from "../setup.js";

type Json = Record<string, unknown>;

const tasks = Array.from({ length: 6 }, (_, i) => {
  const { goldFacts, ...task } = personTask(i);
  return { ...task, gold_facts: goldFacts };
});
const request = { tasks, k: 2, seed: 5 };

let folder: string;
let service: RolloutService;
let server: Server;
let url: string;
let model: OpenAIServer | undefined;

async function start(limits: Parameters<typeof createRolloutService>[0]["limits"] = {}): Promise<void> {
  service = createRolloutService({
    openStore: memoryStore,
    folder,
    embeddings: "lexical",
    limits: { aliveMs: 200, ...limits },
  });
  server = serve({ fetch: service.fetch, port: 0, hostname: "127.0.0.1" }) as Server;
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function stop(): Promise<void> {
  server.closeAllConnections();
  server.close();
  await service.close();
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agemem-service-"));
  await start();
});
afterEach(async () => {
  await stop();
  await model?.close();
  model = undefined;
  await rm(folder, { recursive: true, force: true });
});

const post = (path: string, body: unknown, signal?: AbortSignal) =>
  fetch(`${url}/rollouts${path}`, {
    method: "POST",
    body:
      typeof body === "string" ? body : JSON.stringify({ protocol: ROLLOUTS_PROTOCOL, ...(body as Json) }),
    ...(signal ? { signal } : {}),
  });
const open = (more: Json = {}, signal?: AbortSignal) =>
  post("", { request_id: "one", reader: "r1", request, ...more }, signal);
const acknowledge = (groups: string[], id = "one") => post("/acknowledge", { request_id: id, groups });

async function* linesOf(response: Response): AsyncGenerator<Json> {
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  let text = "";
  const decoder = new TextDecoder();
  for await (const piece of response.body!) {
    text += decoder.decode(piece as Uint8Array, { stream: true });
    const lines = text.split("\n");
    text = lines.pop() as string;
    for (const line of lines) yield JSON.parse(line) as Json;
  }
}

/** Reads groups, acknowledging each, until the end or so many; samples by group. */
async function read(
  response: Response,
  most = Number.POSITIVE_INFINITY,
  id = "one",
): Promise<Map<string, Json[]>> {
  const groups = new Map<string, Json[]>();
  const samples = new Map<string, Json[]>();
  for await (const line of linesOf(response)) {
    const group = line.group_id as string;
    if (line.event === "error") throw new Error(JSON.stringify(line));
    if (line.event === "sample") samples.set(group, [...(samples.get(group) ?? []), line.sample as Json]);
    if (line.event !== "group") continue;
    expect(samples.get(group)).toHaveLength(line.samples as number);
    expect(groups.has(group), `${group} came twice`).toBe(false);
    groups.set(group, samples.get(group) as Json[]);
    samples.delete(group);
    await acknowledge([group], id);
    if (groups.size === most) break;
  }
  return groups;
}

const ran = async (): Promise<number> => {
  const paths = await readFile(join(folder, "one", "request.json"), "utf8");
  return JSON.parse(paths).tasks as number;
};

describe("a request", () => {
  it("gets its groups one by one, as valid records, and then the end", async () => {
    const events: Json[] = [];
    const records: unknown[] = [];
    for await (const line of linesOf(await open({ ordered: true }))) {
      if (line.event === "sample") records.push(line.sample);
      else events.push(line);
      if (line.event === "group") await acknowledge([line.group_id as string]);
    }
    const groups = events.filter(({ event }) => event === "group");
    expect(events[0]).toMatchObject({
      event: "open",
      protocol: ROLLOUTS_PROTOCOL,
      groups: 6,
      acknowledged: 0,
    });
    expect(groups.map((group) => group.task_id)).toEqual(tasks.map(({ id }) => id));
    expect(groups.every((group) => (group.rewards as unknown[]).length === 2)).toBe(true);
    expect(events.at(-1)).toMatchObject({ event: "end", done: 12, total: 12, failed: 0 });
    const kinds = records.map((record, i) => parseRecord(record, `${i}`).kind);
    expect(kinds.filter((kind) => kind === "trajectory")).toHaveLength(12);
    expect(await ran()).toBe(6);
    // What was acknowledged does not come again, but for a reader that asks for it; and no rollout runs again.
    expect((await read(await open())).size).toBe(0);
    const again = await read(await open({ reader: "r2", again: true }));
    expect([...again.values()].flat()).toHaveLength(records.length);
    expect(
      [...again.values()]
        .flat()
        .map((each) => each.ts)
        .sort(),
    ).toEqual((records as Json[]).map((each) => each.ts).sort());
    expect((await post("/close", { request_id: "one" })).status).toBe(200);
    await expect(readFile(join(folder, "one", "request.json"))).rejects.toThrow("ENOENT");
  });

  it("begins no new work while its reader does not acknowledge, and goes on when it does", async () => {
    model = await startOpenAIServer(() => "Porto");
    const policy = { model: "served", base_url: model.url };
    const response = await open({ request: { ...request, policy }, window: 2, ahead: 2 });
    const lines = linesOf(response);
    const seen: string[] = [];
    let events: Json[] = [];
    for (const enough = Date.now() + 20_000; Date.now() < enough; ) {
      const { value } = await lines.next();
      events.push(value);
      if (value.event === "group") seen.push(value.group_id);
      // Two groups have come; half a second of "alive" after them says that nothing else does.
      if (seen.length === 2 && events.slice(-4).every(({ event }) => event === "alive")) break;
    }
    expect(seen).toHaveLength(2);
    // Two groups of two rollouts of three stages.
    expect(model.requests).toHaveLength(12);
    expect(events.at(-1)).toMatchObject({ event: "alive", done: 4 });
    expect(await (await acknowledge([seen[0] as string])).json()).toEqual({ held: 2, acknowledged: 1 });
    events = [];
    for await (const line of lines) {
      if (line.event !== "group") continue;
      events.push(line);
      break;
    }
    expect(events).toHaveLength(1);
    expect(model.requests.length).toBeLessThanOrEqual(18);
  }, 40_000);

  it("goes on after a dropped connection with what was not acknowledged, and runs nothing again", async () => {
    model = await startOpenAIServer(() => "Porto");
    const policy = { model: "served", base_url: model.url };
    const asked = { request: { ...request, policy }, window: 3 };
    const first = new AbortController();
    const got = await read(await open(asked, first.signal), 2);
    first.abort();
    const rest = await read(await open(asked));
    expect(rest.size).toBe(4);
    expect(new Set([...got.keys(), ...rest.keys()]).size).toBe(6);
    expect(model.requests).toHaveLength(6 * 2 * 3);
  }, 40_000);

  it("goes on in another process, from the folder", async () => {
    model = await startOpenAIServer(() => "Porto");
    const policy = { model: "served", base_url: model.url };
    const asked = { request: { ...request, policy }, window: 2, ahead: 1 };
    const got = await read(await open(asked), 3);
    await stop();
    const before = model.requests.length;
    await start();
    const rest = await read(await open(asked));
    expect(new Set([...got.keys(), ...rest.keys()]).size).toBe(6);
    // One group had been finished and not acknowledged: it was not rolled out again.
    expect(before).toBeGreaterThan(18);
    const after = model.requests.length;
    expect(after).toBeLessThanOrEqual(36 + 12);
    // Where the folder is lost, groups that the reader names are not rolled out again either.
    await stop();
    await rm(folder, { recursive: true });
    await start();
    const named = [...got.keys(), ...rest.keys()].slice(0, 5);
    const lost = await read(await open({ ...asked, acknowledged: named }));
    expect([...lost.keys()]).toEqual([...got.keys(), ...rest.keys()].slice(5));
    expect(model.requests.length - after).toBe(6);
  }, 60_000);

  it("is shared by its readers, each group going to one of them", async () => {
    const [one, two] = await Promise.all([
      open({ reader: "r1", ahead: 1 }).then((response) => read(response)),
      open({ reader: "r2", ahead: 1 }).then((response) => read(response)),
    ]);
    expect(one.size + two.size).toBe(6);
    expect(new Set([...one.keys(), ...two.keys()]).size).toBe(6);
  });

  it("that is shared frees the disk with its last reader, and gives a late one the end, not its groups again", async () => {
    await stop();
    await start({ leaseMs: 300 });
    model = await startOpenAIServer(() => "Porto");
    const asked = { request: { ...request, policy: { model: "served", base_url: model.url } } };
    const finished = async () => {
      const response = await post("/close", { request_id: "one", finished: true });
      return ((await response.json()) as { closed: string | null }).closed;
    };
    expect(await finished()).toBe(null);
    const readers = ["r1", "r2"].map(async (reader) => {
      const { size } = await read(await open({ ...asked, reader, ahead: 1 }), reader === "r1" ? 1 : 99);
      return { size, closed: await finished() };
    });
    const [one, two] = await Promise.all(readers);
    expect(one, "there is more to read").toEqual({ size: 1, closed: null });
    expect(two).toEqual({ size: 5, closed: "one" });
    expect((await readdir(join(folder, "one"))).sort()).toEqual(["acknowledged.jsonl", "request.json"]);
    const calls = model.requests.length;
    for (const restart of [false, true]) {
      if (restart) {
        await stop();
        await start();
      }
      expect((await read(await open({ ...asked, reader: "late" }))).size).toBe(0);
    }
    expect(model.requests).toHaveLength(calls);
  }, 40_000);

  it("gives a lost reader's groups to another one, after the lease", async () => {
    await stop();
    await start({ leaseMs: 300 });
    const first = new AbortController();
    const lines = linesOf(await open({ reader: "lost", ahead: 9 }, first.signal));
    for await (const line of lines) if (line.event === "group") break;
    first.abort();
    expect((await read(await open({ reader: "r2" }))).size).toBe(6);
  });
});

describe("what is refused", () => {
  const codes: [string, unknown, number, string][] = [
    ["another protocol", { protocol: "agemem.rollouts/9" }, 400, "AGEMEM_ROLLOUTS_PROTOCOL"],
    ["no protocol", "{}", 400, "AGEMEM_ROLLOUTS_PROTOCOL"],
    ["no JSON", "{", 400, "AGEMEM_INPUT_ARGUMENT"],
    ["an id that is a path", { request_id: "../x", reader: "r", request }, 400, "AGEMEM_INPUT_ARGUMENT"],
    ["no reader", { request_id: "x", request }, 400, "AGEMEM_INPUT_ARGUMENT"],
    ["an unknown field", { request_id: "x", reader: "r", request, more: 1 }, 400, "AGEMEM_INPUT_ARGUMENT"],
    ["a window of none", { request_id: "x", reader: "r", request, window: 0 }, 400, "AGEMEM_INPUT_ARGUMENT"],
    ["a request without tasks", { request_id: "x", reader: "r", request: {} }, 400, "AGEMEM_INPUT_ARGUMENT"],
    ["no request", { request_id: "x", reader: "r" }, 400, "AGEMEM_INPUT_ARGUMENT"],
    [
      "ids of other groups",
      { request_id: "x", reader: "r", request, acknowledged: ["nope"] },
      400,
      "AGEMEM_INPUT_ARGUMENT",
    ],
  ];
  it.each(codes)("%s", async (_, body, status, code) => {
    const response = await post("", body);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ code, remedy: expect.stringMatching(/\.$/) });
  });

  it("acknowledging what is not open, and groups that are none", async () => {
    expect((await acknowledge(["g1"], "nobody")).status).toBe(404);
    const controller = new AbortController();
    await open({}, controller.signal);
    expect((await acknowledge(["g1"])).status).toBe(400);
    controller.abort();
  });

  it("other settings under the same id, open or not; another place of the policy is none", async () => {
    await read(await open());
    for (const change of [{ seed: 6 }, { tasks: tasks.slice(1) }, { t_max: 4096 }, { policy_version: 3 }]) {
      const response = await open({ request: { ...request, ...change } });
      expect(response.status).toBe(409);
      expect(await response.json()).toMatchObject({ code: "AGEMEM_RECORDING_SETTINGS" });
    }
    await stop();
    await start();
    const response = await open({ request: { ...request, t_max: 4096 } });
    expect(await response.json()).toMatchObject({
      code: "AGEMEM_RECORDING_SETTINGS",
      message: expect.stringMatching(/t_max not given, now 4096/),
    });
    expect((await open({ request: { ...request, concurrency: 2, format: "chat" } })).status).toBe(200);
  });

  it("a body that is too large, and more requests than it takes", async () => {
    await stop();
    await start({ requestBytes: 20_000, requests: 1 });
    const large = await post("", { request_id: "x", reader: "r".repeat(30_000), request });
    expect([large.status, await large.json()]).toMatchObject([413, { code: "AGEMEM_ROLLOUTS_SIZE" }]);
    const controller = new AbortController();
    expect((await open({}, controller.signal)).status).toBe(200);
    const second = await open({ request_id: "two" });
    expect([second.status, second.headers.get("retry-after")]).toEqual([429, "5"]);
    expect(await second.json()).toMatchObject({ code: "AGEMEM_ROLLOUTS_BUSY" });
    controller.abort();
    // A request that nobody reads makes room, and goes on later.
    await expect
      .poll(async () => (await open({ request_id: "two" }, AbortSignal.timeout(2000))).status)
      .toBe(200);
  });

  it("everything again, while another reader reads", async () => {
    const controller = new AbortController();
    await open({ reader: "r1" }, controller.signal);
    const response = await open({ reader: "r2", again: true });
    expect(response.status).toBe(429);
    controller.abort();
  });
});
