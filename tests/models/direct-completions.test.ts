/** Requests sent directly against those of OpenAI's client: the same bodies, headers, messages, records and failures. */
import {
  AIMessage,
  type BaseMessage,
  HumanMessage,
  SystemMessage,
  ToolMessage,
} from "@langchain/core/messages";
import { ChatOpenAI, type ChatOpenAIFields } from "@langchain/openai";
import { afterEach, describe, expect, it } from "vitest";
import { describeModelError } from "../../src/models/chat-model.js";
import { directChatModel } from "../../src/models/direct-completions.js";
import { keepAliveFetch } from "../../src/rollout/http/keep-alive-fetch.js";
import { type OpenAIServer, type ServerReply, startOpenAIServer } from "../../src/testing/openai-server.js";
import { TrajectoryRecorder } from "../../src/trajectory/recorder.js";

const servers: OpenAIServer[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

const SAMPLING: Partial<ChatOpenAIFields> = {
  temperature: 0.5,
  topP: 0.9,
  maxTokens: 64,
  logprobs: true,
  __includeRawResponse: true,
  modelKwargs: { seed: 7, return_token_ids: true, chat_template_kwargs: { enable_thinking: false } },
};
const TOOL = {
  type: "function" as const,
  function: { name: "Add_memory", description: "Stores.", parameters: { type: "object", properties: {} } },
};
const CONVERSATION: BaseMessage[] = [
  new SystemMessage("You remember."),
  new HumanMessage({ id: "h1", content: "Ünïcode, “quotes” and \u{1F98A}: I live in Tartu." }),
  new AIMessage({
    id: "a1",
    content: "",
    tool_calls: [{ name: "Add_memory", args: { content: "Tartu" }, id: "c1" }],
  }),
  new ToolMessage({ id: "t1", name: "Add_memory", content: "Stored.", tool_call_id: "c1" }),
  new HumanMessage({ id: "h2", content: [{ type: "text", text: "Where do I live?" }] }),
];

/** Both ways against servers of their own that say the same. */
async function bothWays(replies: ServerReply[], use: (model: ChatOpenAI) => Promise<unknown>) {
  const results: { outcome: unknown; server: OpenAIServer }[] = [];
  for (const way of ["client", "direct"] as const) {
    const server = await startOpenAIServer(replies);
    servers.push(server);
    const fields: ChatOpenAIFields = {
      model: "served",
      apiKey: "sk-secret",
      maxRetries: 0,
      useResponsesApi: false,
      configuration: { baseURL: server.url, defaultHeaders: { "X-Team": "memory" } },
      ...SAMPLING,
    };
    const model = way === "client" ? new ChatOpenAI(fields) : directChatModel(fields, keepAliveFetch());
    results.push({ outcome: await use(model), server });
  }
  return results as [(typeof results)[0], (typeof results)[0]];
}

async function recorded(model: ChatOpenAI) {
  const recorder = new TrajectoryRecorder();
  const config = { callbacks: [recorder], metadata: { "agemem.rollout_id": "r" } };
  const message = await model.bindTools([TOOL]).invoke(CONVERSATION, config);
  const plain = JSON.parse(JSON.stringify({ message, steps: recorder.take("r") }), (key, value) =>
    ["ts", "latency_ms", "run_id", "root_run_id"].includes(key) ? 0 : value,
  );
  return plain as { message: unknown; steps: Record<string, unknown>[] };
}

describe("a request sent directly", () => {
  it.each<[string, ServerReply]>([
    ["text", "In Tartu."],
    [
      "calls",
      {
        tool_calls: [
          { name: "Add_memory", args: { content: "A “b”" } },
          { name: "Add_memory", args: {} },
        ],
      },
    ],
    ["nothing", ""],
  ])("has the body, message and record of the client: %s", async (_, reply) => {
    const [client, direct] = await bothWays([reply], recorded);
    expect(direct.outcome).toEqual(client.outcome);
    expect((direct.outcome as Awaited<ReturnType<typeof recorded>>).steps[0]).toMatchObject({
      trainable: reply !== "",
      sampling: { temperature: 0.5, top_p: 0.9, max_tokens: 64, seed: 7 },
    });
    expect(direct.server.requests.map(({ body }) => body)).toEqual(
      client.server.requests.map(({ body }) => body),
    );
  });

  it("has the headers of the client", async () => {
    const [client, direct] = await bothWays(["ok"], (model) => model.invoke("hi"));
    const named = ({ requests }: OpenAIServer) => {
      const {
        host,
        connection,
        "accept-encoding": _,
        "content-length": length,
        ...headers
      } = requests[0]!.headers;
      const known = /^(authorization|content-type|x-team|user-agent|accept)$/;
      return { length, ...Object.fromEntries(Object.entries(headers).filter(([name]) => known.test(name))) };
    };
    expect(named(direct.server)).toEqual(named(client.server));
    expect(named(direct.server)).toMatchObject({ authorization: "Bearer sk-secret", "x-team": "memory" });
  });

  it.each<[ServerReply, string]>([
    [{ status: 400, message: "no such parameter" }, "AGEMEM_MODEL_FAILED"],
    [{ status: 401, message: "wrong key" }, "AGEMEM_MODEL_FAILED"],
    [{ status: 404, message: "no such model" }, "AGEMEM_MODEL_FAILED"],
    [{ status: 400, message: "exceeds the maximum context length" }, "AGEMEM_MODEL_CONTEXT"],
    [{ status: 500, message: "out of memory" }, "AGEMEM_MODEL_FAILED"],
    [{ fault: "drop" }, "AGEMEM_MODEL_UNREACHABLE"],
  ])("fails as the client does: %j", async (reply, code) => {
    const [client, direct] = await bothWays([reply], (model) =>
      model.invoke("hi").then(
        () => "no failure",
        (error: Error) => {
          const { code, message, details } = describeModelError(error);
          return { code, message: message.replace(/127\.0\.0\.1:\d+/, "server"), details };
        },
      ),
    );
    expect(direct.outcome).toEqual(client.outcome);
    expect(direct.outcome).toMatchObject({ code });
  });

  it("streams through the client", async () => {
    const [client, direct] = await bothWays(["In the city of Tartu."], async (model) => {
      const parts: string[] = [];
      for await (const chunk of await model.stream("Where?")) parts.push(chunk.text);
      return parts;
    });
    expect(direct.outcome).toEqual(client.outcome);
    expect(direct.server.requests[0]?.body.stream).toBe(true);
  });

  it("ends at the signal, with its reason", async () => {
    const server = await startOpenAIServer([{ fault: "hang" }]);
    servers.push(server);
    const configuration = { baseURL: server.url };
    const model = directChatModel({ model: "served", apiKey: "none", configuration }, keepAliveFetch());
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("enough")), 30);
    await expect(model.invoke("hi", { signal: controller.signal })).rejects.toThrow("enough");
  });
});
