/**
 * Byte for byte: what is recorded is what a server with a chat template and a tokenizer saw and sampled, in both
 * protocols, streamed and not, with a filter and a summary in between. What an encoder would make of the texts again
 * is something else, and is not used.
 */
import { AIMessage, HumanMessage } from "@langchain/core/messages";
import { InMemoryStore } from "@langchain/langgraph";
import { ChatOpenAI } from "@langchain/openai";
import { expect, it } from "vitest";
import { createAgeMemAgent } from "../../src/agent/agent.js";
import { createAgentLoop } from "../../src/rollout/driver/loop.js";
import { policyEndpoint } from "../../src/rollout/http/endpoint.js";
import { ScriptedChatModel } from "../../src/testing/scripted-model.js";
import { openAiMessage } from "../../src/trajectory/exporters/openai-messages.js";
import { EXPORTERS } from "../../src/trajectory/exporters/registry.js";
import { TrajectoryRecorder } from "../../src/trajectory/recorder.js";
import { type StepRecord, stepSchema } from "../../src/trajectory/schema.js";
import { METADATA } from "../../src/types.js";
import { trajectory } from "./records.js";
import { decode, encode, promptIds, startTemplatedServer } from "./templated-server.js";

type Protocol = "native" | "text";
const noise = "Cheap sunglasses! Cheap sunglasses!";
/** Arguments as a model writes them: spaces that no serialiser would put there, letters beyond ASCII. */
const calls: [string, string][] = [
  ["Add_memory", '{"content":  "Zoë lives in Tromsø 🏔️."}'],
  ["Filter_context", '{"criteria" : "cheap sunglasses"}'],
  ["Summary_context", '{"span":"all"}'],
];

function script(protocol: Protocol): string[] {
  if (protocol === "native") {
    const call = ([name, args]: [string, string]) =>
      `<tool_call>\n{"name": "${name}", "arguments": ${args}}\n</tool_call>`;
    return [
      `I note that. ${call(calls[0] as [string, string])}`,
      ...calls.slice(1).map(call),
      "In Tromsø, Zoë.",
    ];
  }
  const call = ([name, args]: [string, string]) =>
    `<think>Let me see…</think><tool_call>[{"name": "${name}", "arguments": ${args}}]</tool_call>`;
  return [...calls.map(call), "<think>I know.</think><answer>In Tromsø, Zoë.</answer>"];
}

/** The graph on a model that users bring, or the loop on the model that rollouts bring. */
type Driver = "graph" | "streamed graph" | "loop";

async function record(protocol: Protocol, driver: Driver) {
  const server = await startTemplatedServer(script(protocol), protocol === "native");
  const recorder = new TrajectoryRecorder();
  const { url: baseURL } = server;
  const options = {
    store: new InMemoryStore(),
    protocol,
    summarizer: new ScriptedChatModel(["Zoë told where she lives."]),
  };
  const messages = [
    new HumanMessage(noise),
    new AIMessage("No, thank you."),
    new HumanMessage("I am Zoë, I live in Tromsø 🏔️. Where do I live?"),
  ];
  const metadata = { [METADATA.rolloutId]: "r1", [METADATA.policyVersion]: 4 };
  const run = { callbacks: [recorder], context: { user_id: "zoe" }, metadata };
  try {
    if (driver === "loop") {
      const identity = { taskId: "t", groupId: "g", rolloutId: "r1", index: 0, seed: "0" };
      const model = policyEndpoint({ model: "policy", baseURL, apiKey: "none" }).policy(identity);
      await createAgentLoop({ ...options, model }).invoke({ messages }, run);
    } else {
      const agent = createAgeMemAgent({ ...options, model: chatOpenAI(baseURL) });
      if (driver === "graph") await agent.invoke({ messages }, run);
      else for await (const _ of await agent.stream({ messages }, { ...run, streamMode: ["messages"] }));
    }
  } finally {
    await server.close();
  }
  const streamed = server.requests.map(({ body }) => body.stream ?? false);
  return { sampled: server.sampled, streamed, all: recorder.take("r1") };
}

