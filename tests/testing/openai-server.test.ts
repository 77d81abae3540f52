import { type AIMessageChunk, HumanMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import {
  type OpenAIServer,
  type OpenAIServerOptions,
  type ServerHandler,
  type ServerReply,
  startOpenAIServer,
} from "../../src/testing/openai-server.js";
import { wireTokens } from "../../src/testing/openai-wire.js";

let server: OpenAIServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function start(
  answers: ServerHandler | readonly ServerReply[],
  options?: OpenAIServerOptions,
  fields: Record<string, unknown> = {},
): Promise<ChatOpenAI> {
  server = await startOpenAIServer(answers, options);
  return new ChatOpenAI({
    model: "tiny",
    apiKey: "none",
    maxRetries: 0,
    configuration: { baseURL: server.url },
    ...fields,
  });
}

const add = tool(async () => "ok", {
  name: "add",
  description: "Adds",
  schema: z.object({ content: z.string() }),
});
const RECORDING = {
  logprobs: true,
  __includeRawResponse: true,
  modelKwargs: { return_token_ids: true },
};

describe("chat completions", () => {
  it("answers text with usage and records the request", async () => {
    const model = await start([{ content: "Hello", usage: { prompt_tokens: 7, completion_tokens: 2 } }]);
    const answer = await model.invoke([new HumanMessage("Hi")]);
    expect(answer.text).toBe("Hello");
    expect(answer.usage_metadata).toMatchObject({ input_tokens: 7, output_tokens: 2, total_tokens: 9 });
    expect(server!.requests).toHaveLength(1);
    expect(server!.requests[0]).toMatchObject({
      path: "/v1/chat/completions",
      body: { model: "tiny", messages: [{ role: "user", content: "Hi" }] },
    });
  });

  it.each(["invoke", "stream"] as const)("answers tool calls (%s)", async (how) => {
    const reply = {
      content: "Let me note that.",
      tool_calls: [
        { name: "add", args: { content: "Ada lives in Oslo, by the sea" }, id: "c7" },
        { name: "add", args: {} },
      ],
    };
    const bound = (await start([reply])).bindTools([add]);
    let answer: AIMessageChunk | undefined;
    if (how === "invoke") answer = await bound.invoke("x");
    else for await (const chunk of await bound.stream("x")) answer = answer ? answer.concat(chunk) : chunk;
    expect(answer?.text).toBe("Let me note that.");
    expect(answer?.tool_calls).toMatchObject([
      { name: "add", args: { content: "Ada lives in Oslo, by the sea" }, id: "c7" },
      { name: "add", args: {}, id: "call_2" },
    ]);
    expect(answer?.usage_metadata?.output_tokens).toBeGreaterThan(4);
    expect(server!.requests[0]!.body.stream ?? false).toBe(how === "stream");
    expect(server!.requests[0]!.body.tools).toHaveLength(1);
  });

  it("gives token ids and log-probabilities only when asked", async () => {
    const model = await start(() => "one two three", {}, RECORDING);
    const answer = await model.invoke("Hi");
    const raw = answer.additional_kwargs.__raw_response as {
      prompt_token_ids: number[];
      choices: { token_ids: number[] }[];
    };
    const expected = wireTokens("one two three");
    expect(raw.choices[0]!.token_ids).toEqual(expected.map((t) => t.id));
    expect(raw.prompt_token_ids).toHaveLength(answer.usage_metadata!.input_tokens);
    const logprobs = answer.response_metadata.logprobs as { content: { logprob: number }[] };
    expect(logprobs.content.map((entry) => entry.logprob)).toEqual(expected.map((t) => t.logprob));

    const plain = await (
      await fetch(`${server!.url}/chat/completions`, { method: "POST", body: "{}" })
    ).json();
    expect(plain).not.toHaveProperty("prompt_token_ids");
    expect(plain).not.toHaveProperty("choices.0.token_ids");
    expect(plain).not.toHaveProperty("choices.0.logprobs");
  });

  it("streams the same token ids as without streaming", async () => {
    const model = await start(() => "one two three", {}, RECORDING);
    let ids: number[] = [];
    let text = "";
    let prompt: number[] | undefined;
    for await (const chunk of await model.stream("Hi")) {
      const raw = chunk.additional_kwargs.__raw_response as
        | { prompt_token_ids?: number[]; choices: { token_ids?: number[] }[] }
        | undefined;
      ids = ids.concat(raw?.choices[0]?.token_ids ?? []);
      prompt ??= raw?.prompt_token_ids;
      text += chunk.text;
    }
    expect(text).toBe("one two three");
    expect(ids).toEqual(wireTokens("one two three").map((t) => t.id));
    expect(prompt!.length).toBeGreaterThan(0);
  });

  it("sends given tokens as they are", async () => {
    const tokens = [
      { text: "A", id: 42, logprob: -0.5 },
      { text: "B", id: 43, logprob: -1.5 },
    ];
    const model = await start([{ content: "AB", tokens }], {}, RECORDING);
    const answer = await model.invoke("Hi");
    const raw = answer.additional_kwargs.__raw_response as { choices: { token_ids: number[] }[] };
    expect(raw.choices[0]!.token_ids).toEqual([42, 43]);
    expect(answer.usage_metadata?.output_tokens).toBe(2);
  });

  it("asks the handler with the request", async () => {
    const model = await start((request) => `you sent ${request.messages?.length}`);
    expect((await model.invoke([new HumanMessage("a"), new HumanMessage("b")])).text).toBe("you sent 2");
  });
});

describe("faults", () => {
  it("answers 429 with Retry-After, which the client obeys", async () => {
    const model = await start([{ status: 429, retryAfterSeconds: 0 }, "after"], {}, { maxRetries: 2 });
    expect((await model.invoke("x")).text).toBe("after");
    expect(server!.requests).toHaveLength(2);
  });

  it("answers HTTP errors with status and message", async () => {
    const model = await start([{ status: 500, message: "out of memory" }]);
    await expect(model.invoke("x")).rejects.toMatchObject({
      status: 500,
      message: expect.stringContaining("out of memory"),
    });
  });

  it("hangs until the client gives up, and closes all the same", async () => {
    const model = await start([{ fault: "hang" }], {}, { timeout: 100 });
    await expect(model.invoke("x")).rejects.toThrow(/timed out/i);
  });

  it("drops the connection at once, or in the middle of a stream", async () => {
    const model = await start([{ fault: "drop" }, { content: "a b c d", cutAfter: 3 }]);
    await expect(model.invoke("x")).rejects.toThrow(/connection error/i);
    let text = "";
    const reading = (async () => {
      for await (const chunk of await model.stream("x")) text += chunk.text;
    })();
    await expect(reading).rejects.toThrow();
    expect("a b c d".startsWith(text) && text.length < 7).toBe(true);
  });

  it("refuses a request beyond the script with an error that is not retried", async () => {
    const model = await start(["only"], {}, { maxRetries: 3 });
    await model.invoke("x");
    await expect(model.invoke("y")).rejects.toMatchObject({ status: 400 });
    expect(server!.requests).toHaveLength(2);
  });
});

describe("other routes", () => {
  it("embeds as float and as base64", async () => {
    await start([]);
    // Without a format the client asks for base64 and decodes it.
    const make = (format: { encodingFormat?: "float" }) =>
      new OpenAIEmbeddings({
        apiKey: "none",
        dimensions: 64,
        ...format,
        configuration: { baseURL: server!.url },
      });
    const plain = await make({ encodingFormat: "float" }).embedDocuments(["Ada lives in Oslo", "tea"]);
    expect(plain.map((vector) => vector.length)).toEqual([64, 64]);
    expect(await make({}).embedQuery("tea")).toEqual(plain[1]);
    expect(server!.requests.map((request) => request.body.encoding_format)).toEqual(["float", "base64"]);
  });

  it("takes vectors and faults for embeddings", async () => {
    await start([], { embeddings: (inputs) => (inputs[0] === "bad" ? { status: 503 } : [[1, 2]]) });
    const embeddings = new OpenAIEmbeddings({
      apiKey: "none",
      maxRetries: 0,
      encodingFormat: "float",
      configuration: { baseURL: server!.url },
    });
    expect(await embeddings.embedQuery("good")).toEqual([1, 2]);
    await expect(embeddings.embedQuery("bad")).rejects.toMatchObject({ status: 503 });
  });

  it("lists models and knows no other path", async () => {
    await start([], { models: ["a", "b"] });
    const list = (await (await fetch(`${server!.url}/models`)).json()) as { data: { id: string }[] };
    expect(list.data.map((model) => model.id)).toEqual(["a", "b"]);
    expect((await fetch(`${server!.url}/nothing`)).status).toBe(404);
  });
});
