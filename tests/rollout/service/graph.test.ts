/** The rollout graph: a trainer's request in, scored groups and progress out. */
import { afterEach, describe, expect, it } from "vitest";
import type { z } from "zod";
import { createRolloutGraph } from "../../../src/rollout/service/graph.js";
import type { RolloutGroupOutput } from "../../../src/rollout/service/group-output.js";
import type { rolloutRequest } from "../../../src/rollout/service/request.js";
import { type OpenAIServer, startOpenAIServer } from "../../../src/testing/openai-server.js";
import { parseRecord } from "../../../src/trajectory/file.js";
import { memoryStore, personTask } from "../setup.js";

const servers: OpenAIServer[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

const graph = createRolloutGraph({ openStore: memoryStore });
type Request = z.input<typeof rolloutRequest>;

const tasks = [0, 1].map((i) => {
  const { goldFacts, ...task } = personTask(i);
  return { ...task, gold_facts: goldFacts };
});

const invoke = (request: Request) =>
  graph.invoke({ request }) as Promise<{ groups: RolloutGroupOutput[]; summary: unknown }>;

describe("the rollout graph", () => {
  it("gives scored groups of valid records, the same for the same request", async () => {
    const request: Request = { tasks, k: 3, seed: 5 };
    const { groups, summary } = await invoke(request);
    expect(groups.map((group) => group.task_id)).toEqual(["person-0", "person-1"]);
    expect(summary).toMatchObject({ rollouts: 6, failed: 0, mean_reward: expect.any(Number) });
    for (const group of groups) {
      expect(group.rewards).toHaveLength(3);
      expect(Math.abs(group.advantages.reduce<number>((sum, a) => sum + (a ?? 0), 0))).toBeLessThan(1e-9);
      const records = group.samples.map((sample, i) => parseRecord(sample, `sample ${i}`));
      expect(records.filter((record) => record.kind === "trajectory")).toHaveLength(3);
    }
    const again = await invoke(request);
    expect(again.groups.map(({ rewards, group_id }) => [rewards, group_id])).toEqual(
      groups.map(({ rewards, group_id }) => [rewards, group_id]),
    );
    const next = await invoke({ ...request, policy_version: 1 });
    expect(next.groups[0]!.group_id).not.toBe(groups[0]!.group_id);
  });

  it("tells progress while it runs", async () => {
    const events: { event: string; done?: number }[] = [];
    for await (const event of await graph.stream(
      { request: { tasks, k: 2 } satisfies Request },
      { streamMode: "custom" },
    )) {
      events.push(event as { event: string });
    }
    const done = events.filter(({ event }) => event === "agemem.progress").map((event) => event.done);
    expect(done).toEqual([1, 2, 3, 4]);
    expect(events.filter(({ event }) => event === "agemem.group")).toHaveLength(2);
  });

  it("gives rows for a trainer, with the policy version of the request", async () => {
    const server = await startOpenAIServer(() => "Porto");
    servers.push(server);
    const policy = { model: "served", base_url: server.url, top_p: 0.9, body: { top_k: 5 } };
    const { groups } = await invoke({ tasks, k: 2, policy, policy_version: 4, format: "trl" });
    const rows = groups.flatMap((group) => group.samples) as Record<string, unknown>[];
    expect(rows).toHaveLength(12);
    expect(rows.every((row) => row.model_version === 4)).toBe(true);
    expect(server.requests[0]!.body).toMatchObject({ model: "served", top_p: 0.9, top_k: 5 });
    const { groups: ruled } = await invoke({ tasks, k: 2, format: "trl" });
    expect(ruled[0]).toMatchObject({
      samples: [],
      refused: { "no token ids from the server": expect.any(Number) },
    });
  });

  it("shows the policy the prompt, tools and budget of the request, and keeps what is said of its server", async () => {
    const server = await startOpenAIServer(() => "Porto");
    servers.push(server);
    const engine = { name: "tiny", logprobs_mode: "processed_logprobs" };
    const policy = { model: "served", base_url: server.url };
    const small: Partial<Request> = { prompt: "minimal", t_max: 1024, top_k: 1, summarizer: "offline" };
    const [task] = tasks;
    const { groups } = await invoke({
      tasks: [task!],
      k: 1,
      policy,
      engine,
      operations: ["RETRIEVE", "FILTER"],
      ...small,
    });
    const { tools, messages } = server.requests[0]!.body as unknown as {
      tools: { function: { name: string } }[];
      messages: { content: string }[];
    };
    expect(tools.map((tool) => tool.function.name)).toEqual(["Retrieve_memory", "Filter_context"]);
    expect(messages[0]!.content).toMatch(/Manage your memory with the tools[\s\S]*of 1024 tokens used/);
    expect(messages[0]!.content.length).toBeLessThan(200);
    const records = groups[0]!.samples.map((sample, i) => parseRecord(sample, `sample ${i}`));
    const step = records.find((record) => record.kind === "step");
    const trajectory = records.find((record) => record.kind === "trajectory");
    expect(step?.engine).toEqual({ ...engine, version: null });
    expect(trajectory?.episode?.t_max).toBe(1024);
    await invoke({ tasks: [task!], k: 1, policy, operations: [] });
    expect(server.requests.at(-1)!.body).not.toHaveProperty("tools");
  });

  it("lets a plain reply end its message, and a message take several calls, where the request says so", async () => {
    const server = await startOpenAIServer(() => "Noted.");
    servers.push(server);
    const request: Request = {
      tasks: tasks.slice(0, 1),
      k: 1,
      policy: { model: "served", base_url: server.url },
    };
    const counted = async (more: Partial<Request>): Promise<number> => {
      const { groups } = await invoke({ ...request, ...more });
      return groups[0]!.samples.length;
    };
    // One call per stage and the trajectory; else one per passage, of which there are two and three.
    expect(await counted({})).toBe(4);
    expect(await counted({ early_answer: "message", message_rounds: 2 })).toBe(7);
  });

  it("ends a run whose answer would be too large, naming the way out", async () => {
    const small = createRolloutGraph({ openStore: memoryStore, maxAnswer: 10_000 });
    await expect(small.invoke({ request: { tasks, k: 2 } })).rejects.toMatchObject({
      code: "AGEMEM_ROLLOUTS_SIZE",
      message: expect.stringContaining("POST /rollouts"),
    });
  });

  it("keeps a failing endpoint's rollouts in their group", async () => {
    const server = await startOpenAIServer(() => ({ status: 400, message: "no such model" }));
    servers.push(server);
    const policy = { model: "served", base_url: server.url };
    const { groups, summary } = await invoke({ tasks, k: 2, policy });
    expect(summary).toEqual({ rollouts: 4, failed: 4, mean_reward: null });
    expect(groups[0]).toMatchObject({ statuses: ["error", "error"], rewards: [null, null] });
  });

  it.each([
    [{ tasks: [] }, "tasks"],
    [{ tasks, k: 0 }, "k"],
    [{ tasks: [{ ...tasks[0], question: "" }] }, "tasks.0.question"],
    [{ tasks, policy: { model: "m", api_key: "sk-1" } }, "policy"],
    [{ tasks, format: "csv" }, "format"],
    [{ tasks: [tasks[0], tasks[0]] }, "tasks.1.id"],
    [{ tasks: [{ ...tasks[0], id: "x".repeat(513) }] }, "tasks.0.id"],
    [{ tasks, k: 1e9 }, "k"],
    [{ tasks, concurrency: 1e9 }, "concurrency"],
    [{ tasks, early_answer: "never" }, "early_answer"],
    [{ tasks, message_rounds: 0 }, "message_rounds"],
  ])("names what is wrong in the request: %#", async (request, field) => {
    await expect(graph.invoke({ request: request as Request })).rejects.toMatchObject({
      code: "AGEMEM_INPUT_ARGUMENT",
      details: { field },
    });
  });
});
