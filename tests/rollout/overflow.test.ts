/** A context that the policy's endpoint refuses: what becomes of the rollout, its reward and its vote. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createOfflineJudge } from "../../src/rewards/judges/offline.js";
import { policyEndpoint } from "../../src/rollout/http/endpoint.js";
import type { RolloutOptions } from "../../src/rollout/options.js";
import { runRollouts } from "../../src/rollout/runner.js";
import type { FaissStore } from "../../src/store/faiss-store.js";
import { type OpenAIServer, type ServerHandler, startOpenAIServer } from "../../src/testing/openai-server.js";
import { memoryStore, personTask } from "./setup.js";

let store: FaissStore;
let server: OpenAIServer | undefined;
beforeEach(async () => {
  store = await memoryStore();
});
afterEach(async () => {
  await server?.close();
  await store.close();
});

const refusal = {
  status: 400,
  message: "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.",
};

/** Two rollouts; the server is asked for the model `policy-0` by the first and `policy-1` by the second. */
async function roll(answer: ServerHandler, options: Partial<RolloutOptions> = {}) {
  server = await startOpenAIServer(answer);
  const { url } = server;
  const patience = { minDelayMs: 1, maxDelayMs: 2 };
  const [group] = await runRollouts([personTask()], {
    policy: (rollout) => {
      const model = `openai:policy-${rollout.index}`;
      return policyEndpoint({ model, baseURL: url, apiKey: "none", patience }).policy(rollout);
    },
    judge: createOfflineJudge(),
    store,
    k: 2,
    ...options,
  });
  return group!.rollouts;
}

/** Takes prompts with at most so many words of the policy's own. */
const takes =
  (own: number): ServerHandler =>
  ({ messages = [] }) =>
    messages.filter(({ role }) => role === "assistant").length > own
      ? refusal
      : { content: "", tool_calls: [{ name: "Retrieve_memory", arguments: { query: "Nora" } }] };

describe("a context that the endpoint refuses", () => {
  it.each(["loop", "graph"] as const)("earns the penalty and keeps its vote (%s)", async (driver) => {
    const wall = takes(1);
    const answer: ServerHandler = (request) => (request.model === "policy-0" ? "Porto" : wall(request));
    const [good, refused] = await roll(answer, { driver });
    expect(good!.trajectory).toMatchObject({ status: "ok", error: null });
    expect(good!.trajectory.reward_parts).toMatchObject({ "penalty.tokens": 0 });
    const { trajectory, steps } = refused!;
    expect(trajectory).toMatchObject({
      status: "truncated",
      error: { code: "AGEMEM_MODEL_CONTEXT" },
      episode: { answer: null },
    });
    expect(trajectory.reward_parts).toMatchObject({ "penalty.tokens": -0.5, "penalty.rounds": 0, task: -1 });
    expect(trajectory.reward).toBeLessThan(good!.trajectory.reward!);
    expect(trajectory.advantage).toBeLessThan(0);
    expect(good!.trajectory.advantage).toBeGreaterThan(0);
    const last = steps.findLast((step) => step.call_role === "policy");
    expect(last).toMatchObject({
      error: { code: "AGEMEM_MODEL_CONTEXT" },
      response: null,
      trainable: false,
    });
    expect(trajectory.episode?.rounds[0]).toBeGreaterThan(0);
  });

  it("is an error without a vote where the policy has not said a word: the window is the set-up's", async () => {
    const rollouts = await roll(() => refusal);
    for (const { trajectory } of rollouts) {
      expect(trajectory).toMatchObject({
        status: "error",
        error: { code: "AGEMEM_MODEL_CONTEXT" },
        reward: null,
        advantage: null,
      });
    }
  });

  it("counts also before the policy's first word once it is over T_max", async () => {
    const [{ trajectory }] = (await roll(() => refusal, {
      budget: { maxTokens: 40, responseTokens: 10 },
    })) as [Awaited<ReturnType<typeof roll>>[number]];
    expect(trajectory.status).toBe("truncated");
    expect(trajectory.reward_parts).toMatchObject({ "penalty.tokens": -0.5 });
  });

  it("is not what another refusal is", async () => {
    const [{ trajectory }] = (await roll(() => ({ status: 400, message: "Unknown field" }))) as [
      Awaited<ReturnType<typeof roll>>[number],
    ];
    expect(trajectory).toMatchObject({
      status: "error",
      error: { code: "AGEMEM_MODEL_FAILED" },
      reward: null,
    });
  });
});
