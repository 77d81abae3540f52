/** The counting endpoint, as OpenAI's own clients see it. */
import { FakeListChatModel } from "@langchain/core/utils/testing";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { afterEach, expect, it } from "vitest";
import { ModelProxy, type ProxyBackend } from "../../../src/evaluation/systems/model-proxy.js";
import { modelBackend, scriptedBackend } from "../../../src/evaluation/systems/proxy-backends.js";
import { LexicalEmbeddings } from "../../../src/models/lexical-embeddings.js";
import { tokenCounter } from "../../../src/models/tokens.js";
import { ScriptedChatModel } from "../../../src/testing/scripted-model.js";

const counter = tokenCounter("gpt-4o");
const embeddings = new LexicalEmbeddings();
let proxy: ModelProxy;
afterEach(() => proxy.close());

async function client(backend: ProxyBackend, account = "mem0") {
  proxy = await ModelProxy.start(backend);
  return new ChatOpenAI({
    model: "m",
    apiKey: account,
    maxRetries: 0,
    configuration: { baseURL: proxy.url },
  });
}

it("answers and counts calls and tokens, by account", async () => {
  const model = await client(scriptedBackend(() => "Hello there.", { embeddings, counter }));
  const answer = await model.invoke("What is said in the morning?");
  expect(answer.text).toBe("Hello there.");
  const { input_tokens: prompt, output_tokens: response } = answer.usage_metadata ?? {};
  expect(proxy.usage("mem0")).toEqual({
    calls: 1,
    promptTokens: prompt,
    responseTokens: response,
    embeddingCalls: 0,
    embeddingTokens: 0,
  });
  expect(prompt).toBe(counter.countText("What is said in the morning?"));
  expect(proxy.usage("other").calls).toBe(0);
});

it("embeds, also in the base64 that OpenAI's client asks for", async () => {
  await client(scriptedBackend(() => "", { embeddings, counter }));
  const remote = new OpenAIEmbeddings({ model: "e", apiKey: "mem0", configuration: { baseURL: proxy.url } });
  const [got, want] = [await remote.embedQuery("a cello"), await embeddings.embedQuery("a cello")];
  expect(got).toHaveLength(want.length);
  for (const [at, value] of want.entries()) expect(got[at]).toBeCloseTo(value, 5);
  expect(proxy.usage("mem0")).toMatchObject({
    calls: 0,
    embeddingCalls: 1,
    embeddingTokens: counter.countText("a cello"),
  });
});

it("passes tools and their calls through a model of this process", async () => {
  const acting = new ScriptedChatModel([{ tool_calls: [{ name: "keep", args: { fact: "cello" } }] }]);
  const model = await client(modelBackend({ model: acting, embeddings, counter }));
  const tools = [
    { type: "function" as const, function: { name: "keep", parameters: { type: "object", properties: {} } } },
  ];
  const answer = await model.bindTools(tools).invoke("Runa plays the cello.");
  expect(answer.tool_calls).toMatchObject([{ name: "keep", args: { fact: "cello" } }]);
  expect(proxy.usage("mem0").calls).toBe(1);
});

it("streams the whole answer as one piece", async () => {
  const model = await client(
    modelBackend({ model: new FakeListChatModel({ responses: ["One two."] }), embeddings, counter }),
  );
  const parts: string[] = [];
  for await (const part of await model.stream("Count.")) parts.push(part.text);
  expect(parts.join("")).toBe("One two.");
});

it("tells a failure of the model once, without retries, and counts it", async () => {
  const model = await client(
    scriptedBackend(
      () => {
        throw new Error("out of ideas");
      },
      { embeddings, counter },
    ),
  );
  await expect(model.invoke("Hi")).rejects.toThrow(/out of ideas/);
  expect([proxy.usage("mem0").calls, proxy.failures("mem0")]).toEqual([1, 1]);
  const lost = await fetch(`${proxy.url}/nothing`, { method: "POST", body: "{}" });
  expect(lost.status).toBe(404);
});
