/** The recorder against a real HTTP client and a server with vLLM's response shape. */
import { HumanMessage } from "@langchain/core/messages";
import { ChatOpenAI } from "@langchain/openai";
import { Tiktoken } from "js-tiktoken/lite";
import o200k from "js-tiktoken/ranks/o200k_base";
import { afterEach, describe, expect, it } from "vitest";
import { type OpenAIServer, startOpenAIServer } from "../../src/testing/openai-server.js";
import type { WireToken } from "../../src/testing/openai-wire.js";
import { TrajectoryRecorder } from "../../src/trajectory/recorder.js";
import { stepSchema } from "../../src/trajectory/schema.js";
import { METADATA } from "../../src/types.js";
import { toolGraph } from "./graphs.js";

const tokenizer = new Tiktoken(o200k);

/** Tokens of a sampled text, cut where a sampler may cut and a tokenizer would not. */
function sampled(...pieces: string[]): WireToken[] {
  const ids = pieces.flatMap((piece) => tokenizer.encode(piece));
  return ids.map((id, i) => ({ id, text: tokenizer.decode([id]), logprob: -(i + 1) / 8 }));
}

function chatModel(server: OpenAIServer, over: Record<string, unknown> = {}): ChatOpenAI {
  return new ChatOpenAI({
    model: "qwen",
    apiKey: "sk-test-secret-key",
    configuration: { baseURL: server.url, defaultHeaders: { "x-secret-header": "hidden-header" } },
    temperature: 1,
    maxRetries: 0,
    logprobs: true,
    __includeRawResponse: true,
    modelKwargs: { return_token_ids: true, top_k: 20, chat_template_kwargs: { enable_thinking: false } },
    ...over,
  });
}

let server: OpenAIServer;
afterEach(async () => {
  await server.close();
});

/**
 * Runs the graph, with a consumer of message chunks when streaming (that is what switches the model to streaming; its
 * own `streaming: true` fetches a tokenizer from the network). Returns the final messages.
 */
async function run(model: ChatOpenAI, recorder: TrajectoryRecorder, streaming: boolean): Promise<unknown[]> {
  const input = { messages: [new HumanMessage("I live in Oslo")] };
  const config = { callbacks: [recorder], metadata: { [METADATA.rolloutId]: "r" } };
  if (!streaming) return (await toolGraph(model).invoke(input, config)).messages;
  let last: unknown[] = [];
  for await (const [mode, chunk] of await toolGraph(model).stream(input, {
    ...config,
    streamMode: ["messages", "values"],
  })) {
    if (mode === "values") last = (chunk as { messages: unknown[] }).messages;
  }
  return last;
}

