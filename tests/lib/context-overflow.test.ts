import { describe, expect, it } from "vitest";
import { errorChain, isContextOverflow } from "../../src/lib/context-overflow.js";

describe("a prompt that is too long", () => {
  it.each([
    // Facts of these servers' own replies, numbers aside.
    [
      "OpenAI",
      "400 This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    ],
    [
      "OpenAI, newer",
      "400 Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens.",
    ],
    [
      "OpenAI, responses",
      "Your input exceeds the context window of this model. Please adjust your input and try again.",
    ],
    [
      "vLLM",
      "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (7000 in the messages, 2000 in the completion).",
    ],
    ["vLLM, decoder", "The decoder prompt (length 9000) is longer than the maximum model length of 8192."],
    [
      "vLLM, newest",
      "You passed 8193 input tokens and requested 2048 output tokens. However, the model's context length is only 8192 tokens, resulting in a maximum input length of 6144 tokens.",
    ],
    ["vLLM, 0.4", "max_tokens must be at least 1, got -186."],
    ["SGLang", "The input (61709 tokens) is longer than the model's context length (40960 tokens)."],
    [
      "SGLang, with the response",
      "Requested token count exceeds the model's maximum context length of 8192 tokens. You requested a total of 9000 tokens",
    ],
    ["SGLang, memory", "Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens)."],
    [
      "llama.cpp",
      "the request exceeds the available context size. try increasing the context size or enable context shift",
    ],
    [
      "llama.cpp, newer",
      "request (14429 tokens) exceeds the available context size (8192 tokens), try increasing it",
    ],
    ["llama-cpp-python", "Requested tokens (2285) exceed context window of 2048"],
    ["TGI", "Input validation error: `inputs` must have less than 1024 tokens. Given: 1168"],
    [
      "TGI, with the response",
      "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 1244 `inputs` tokens and 1000 `max_new_tokens`",
    ],
    ["Anthropic", "prompt is too long: 200251 tokens > 200000 maximum"],
    ["Gemini", "The input token count (1100000) exceeds the maximum number of tokens allowed (1048576)."],
    ["LM Studio", "Context size has been exceeded."],
    [
      "our policy server",
      "This model's maximum context length is 2048 tokens, prompt and response together; the prompt has 2100",
    ],
  ])("is told by %s", (_server, message) => {
    for (const status of [400, 413, 422, 500, undefined]) {
      expect(isContextOverflow(Object.assign(new Error(message), { status }))).toBe(true);
      expect(isContextOverflow(new Error("call failed", { cause: { status, error: { message } } }))).toBe(
        true,
      );
    }
  });

  it.each([
    { status: 400, code: "context_length_exceeded", message: "no" },
    { status: 400, error: { type: "exceed_context_size_error", code: 400, n_ctx: 256 } },
    { name: "ContextOverflowError", message: "no" },
    { code: "AGEMEM_MODEL_CONTEXT" },
  ])("is told by code, type or name: %j", (error) => {
    expect(isContextOverflow(error)).toBe(true);
  });

  it.each([
    { status: 400, message: "Unknown tool parser" },
    { status: 400, message: "temperature must be at most 2" },
    { status: 400, message: "max_tokens must be at least 1, got 0." },
    { status: 401, message: "maximum context length" },
    { status: 429, message: "Request too large: limit 10000 tokens per minute, the prompt is too long" },
    { status: 500, message: "CUDA out of memory" },
    undefined,
    "maximum context length",
  ])("is not %j", (error) => {
    expect(isContextOverflow(error)).toBe(false);
  });

  it("is found in a bounded walk over causes", () => {
    const ring: { cause?: unknown } = {};
    ring.cause = { cause: ring };
    expect(errorChain(ring)).toHaveLength(2);
    expect(isContextOverflow(ring)).toBe(false);
  });
});