function chatOpenAI(baseURL: string): ChatOpenAI {
  return new ChatOpenAI({
    model: "policy",
    apiKey: "none",
    configuration: { baseURL },
    maxRetries: 0,
    logprobs: true,
    __includeRawResponse: true,
    modelKwargs: { return_token_ids: true },
  });
}

it.each(
  (["native", "text"] as const).flatMap((protocol) =>
    (["graph", "streamed graph", "loop"] as const).map((driver) => ({ protocol, driver })),
  ),
)("$protocol protocol, $driver", async ({ protocol, driver }) => {
  const { sampled, streamed, all } = await record(protocol, driver);
  expect(streamed).toEqual(new Array(4).fill(driver === "streamed graph"));
  for (const step of all) stepSchema.parse(step);
  const steps = all.filter((step) => step.call_role === "policy");
  expect(steps.flatMap((s) => s.memory_ops.map((o) => [o.op, o.ok]))).toEqual([
    ["ADD", true],
    ["FILTER", true],
    ["SUMMARY", true],
  ]);
  expect(steps.map((s) => s.context_edit)).toEqual(["start", "append", "filter", "summary"]);

  // Ids, log-probabilities, mask and usage: the server's, of one length, and they say what was sampled.
  expect(steps.map((s) => s.prompt_token_ids)).toEqual(sampled.map((s) => s.promptIds));
  expect(steps.map((s) => s.response_token_ids)).toEqual(sampled.map((s) => s.ids));
  expect(steps.map((s) => s.response_logprobs)).toEqual(sampled.map((s) => s.logprobs));
  expect(steps.map((s) => decode(s.response_token_ids ?? []))).toEqual(sampled.map((s) => s.text));
  for (const step of steps) {
    const n = step.response_token_ids?.length;
    expect([
      step.response_logprobs?.length,
      step.response_mask?.length,
      step.usage?.completion_tokens,
    ]).toEqual([n, n, n]);
    expect(step.usage?.prompt_tokens).toBe(step.prompt_token_ids?.length);
    expect([step.trainable, step.token_source]).toEqual([true, "server"]);
  }

  // The messages recorded are the messages sent: rendered again they give the very prompt.
  for (const step of steps) {
    const tools = step.tools.length > 0 ? step.tools : undefined;
    expect(promptIds(step.messages.map(openAiMessage), tools)).toEqual(step.prompt_token_ids);
  }
  expectNotRetokenized(steps);
});

/** Where the two ways part, the server's is what is recorded and exported. */
function expectNotRetokenized(steps: readonly StepRecord[]): void {
  const again = steps.map((step) => encode(decode(step.response_token_ids ?? [])));
  const differs = steps.filter((s, i) => JSON.stringify(s.response_token_ids) !== JSON.stringify(again[i]));
  expect(differs.length).toBe(steps.length);
  // A prompt does not begin with the one before and what was sampled then: the template writes calls anew.
  const [first, second] = steps as [StepRecord, StepRecord];
  const grown = [...(first.prompt_token_ids ?? []), ...(first.response_token_ids ?? [])];
  expect(second.prompt_token_ids?.slice(0, grown.length)).not.toEqual(grown);

  const meta = { mean: 0, std: 1, std_kind: "sample" as const, eps: 1e-6, n: 2, zero_variance: false };
  const scored = trajectory({ reward: 1, advantage: 0.5, advantage_meta: meta, rollout_index: 0 });
  const { rows, refused } = EXPORTERS.trl.export({ trajectory: scored, steps: [...steps] });
  expect(refused).toEqual([]);
  expect(rows.map((row) => row.input_ids)).toEqual(
    steps.map((s) => [...(s.prompt_token_ids ?? []), ...(s.response_token_ids ?? [])]),
  );
}