describe.each([{ streaming: false }, { streaming: true }])(
  "server tokens, streaming: $streaming",
  ({ streaming }) => {
    it("records the very ids and log-probabilities the server sampled, over tool calls and a context edit", async () => {
      const replies = [
        {
          tool_calls: [{ id: "c1", name: "Add_memory", args: '{"content":  "Oslo"}' }],
          tokens: sampled("<tool", "_call>", "Os", "lo"),
        },
        {
          tool_calls: [{ id: "c2", name: "Filter_context", args: { criteria: "x" } }],
          tokens: sampled("fil", "ter"),
        },
        { content: "All right then.", tokens: sampled("All ri", "ght th", "en.") },
      ];
      server = await startOpenAIServer(replies);
      const recorder = new TrajectoryRecorder();
      const messages = await run(chatModel(server), recorder, streaming);
      expect(server.requests.every(({ body }) => (body.stream ?? false) === streaming)).toBe(true);
      const steps = recorder.take("r");
      expect(steps.map((s) => s.response_token_ids)).toEqual(replies.map((r) => r.tokens.map((t) => t.id)));
      expect(steps.map((s) => s.response_logprobs)).toEqual(
        replies.map((r) => r.tokens.map((t) => t.logprob)),
      );
      for (const step of steps) {
        stepSchema.parse(step);
        expect(step).toMatchObject({
          trainable: true,
          drop_reason: null,
          token_source: "server",
          model: "qwen",
        });
        expect(step.usage?.completion_tokens).toBe(step.response_token_ids?.length);
        expect(step.usage?.prompt_tokens).toBe(step.prompt_token_ids?.length);
        expect(step.context_tokens).toBe(step.prompt_token_ids?.length);
      }
      expect(steps.map((s) => s.finish_reason)).toEqual(["tool_calls", "tool_calls", "stop"]);
      expect(steps.map((s) => s.context_edit)).toEqual(["start", "append", "filter"]);
      expect(steps.map((s) => s.response_id)).toEqual(["chatcmpl-1", "chatcmpl-2", "chatcmpl-3"]);
      // The raw argument text is what was sampled; parsed and written again it would have one space less.
      expect(steps[0]?.response?.tool_calls[0]?.arguments).toBe('{"content":  "Oslo"}');
      // Encoding the text again gives other ids: that is why they are never made from it.
      expect(tokenizer.encode("All right then.")).not.toEqual(steps[2]?.response_token_ids);
      expect(JSON.stringify(messages)).not.toContain("__raw_response");
    });

    it("records sampling and no secret", async () => {
      server = await startOpenAIServer(["ok"]);
      const recorder = new TrajectoryRecorder();
      await run(chatModel(server, { maxTokens: 64, topP: 0.9 }), recorder, streaming);
      const [step] = recorder.take("r");
      expect(step?.sampling).toMatchObject({
        temperature: 1,
        top_p: 0.9,
        top_k: 20,
        max_tokens: 64,
        chat_template_kwargs: { enable_thinking: false },
      });
      expect(JSON.stringify(step)).not.toMatch(/sk-test|hidden-header|Bearer/);
      expect(JSON.stringify(server.requests[0]?.headers)).toMatch(
        /sk-test.*hidden-header|hidden-header.*sk-test/,
      );
    });

    it("leaves tokens null where the server gives none", async () => {
      server = await startOpenAIServer(["ok"]);
      const recorder = new TrajectoryRecorder();
      await run(chatModel(server, { modelKwargs: {}, logprobs: false }), recorder, streaming);
      expect(recorder.take("r")).toMatchObject([
        {
          prompt_token_ids: null,
          response_token_ids: null,
          response_logprobs: null,
          response_mask: null,
          token_source: "none",
          trainable: false,
          drop_reason: "no_token_ids",
        },
      ]);
    });
  },
);

describe("server tokens that do not fit", () => {
  it("keeps a step whose counts disagree out of training", async () => {
    server = await startOpenAIServer([
      { content: "one two", tokens: sampled("one two"), usage: { prompt_tokens: 5, completion_tokens: 99 } },
    ]);
    const recorder = new TrajectoryRecorder();
    await chatModel(server).invoke("hi", { callbacks: [recorder], metadata: { [METADATA.rolloutId]: "r" } });
    expect(recorder.take("r")).toMatchObject([{ trainable: false, drop_reason: "token_mismatch" }]);
  });

  it("records reasoning text and a cut response", async () => {
    server = await startOpenAIServer([{ content: "par", reasoning: "let me see", finish_reason: "length" }]);
    const recorder = new TrajectoryRecorder();
    await chatModel(server).invoke("hi", { callbacks: [recorder], metadata: { [METADATA.rolloutId]: "r" } });
    expect(recorder.take("r")).toMatchObject([
      { truncated: true, finish_reason: "length", response: { content: "par", reasoning: "let me see" } },
    ]);
  });

  it("records an HTTP failure without the key", async () => {
    server = await startOpenAIServer([{ status: 503, message: "no, sk-test-secret-key" }]);
    const recorder = new TrajectoryRecorder();
    const call = chatModel(server).invoke("hi", {
      callbacks: [recorder],
      metadata: { [METADATA.rolloutId]: "r" },
    });
    await expect(call).rejects.toThrow();
    const [step] = recorder.take("r");
    expect(step?.error?.message).toContain("503");
    expect(JSON.stringify(step)).not.toContain("sk-test");
  });
});
