/** Agent Lightning and Trinity over servers that keep what they are told. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createOfflineJudge } from "../../src/rewards/judges/offline.js";
import { agentLightning } from "../../src/rollout/adapters/agent-lightning.js";
import { trinityProxy } from "../../src/rollout/adapters/trinity.js";
import { policyEndpoint } from "../../src/rollout/http/endpoint.js";
import { runRollouts, streamRollouts } from "../../src/rollout/runner.js";
import { startOpenAIServer } from "../../src/testing/openai-server.js";
import { memoryStore, personTask } from "./setup.js";

interface Told {
  path: string;
  body: Record<string, unknown>;
  key: string | undefined;
}

const closing: (() => Promise<unknown>)[] = [];
afterEach(() => Promise.all(closing.splice(0).map((close) => close())));

/** A server that answers with the next status, 200 when there is none, and keeps the bodies. */
async function listener(statuses: number[] = []): Promise<{ url: string; told: Told[] }> {
  const told: Told[] = [];
  const server: Server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk) => {
      text += chunk;
    });
    request.on("end", () => {
      told.push({ path: request.url ?? "", body: JSON.parse(text), key: request.headers.authorization });
      response.writeHead(statuses.shift() ?? 200).end("{}");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => new Promise((resolve) => server.close(resolve)));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, told };
}

async function gateway(...replies: Parameters<typeof startOpenAIServer>) {
  const server = await startOpenAIServer(...replies);
  closing.push(() => server.close());
  return server;
}

const quick = { minDelayMs: 1, maxDelayMs: 5 };

describe("Agent Lightning", () => {
  it("runs one rollout through the gateway, waits out its pause and reports the reward once", async () => {
    let asked = 0;
    const server = await gateway(() => (++asked === 1 ? { status: 429, retryAfterSeconds: 0.2 } : "Porto"));
    const { url, told } = await listener([503]);
    const lightning = agentLightning(
      { AGL_OPENAI_BASE_URL: server.url, AGL_EVENT_URL: `${url}/events`, AGL_KEY: "agl-key" },
      quick,
    );
    const store = await memoryStore();
    const { policy } = policyEndpoint(lightning.endpoint);
    const [group] = await runRollouts([personTask()], { policy, store, judge: createOfflineJudge(), k: 1 });
    await store.close();
    const { trajectory } = group!.rollouts[0]!;
    expect(await lightning.report(trajectory)).toBe(true);
    expect(server.requests[0]!.headers.authorization).toBe("Bearer agl-key");
    expect(server.requests[0]!.body.stream).not.toBe(true);
    expect(told).toHaveLength(2);
    expect(told[1]).toMatchObject({
      path: "/events",
      key: "Bearer agl-key",
      body: { event_type: "reward", data: { value: trajectory.reward, source: "agemem" } },
    });
    expect(await lightning.report({ rollout_id: "r", reward: null })).toBe(false);
    expect(told).toHaveLength(2);
  });

  it("says which variable is missing", () => {
    expect(() => agentLightning({ AGL_OPENAI_BASE_URL: "http://127.0.0.1:1/v1" })).toThrow(/AGL_EVENT_URL/);
  });
});

describe("the Trinity proxy", () => {
  it("gets each rollout's reward for its calls, and one commit per whole group", async () => {
    const server = await gateway(() => "Porto");
    const { url, told } = await listener();
    const report = trinityProxy(`${url}/`, quick);
    const store = await memoryStore();
    const { policy } = policyEndpoint({ model: "openai:m", baseURL: server.url });
    const ids: string[][] = [];
    await streamRollouts(
      [0, 1].map(personTask),
      {
        store,
        judge: createOfflineJudge(),
        k: 3,
        policy: (rollout) => {
          if (rollout.index === 2 && rollout.taskId === "person-1") throw new Error("no policy");
          return policy(rollout);
        },
      },
      {
        onGroup: async (group) => {
          ids.push(group.rollouts.flatMap(({ steps }) => steps.map((step) => step.response_id ?? "")));
          expect(await report(group)).toEqual(
            group.taskId === "person-1" ? { reported: 2, left: 1 } : { reported: 3, left: 0 },
          );
        },
      },
    );
    await store.close();
    const paths = told.map(({ path }) => path).join(" ");
    expect(paths.replaceAll("/feedback", "f").replaceAll("/commit", "c")).toMatch(
      /^(f f f c f f c|f f c f f f c)$/,
    );
    // No group is split over two commits.
    const tasks = told.map(({ body }) => body.task_id ?? "commit").join(" ");
    expect(tasks.split(" commit").map((part) => new Set(part.trim().split(" ")).size)).toEqual([1, 1, 1]);
    const feedback = told
      .filter(({ path }) => path === "/feedback")
      .flatMap(({ body }) => body.msg_ids as string[]);
    expect(feedback.sort()).toEqual(ids.flat().sort());
    expect(told[0]!.body).toMatchObject({ reward: expect.any(Number), run_id: expect.any(Number) });
  });

  it("fails with the status when the proxy refuses", async () => {
    const { url } = await listener([400]);
    const group = {
      taskId: "t",
      rollouts: [{ trajectory: { reward: 1 }, steps: [{ call_role: "policy", response_id: "a" }] }],
    };
    await expect(trinityProxy(url, quick)(group as never)).rejects.toMatchObject({
      code: "AGEMEM_MODEL_FAILED",
      details: { status: 400 },
    });
  });
});
