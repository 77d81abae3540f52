/** A served policy under overload: retries, pauses, back-pressure, and what a trainer gets in the end. */
import { getEventListeners } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { createOfflineJudge } from "../../../src/rewards/judges/offline.js";
import {
  type PolicyEndpointOptions,
  policyEndpoint,
  rolloutsFor,
} from "../../../src/rollout/http/endpoint.js";
import { PatientFetch } from "../../../src/rollout/http/patient-fetch.js";
import type { RolloutOptions } from "../../../src/rollout/options.js";
import { streamRollouts } from "../../../src/rollout/runner.js";
import {
  type OpenAIServer,
  type ServerHandler,
  startOpenAIServer,
} from "../../../src/testing/openai-server.js";
import type { Rollout } from "../../../src/trajectory/file.js";
import { memoryStore, personTask } from "../setup.js";

const servers: OpenAIServer[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

async function serve(
  handler: ServerHandler | Parameters<typeof startOpenAIServer>[0],
): Promise<OpenAIServer> {
  const server = await startOpenAIServer(handler);
  servers.push(server);
  return server;
}

const quick = { minDelayMs: 1, maxDelayMs: 5 };
const post = (server: OpenAIServer, patient: PatientFetch, signal?: AbortSignal) =>
  patient.fetch(`${server.url}/chat/completions`, {
    method: "POST",
    body: JSON.stringify({ messages: [] }),
    ...(signal ? { signal } : {}),
  });

describe("PatientFetch", () => {
  it("asks again after 5xx, 408, 429 and a dropped connection, with growing waits and jitter", async () => {
    const server = await serve([
      { status: 503 },
      { status: 500 },
      { status: 408 },
      { status: 429 },
      { fault: "drop" },
      "done",
    ]);
    const draws: number[] = [];
    const random = () => {
      draws.push(draws.length);
      return 0.5;
    };
    const patient = new PatientFetch({ ...quick, minDelayMs: 2, maxDelayMs: 16, random });
    const response = await post(server, patient);
    expect(response.status).toBe(200);
    expect(patient.stats).toMatchObject({ requests: 1, retries: 5, throttled: 1 });
    // Half of 2, 4, 8, 16 and, at the limit, 16.
    expect(patient.stats.waitedMs).toBe(1 + 2 + 4 + 8 + 8);
  });

  it.each([
    [{ status: 400 }, 400],
    [{ status: 401 }, 401],
    [{ status: 429, code: "insufficient_quota" }, 429],
  ])("does not ask again after %j", async (reply, status) => {
    const server = await serve([reply, "never asked"]);
    const patient = new PatientFetch(quick);
    expect((await post(server, patient)).status).toBe(status);
    expect(server.requests).toHaveLength(1);
  });

  it("gives the last failure back when its patience ends", async () => {
    const server = await serve(() => ({ status: 502 }));
    expect((await post(server, new PatientFetch({ ...quick, retries: 2 }))).status).toBe(502);
    expect(server.requests).toHaveLength(3);
    const paused = await serve(() => ({ status: 429, retryAfterSeconds: 3600 }));
    expect((await post(paused, new PatientFetch(quick))).status).toBe(429);
    expect(paused.requests).toHaveLength(1);
  });

  it("holds all requests back for the time the server asks for", async () => {
    let first = true;
    const at: number[] = [];
    const server = await serve(() => {
      at.push(Date.now());
      if (!first) return "ok";
      first = false;
      return { status: 429, retryAfterSeconds: 1 };
    });
    const patient = new PatientFetch({ ...quick, concurrency: 1 });
    const all = await Promise.all([1, 2, 3].map(() => post(server, patient)));
    expect(all.map((response) => response.status)).toEqual([200, 200, 200]);
    expect(at).toHaveLength(4);
    expect(at[1]! - at[0]!).toBeGreaterThanOrEqual(990);
  });

  it("sends fewer requests at once while it is throttled and more again afterwards", async () => {
    let asked = 0;
    const server = await serve(() => (++asked > 8 && asked <= 12 ? { status: 429 } : "ok"));
    let under = 0;
    let most = 0;
    const allowed: number[] = [];
    const send: typeof fetch = async (...given) => {
      allowed.push(patient.concurrency);
      most = Math.max(most, ++under);
      return await fetch(...given).finally(() => under--);
    };
    const patient = new PatientFetch({ ...quick, concurrency: 8, fetch: send });
    await Promise.all(Array.from({ length: 40 }, () => post(server, patient)));
    expect(most).toBe(8);
    expect(Math.min(...allowed)).toBeLessThanOrEqual(4);
    expect(patient.concurrency).toBeGreaterThan(Math.min(...allowed));
  });

  it("fills the slots that answers freed before callers work on any of them", async () => {
    const order: string[] = [];
    const send: typeof fetch = async () => {
      order.push("sent");
      await new Promise((resolve) => setTimeout(resolve, 20));
      return new Response("{}");
    };
    const patient = new PatientFetch({ ...quick, concurrency: 2, fetch: send });
    const call = async () => {
      await patient.fetch("http://127.0.0.1/");
      order.push("worked");
    };
    await Promise.all([call(), call(), call(), call()]);
    expect(order.slice(0, 5)).toEqual(["sent", "sent", "sent", "sent", "worked"]);
  });

  it("stops waiting at the caller's signal, with its reason", async () => {
    const server = await serve(() => ({ status: 429, retryAfterSeconds: 30 }));
    const controller = new AbortController();
    const waiting = post(server, new PatientFetch(quick), controller.signal);
    setTimeout(() => controller.abort(new Error("enough")), 50);
    await expect(waiting).rejects.toThrow("enough");
  });

  it("leaves no listener behind on the signal of a rollout with many requests", async () => {
    const server = await serve(() => "ok");
    const { signal } = new AbortController();
    const patient = new PatientFetch(quick);
    for (let i = 0; i < 12; i++) await (await post(server, patient, signal)).text();
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  it("ends a body that is still coming at the caller's signal", async () => {
    const controller = new AbortController();
    const slow: typeof fetch = async (_, init) =>
      new Response(
        new ReadableStream({
          start: (stream) => init?.signal?.addEventListener("abort", () => stream.error(init.signal?.reason)),
        }),
      );
    const response = await new PatientFetch({ ...quick, fetch: slow }).fetch("http://127.0.0.1/", {
      signal: controller.signal,
    });
    const body = response.text();
    controller.abort(new Error("enough"));
    await expect(body).rejects.toThrow("enough");
  });

  it("ends an attempt that hangs and makes another", async () => {
    const server = await serve([{ fault: "hang" }, "here"]);
    const response = await post(server, new PatientFetch({ ...quick, attemptTimeoutMs: 200 }));
    expect(response.status).toBe(200);
  });
});

describe("rollouts over an endpoint", () => {
  const run = async (
    server: OpenAIServer,
    endpoint: PolicyEndpointOptions,
    more: Partial<RolloutOptions> = {},
  ) => {
    const store = await memoryStore();
    const rollouts: Rollout[] = [];
    const served = policyEndpoint({
      model: "openai:served",
      baseURL: server.url,
      apiKey: "sk-secret-key",
      ...endpoint,
    });
    try {
      await streamRollouts(
        [personTask()],
        { policy: served.policy, store, judge: createOfflineJudge(), k: 2, policyVersion: 7, ...more },
        { onGroup: (group) => void rollouts.push(...group.rollouts) },
      );
    } finally {
      await store.close();
    }
    return { rollouts, stats: served.stats };
  };

  it("come through a server that fails now and then, token for token", async () => {
    let asked = 0;
    const server = await serve(() => (++asked % 3 === 0 ? { status: 503 } : "Porto"));
    const { rollouts, stats } = await run(server, { patience: quick });
    expect(rollouts.map(({ trajectory }) => trajectory.status)).toEqual(["ok", "ok"]);
    expect(stats.retries).toBeGreaterThan(0);
    for (const step of rollouts.flatMap((rollout) => rollout.steps)) {
      expect(step).toMatchObject({ trainable: true, token_source: "server", policy_version: 7 });
      expect(step.sampling).toMatchObject({ temperature: 1, top_p: 1 });
    }
    expect(JSON.stringify(rollouts)).not.toContain("sk-secret-key");
  });

  it("that fail for good say so, with code and status", async () => {
    const server = await serve(() => ({ status: 500, message: "out of memory" }));
    const { rollouts } = await run(server, { patience: { ...quick, retries: 1 } });
    expect(rollouts[0]!.trajectory).toMatchObject({
      status: "error",
      error: { code: "AGEMEM_MODEL_FAILED", message: expect.stringContaining("out of memory") },
    });
  });

  it("end at the rollout's limit, however patient the endpoint", async () => {
    const server = await serve(() => ({ status: 429, retryAfterSeconds: 60 }));
    const { rollouts } = await run(server, {}, { timeoutMs: 500 });
    expect(rollouts.map(({ trajectory }) => trajectory.status)).toEqual(["timeout", "timeout"]);
  });

  it("wait for the endpoint's slots when more are under way than it takes", async () => {
    let under = 0;
    let most = 0;
    const send: typeof fetch = async (...given) => {
      most = Math.max(most, ++under);
      return await fetch(...given).finally(() => under--);
    };
    const patience = { ...quick, concurrency: 2, fetch: send };
    const server = await serve(() => "Porto");
    const { rollouts } = await run(server, { patience }, { k: 6, concurrency: rolloutsFor(4) });
    expect(rollouts.map(({ trajectory }) => trajectory.status)).toEqual(Array(6).fill("ok"));
    expect(most).toBe(2);
  });

  it("pile up no listeners: 64 at once, at a server that fails and throttles, warn of nothing", async () => {
    const warnings: string[] = [];
    const note = ({ name, message }: Error): void => void warnings.push(`${name}: ${message}`);
    process.on("warning", note);
    let asked = 0;
    const server = await serve(() => {
      asked++;
      if (asked % 5 === 0) return { status: 503 };
      return asked % 7 === 0 ? { status: 429, retryAfterSeconds: 0 } : "Porto";
    });
    const { rollouts, stats } = await run(server, { patience: quick }, { k: 64, concurrency: 64 });
    // Warnings are told in the next turn of the loop.
    await new Promise((told) => setTimeout(told, 20));
    process.off("warning", note);
    expect(rollouts.map(({ trajectory }) => trajectory.status)).toEqual(Array(64).fill("ok"));
    expect(stats.retries).toBeGreaterThan(50);
    expect(warnings).toEqual([]);
  }, 60_000);

  it("send a seed of their own when told to", async () => {
    const server = await serve(() => "Porto");
    await run(server, { sendSeed: true });
    const seeds = new Set(server.requests.map((request) => request.body.seed));
    expect(seeds.size).toBe(2);
    expect([...seeds].every((seed) => Number.isInteger(seed))).toBe(true);
  });
});
