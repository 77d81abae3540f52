/**
 * The rollout graph over `langgraphjs dev`, driven by the SDK as two trainers do. Starts a server, which takes a while:
 * `npm run test:deployed`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Client } from "@langchain/langgraph-sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RolloutGroupOutput } from "../../../src/rollout/service/group-output.js";
import { type OpenAIServer, startOpenAIServer } from "../../../src/testing/openai-server.js";
import { freePort } from "../../support/free-port.js";
import { personTask } from "../setup.js";

const ROOT = resolve(import.meta.dirname, "../../..");
const tasks = [0, 1].map((i) => {
  const { goldFacts, ...task } = personTask(i);
  return { ...task, gold_facts: goldFacts };
});

describe.skipIf(!process.env.AGEMEM_TEST_DEPLOYED)("the deployed rollout graph", () => {
  let child: ChildProcess;
  let client: Client;
  let folder: string;
  let model: OpenAIServer;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "agemem-deployed-"));
    model = await startOpenAIServer(() => "Porto");
    const port = await freePort();
    const program = join(ROOT, "node_modules/@langchain/langgraph-cli/dist/cli/cli.mjs");
    const args = [
      "dev",
      "--no-browser",
      "--no-reload",
      "--port",
      String(port),
      "--config",
      join(ROOT, "langgraph.rollout.json"),
    ];
    child = spawn(process.execPath, [program, ...args], {
      cwd: ROOT,
      env: { ...process.env, LANGSMITH_TRACING: "false", AGEMEM_EMBEDDINGS: "lexical" },
      stdio: "ignore",
      detached: true,
    });
    client = new Client({ apiUrl: `http://127.0.0.1:${port}` });
    for (let tries = 0; ; tries++) {
      const found = await client.assistants.search({ graphId: "rollout" }).catch(() => []);
      if (found.length > 0) break;
      if (tries > 240) throw new Error("the server did not start");
      await new Promise((wait) => setTimeout(wait, 500));
    }
  }, 150_000);

  afterAll(async () => {
    // The server has children of its own.
    if (child.pid) process.kill(-child.pid, "SIGTERM");
    await model.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("serves two trainers at once, each with the groups of its own weights, and streams progress", async () => {
    const train = async (version: number) => {
      const policy = { model: "served", base_url: model.url };
      const request = { tasks, k: 2, policy, policy_version: version, format: "trl" };
      const progress: number[] = [];
      let state: { groups?: RolloutGroupOutput[] } = {};
      const events = client.runs.stream(null, "rollout", {
        input: { request },
        streamMode: ["custom", "values"],
      });
      for await (const { event, data } of events) {
        const { done } = (data ?? {}) as { done?: number };
        if (event === "custom" && done !== undefined) progress.push(done);
        if (event === "values") state = data as typeof state;
        if (event === "error") throw new Error(JSON.stringify(data));
      }
      return { progress, groups: state.groups ?? [] };
    };
    const [one, two] = await Promise.all([train(1), train(2)]);
    for (const [i, { progress, groups }] of [one, two].entries()) {
      expect(progress).toEqual([1, 2, 3, 4]);
      expect(groups.map((group) => group.task_id)).toEqual(["person-0", "person-1"]);
      const rows = groups.flatMap((group) => group.samples) as { model_version: number }[];
      expect(rows).toHaveLength(12);
      expect(rows.every((row) => row.model_version === i + 1)).toBe(true);
    }
    expect(one.groups[0]!.group_id).not.toBe(two.groups[0]!.group_id);
  }, 120_000);

  it("answers a wrong request with its code", async () => {
    const run = client.runs.wait(null, "rollout", { input: { request: { tasks: [] } } });
    await expect(run).rejects.toThrow(/InputError.*AGEMEM_INPUT_ARGUMENT: tasks: .* See docs\/rollouts\.md/);
  }, 60_000);
});
