/** A policy server that does what servers do at their worst: what each of it becomes in the records of the service. */
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createRolloutGraph } from "../../../src/rollout/service/graph.js";
import type { RolloutGroupOutput } from "../../../src/rollout/service/group-output.js";
import { completionBody, type WireReply, type WireRequest } from "../../../src/testing/openai-wire.js";
import { parseRecord } from "../../../src/trajectory/file.js";
import { memoryStore, personTask } from "../setup.js";

type Answer = (call: number, request: WireRequest, response: ServerResponse) => WireReply | undefined;

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** Two rollouts of one task; `answer` gives a reply, or does something else to the connection. */
async function roll(answer: Answer, version = (_call: number): number => 3) {
  let calls = 0;
  server = createServer((incoming, response) => {
    const parts: Buffer[] = [];
    incoming.on("data", (part: Buffer) => parts.push(part));
    incoming.on("end", () => {
      const call = ++calls;
      const request = JSON.parse(Buffer.concat(parts).toString()) as WireRequest;
      const reply = answer(call, request, response);
      if (!reply) return;
      const body = { ...completionBody(reply, request, `chatcmpl-${call}`), policy_version: version(call) };
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    });
  });
  await new Promise<void>((ready) => server?.listen(0, "127.0.0.1", ready));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const { goldFacts, ...task } = personTask();
  const graph = createRolloutGraph({ openStore: memoryStore });
  const { groups } = (await graph.invoke({
    request: {
      tasks: [{ ...task, gold_facts: goldFacts }],
      policy: { model: "served", base_url: url },
      policy_version: 3,
      k: 2,
      concurrency: 1,
      max_turns: 2,
    },
  })) as { groups: RolloutGroupOutput[] };
  const records = groups[0]!.samples.map((sample, i) => parseRecord(sample, `sample ${i}`));
  return {
    calls,
    steps: records.filter((record) => record.kind === "step"),
    trajectories: records.filter((record) => record.kind === "trajectory"),
  };
}

describe("a policy server", () => {
  it("that drops connections and is overloaded: the call is made again, and the record shows one step", async () => {
    const { calls, steps, trajectories } = await roll((call, _, response) => {
      if (call === 1) response.destroy();
      else if (call === 2) response.writeHead(503).end();
      else if (call === 3)
        response.writeHead(200, { "content-length": 100 }).write("{", () => response.destroy());
      else return { content: "Porto" };
      return undefined;
    });
    expect(trajectories.map(({ status }) => status)).toEqual(["ok", "ok"]);
    expect(steps).toHaveLength(6);
    expect(calls).toBe(9);
  }, 30_000);

  it("that changes its weights in the middle: each step says whose it is, the rollout the range", async () => {
    const { steps, trajectories } = await roll(
      () => ({ content: "Porto" }),
      (call) => (call < 3 ? 3 : 4),
    );
    expect(steps.map((step) => step.policy_version).sort()).toEqual([3, 3, 4, 4, 4, 4]);
    expect(trajectories.some((each) => each.policy_version_min === 3 && each.policy_version_max === 4)).toBe(
      true,
    );
    expect(trajectories.every(({ status }) => status === "ok")).toBe(true);
  });

  it("that hands back a call which is no JSON: a format error, asked for again once, trained on, no answer", async () => {
    const broken = '<tool_call>\n{"name": "Add_memory", "arguments": {"content": "Nora"}\n</tool_call>';
    const { steps, trajectories } = await roll(() => ({ content: broken }));
    expect(steps.every((step) => step.format_error !== null && step.trainable)).toBe(true);
    expect(steps[0]).toMatchObject({ format_error: expect.stringMatching(/asked for again/) });
    expect(steps[1]).toMatchObject({ format_error: expect.stringMatching(/<tool_call> is not JSON/) });
    for (const { status, reward, reward_parts: parts, episode } of trajectories) {
      expect({ status, answer: episode?.answer }).toEqual({ status: "ok", answer: null });
      expect(parts.task).toBe(-1);
      expect(reward).toBeLessThan(0);
    }
  });

  it("that refuses a context as too long with 400: the penalty, with a vote, and a step that is not trained on", async () => {
    const message = "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.";
    const { steps, trajectories } = await roll((_, { messages = [] }, response) => {
      if (!messages.some(({ role }) => role === "assistant")) {
        return { content: "", tool_calls: [{ name: "Retrieve_memory", args: { query: "Nora" } }] };
      }
      response.writeHead(400, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: { message, code: 400 } }));
      return undefined;
    });
    expect(steps.map((step) => [step.error?.code ?? null, step.trainable])).toEqual(
      [0, 1].flatMap(() => [
        [null, true],
        ["AGEMEM_MODEL_CONTEXT", false],
      ]),
    );
    for (const { status, error, reward, reward_parts: parts } of trajectories) {
      expect({ status, code: error?.code }).toEqual({ status: "truncated", code: "AGEMEM_MODEL_CONTEXT" });
      expect(parts["penalty.tokens"]).toBe(-0.5);
      expect(reward).not.toBeNull();
    }
  });

  it("that refuses every call otherwise: an error, without reward or vote", async () => {
    const { steps, trajectories } = await roll((_, __, response) => {
      response.writeHead(401, { "content-type": "application/json" }).end('{"error":{"message":"no"}}');
      return undefined;
    });
    expect(steps.every((step) => step.error !== null && !step.trainable)).toBe(true);
    for (const { status, reward, advantage } of trajectories) {
      expect({ status, reward, advantage }).toEqual({ status: "error", reward: null, advantage: null });
    }
  });
});
