/** The Agent Lightning recipe: what reaches the gateway is trained on, so only the policy's calls may. */
import { afterEach, expect, it, vi } from "vitest";
import { toTaskRow } from "../../src/rollout/task-row.js";
import { type OpenAIServer, startOpenAIServer } from "../../src/testing/openai-server.js";
import { personTask } from "../rollout/setup.js";

const closing: OpenAIServer[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(closing.splice(0).map((server) => server.close()));
});

it("sends the policy's calls to the gateway and a summary's elsewhere", async () => {
  let calls = 0;
  const gateway = await startOpenAIServer(() => {
    calls += 1;
    return calls === 3
      ? { tool_calls: [{ name: "Summary_context", args: { span: "all" } }] }
      : "Noted: Porto.";
  });
  const other = await startOpenAIServer(() => "A summary of all that was said.");
  const events = await startOpenAIServer();
  closing.push(gateway, other, events);
  const env = {
    AGEMEM_TASK: JSON.stringify(toTaskRow(personTask())),
    AGEMEM_EMBEDDINGS: "lexical",
    AGEMEM_SUMMARIZER: "openai:summarizer",
    OPENAI_BASE_URL: other.url,
    OPENAI_API_KEY: "none",
    AGL_OPENAI_BASE_URL: gateway.url,
    AGL_EVENT_URL: `${events.url}/chat/completions`,
    AGL_KEY: "",
  };
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  await import("../../examples/grpo-trainer/recipes/agent-lightning/rollout.js");

  expect(gateway.requests.length).toBeGreaterThan(3);
  expect(gateway.requests.filter(({ body }) => body.tools === undefined)).toEqual([]);
  expect(other.requests).toHaveLength(1);
  expect(other.requests[0]!.body.model).toBe("summarizer");
  expect(events.requests.map(({ body }) => body.event_type)).toEqual(["reward"]);
});

it("embeds in the process, with a key for OpenAI set and no embeddings named", async () => {
  vi.resetModules();
  const gateway = await startOpenAIServer(() => "Porto");
  const events = await startOpenAIServer();
  closing.push(gateway, events);
  const env = {
    AGEMEM_TASK: JSON.stringify(toTaskRow(personTask())),
    AGEMEM_EMBEDDINGS: undefined,
    AGEMEM_SUMMARIZER: undefined,
    OPENAI_BASE_URL: undefined,
    OPENAI_API_KEY: "sk-of-the-judge",
    AGL_OPENAI_BASE_URL: gateway.url,
    AGL_EVENT_URL: `${events.url}/chat/completions`,
    AGL_KEY: "",
  };
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const elsewhere: string[] = [];
  const { fetch } = globalThis;
  vi.stubGlobal("fetch", async (...[input, init]: Parameters<typeof fetch>) => {
    const { host } = new URL(input instanceof Request ? input.url : input);
    if (host.startsWith("127.0.0.1")) return fetch(input, init);
    elsewhere.push(host);
    return Response.json({ error: { message: "no" } }, { status: 401 });
  });
  await import("../../examples/grpo-trainer/recipes/agent-lightning/rollout.js");
  vi.unstubAllGlobals();
  expect(elsewhere).toEqual([]);
  expect(events.requests).toHaveLength(1);
});
