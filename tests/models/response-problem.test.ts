/** Which responses make calls that can be trusted, by what each provider says of them. */
import { AIMessage, AIMessageChunk } from "@langchain/core/messages";
import { describe, expect, it } from "vitest";
import { callProblem, earlyStop, withoutCalls } from "../../src/models/response-problem.js";

const call = { name: "Delete_memory", args: { memory_id: "m1" }, id: "c1", type: "tool_call" as const };

/** As a provider streams it: chunks that LangChain puts together. */
function streamed(args: string, more: Record<string, unknown> = {}): AIMessageChunk {
  const chunk = (part: string, i: number) =>
    new AIMessageChunk({
      content: "",
      tool_call_chunks: [
        {
          type: "tool_call_chunk",
          index: 0,
          args: part,
          ...(i === 0 ? { id: "c1", name: "Update_memory" } : {}),
        },
      ],
    });
  const parts = args.match(/.{1,7}/gs) ?? [""];
  const [first, ...rest] = parts.map(chunk) as [AIMessageChunk, ...AIMessageChunk[]];
  return [...rest, new AIMessageChunk({ content: "", ...more })].reduce(
    (sum, each) => sum.concat(each),
    first,
  );
}

describe("a response that was cut off", () => {
  it.each([
    ["OpenAI", { finish_reason: "length" }],
    ["OpenAI, filtered", { finish_reason: "content_filter" }],
    ["OpenAI Responses", { status: "incomplete", incomplete_details: { reason: "max_output_tokens" } }],
    ["Anthropic", { stop_reason: "max_tokens" }],
    ["Anthropic, window", { stop_reason: "model_context_window_exceeded" }],
    ["Anthropic, refused", { stop_reason: "refusal" }],
    ["Gemini", { finishReason: "MAX_TOKENS" }],
    ["Gemini, call", { finishReason: "MALFORMED_FUNCTION_CALL" }],
    ["Ollama", { done: true, done_reason: "length" }],
    ["Bedrock", { stopReason: "max_tokens" }],
    ["Bedrock, streamed", { messageStop: { stopReason: "max_tokens" } }],
    ["Mistral", { finish_reason: "model_length" }],
    ["merged chunks", { finish_reason: "lengthlength" }],
  ])("%s says so", (_, response_metadata) => {
    const response = new AIMessage({ content: "", tool_calls: [call], response_metadata });
    expect(callProblem(response)).toMatch(/^it was cut off \(.+\) before its tool calls were complete$/);
    expect(earlyStop(new AIMessage({ content: "A long ans", response_metadata }))).toBeDefined();
  });

  it("Anthropic's stream says so beside the message", () => {
    const response = new AIMessage({
      content: "",
      tool_calls: [call],
      additional_kwargs: { stop_reason: "max_tokens" },
    });
    expect(callProblem(response)).toContain("cut off (max_tokens)");
  });

  it.each([
    { finish_reason: "stop" },
    { finish_reason: "tool_calls" },
    { finish_reason: "tool_callstool_calls" },
    { stop_reason: "tool_use" },
    { stop_reason: "end_turn", stop_sequence: null },
    { stop_reason: "pause_turn" },
    { finishReason: "STOP" },
    { done_reason: "stop" },
    { status: "completed", incomplete_details: null },
    {},
  ])("%j is a whole response", (response_metadata) => {
    const response = new AIMessage({ content: "", tool_calls: [call], response_metadata });
    expect(callProblem(response)).toBeUndefined();
    expect(earlyStop(response)).toBeUndefined();
  });
});

describe("arguments that LangChain completed by guess", () => {
  it.each([
    ['{"memory_id": "m1", "content": "She li'],
    ['{"memory_id": "m1", "content": "She lives in Oslo."'],
    ['{"memory_id": "m1", "conf'],
    ["{"],
    ['{"memory_id": "m1", "confirmation": t'],
  ])("are seen in the raw text %s", (text) => {
    const response = streamed(text);
    expect(response.tool_calls).toHaveLength(1);
    expect(callProblem(response)).toBe("the arguments of Update_memory are not JSON objects");
  });

  it("are seen in the raw form of OpenAI, where the chunks are gone", () => {
    const raw = {
      id: "c1",
      type: "function" as const,
      function: { name: "Delete_memory", arguments: '{"memory_id": ' },
    };
    const response = new AIMessage({
      content: "",
      tool_calls: [call],
      additional_kwargs: { tool_calls: [raw] },
    });
    expect(callProblem(response)).toContain("Delete_memory");
  });

  it.each(["null", "5", '"m1"', "[]"])("%s is JSON and no object", (text) => {
    expect(callProblem(streamed(text))).toContain("are not JSON objects");
    const args = JSON.parse(text);
    expect(callProblem(new AIMessage({ content: "", tool_calls: [{ ...call, args }] }))).toBeDefined();
  });

  it.each(['{"memory_id": "m1", "content": "She lives in Oslo."}', " {} ", ""])("%j is whole", (text) => {
    expect(callProblem(streamed(text))).toBeUndefined();
  });

  it("one of several is enough", () => {
    const whole = { type: "tool_call_chunk" as const, index: 0, id: "c1", name: "Add_memory", args: "{}" };
    const cut = { ...whole, index: 1, id: "c2", name: "Delete_memory", args: '{"memory_id": "m' };
    const response = new AIMessageChunk({ content: "", tool_call_chunks: [whole, cut] });
    expect(response.tool_calls).toHaveLength(2);
    expect(callProblem(response)).toBe("the arguments of Delete_memory are not JSON objects");
  });

  it("free text of a custom tool is not JSON, and need not be", () => {
    const chunk = { type: "tool_call_chunk" as const, index: 0, id: "c1", name: "sql", args: "SELECT 1" };
    const response = new AIMessageChunk({
      content: "",
      tool_call_chunks: [{ ...chunk, isCustomTool: true } as typeof chunk],
    });
    expect(callProblem(response)).toBeUndefined();
  });
});

it("keeps what the model wrote of calls that may not run, and leaves none to run", () => {
  const text = '{"memory_id": "m1", "content": "She li';
  const response = streamed(text, { id: "a1", response_metadata: { finish_reason: "length" } });
  const kept = withoutCalls(response);
  expect(kept).toMatchObject({
    id: "a1",
    tool_calls: [],
    invalid_tool_calls: [{ id: "c1", name: "Update_memory", args: text }],
    response_metadata: { finish_reason: "length" },
  });
  expect(kept.additional_kwargs.tool_calls).toBeUndefined();
  expect(callProblem(kept)).toContain("cut off");
});
