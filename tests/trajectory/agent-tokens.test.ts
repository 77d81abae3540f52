/** Token-exact recording of agemem's agent over HTTP: both protocols, streamed and not, a summary in between. */
import { InMemoryStore } from "@langchain/langgraph";
import { ChatOpenAI } from "@langchain/openai";
import { expect, it } from "vitest";
import { createAgeMemAgent } from "../../src/agent/agent.js";
import { startOpenAIServer } from "../../src/testing/openai-server.js";
import { type WireReply, wireTokens } from "../../src/testing/openai-wire.js";
import { ScriptedChatModel } from "../../src/testing/scripted-model.js";
import { TrajectoryRecorder } from "../../src/trajectory/recorder.js";
import { stepSchema } from "../../src/trajectory/schema.js";
import { METADATA } from "../../src/types.js";

const calls = [
  // Long enough for any summary of it to be shorter, whatever the id of the memory costs.
  {
    name: "Add_memory",
    args: { content: "Ada lives in Oslo, by the harbour, with two cats, a piano and a view of the fjord." },
  },
  { name: "Summary_context", args: { span: "all" } },
];

/** The same conversation in either protocol, each response with tokens of its own cutting. */
function script(protocol: "native" | "text"): (WireReply & { tokens: { id: number; logprob: number }[] })[] {
  const tokens = (seed: string) =>
    wireTokens(`${seed} sampled in odd pieces`).map((t, i) => ({
      ...t,
      id: t.id + 70_000,
      logprob: -(i + 1) / 4,
    }));
  const text = (body: string) => `<think>so</think>${body}`;
  const steps = calls.map((call, i) => ({
    ...(protocol === "native"
      ? { tool_calls: [{ ...call, id: `c${i}` }] }
      : {
          content: text(
            `<tool_call>${JSON.stringify([{ name: call.name, arguments: call.args }])}</tool_call>`,
          ),
        }),
    tokens: tokens(`step ${i}`),
  }));
  const answer = protocol === "native" ? "Oslo" : text("<answer>Oslo</answer>");
  return [...steps, { content: answer, tokens: tokens("answer") }];
}

it.each([
  { protocol: "native", streaming: false },
  { protocol: "native", streaming: true },
  { protocol: "text", streaming: false },
  { protocol: "text", streaming: true },
] as const)(
  "records what the server sampled: $protocol, streaming $streaming",
  async ({ protocol, streaming }) => {
    const replies = script(protocol);
    const server = await startOpenAIServer(replies);
    const recorder = new TrajectoryRecorder();
    const agent = createAgeMemAgent({
      model: new ChatOpenAI({
        model: "m",
        apiKey: "none",
        configuration: { baseURL: server.url },
        maxRetries: 0,
        logprobs: true,
        __includeRawResponse: true,
        modelKwargs: { return_token_ids: true },
      }),
      store: new InMemoryStore(),
      protocol,
      summarizer: new ScriptedChatModel(["Ada asked where she lives."]) as never,
    });
    const input = { messages: [{ role: "user", content: "I am Ada, I live in Oslo. Where do I live?" }] };
    const run = {
      callbacks: [recorder],
      context: { user_id: "ada" },
      metadata: { [METADATA.rolloutId]: "r" },
    };
    try {
      if (streaming) {
        const stream = await agent.stream(
          input as never,
          { ...run, streamMode: ["messages", "values"] } as never,
        );
        for await (const _chunk of stream) expect(_chunk).toBeDefined();
      } else {
        await agent.invoke(input as never, run as never);
      }
    } finally {
      await server.close();
    }
    expect(server.requests.map(({ body }) => body.stream ?? false)).toEqual([
      streaming,
      streaming,
      streaming,
    ]);
    const policy = recorder.steps("r").filter((step) => step.call_role === "policy");
    for (const step of recorder.take("r")) stepSchema.parse(step);
    expect(policy.map((s) => s.response_token_ids)).toEqual(replies.map((r) => r.tokens.map((t) => t.id)));
    expect(policy.map((s) => s.response_logprobs)).toEqual(
      replies.map((r) => r.tokens.map((t) => t.logprob)),
    );
    expect(policy.every((s) => s.trainable && s.usage?.completion_tokens === s.response_mask?.length)).toBe(
      true,
    );
    expect(policy.map((s) => s.memory_ops.map((o) => [o.op, o.ok]))).toEqual([
      [["ADD", true]],
      [["SUMMARY", true]],
      [],
    ]);
    expect(policy.map((s) => s.context_edit)).toEqual(["start", "append", "summary"]);
    // The prompt recorded is the prompt that was sent, message by message.
    const sent = server.requests.map(({ body }) => body.messages?.map((m) => m.role));
    expect(policy.map((s) => s.messages.map((m) => m.role))).toEqual(sent);
  },
);
