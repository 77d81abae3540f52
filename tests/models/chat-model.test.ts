import { inspect } from "node:util";
import type { ChatOpenAI } from "@langchain/openai";
import { afterEach, describe, expect, it } from "vitest";
import { AgeMemError, ModelError } from "../../src/errors.js";
import { chatModelSpec, describeModelError, resolveChatModel } from "../../src/models/chat-model.js";
import { type OpenAIServer, type ServerReply, startOpenAIServer } from "../../src/testing/openai-server.js";

const KEY = "sk-proj-abcdef0123456789";
let server: OpenAIServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return AgeMemError.isInstance(error) ? error.code : String(error);
  }
  return undefined;
}

describe("chatModelSpec", () => {
  it.each([
    [undefined, {}, "offline"],
    ["offline", { OPENAI_API_KEY: KEY }, "offline"],
    [undefined, { OPENAI_API_KEY: KEY }, "openai:gpt-4o-mini"],
    [undefined, { OPENAI_API_KEY: KEY, AGEMEM_MODEL: "gpt-5" }, "openai:gpt-5"],
    [undefined, { OPENAI_API_KEY: " ", AGEMEM_MODEL: "" }, "offline"],
    [undefined, { OPENAI_BASE_URL: "http://h/v1", AGEMEM_MODEL: "qwen2.5:7b" }, "openai:qwen2.5:7b"],
    ["openai:gpt-4o", { AGEMEM_MODEL: "other" }, "openai:gpt-4o"],
  ])("%s with %j is %s", (spec, env, expected) => {
    expect(chatModelSpec(spec, env)).toBe(expected);
  });

  it.each([
    ["openai:", {}],
    [undefined, { OPENAI_BASE_URL: "http://h/v1" }],
  ])("refuses %s with %j", (spec, env) => {
    expect(codeOf(() => chatModelSpec(spec, env))).toBe("AGEMEM_CONFIG_INVALID");
  });
});

describe("resolveChatModel", () => {
  it("talks to a server without a key, with the settings asked for", async () => {
    server = await startOpenAIServer(["hello"]);
    const env = { OPENAI_BASE_URL: `${server.url}/`, AGEMEM_MODEL: "tiny" };
    const options = { temperature: 0.5, topP: 0.9, maxTokens: 64, seed: 7, body: { top_k: 5 } };
    const answer = await resolveChatModel(undefined, env, options).invoke("hi");
    expect(answer.text).toBe("hello");
    expect(answer.additional_kwargs).not.toHaveProperty("__raw_response");
    const { body, headers } = server.requests[0]!;
    expect(body).toMatchObject({ model: "tiny", temperature: 0.5, top_p: 0.9, seed: 7, top_k: 5 });
    expect(body.max_tokens ?? body.max_completion_tokens).toBe(64);
    expect(body).not.toHaveProperty("return_token_ids");
    expect(body.logprobs ?? false).toBe(false);
    expect(headers.authorization).toBe("Bearer not-needed");
  });

  it("records tokens, also when the caller streams", async () => {
    server = await startOpenAIServer(() => "one two");
    const env = { OPENAI_BASE_URL: server.url, OPENAI_API_KEY: KEY, AGEMEM_MODEL: "tiny" };
    const model = resolveChatModel(undefined, env, { recordTokens: true });
    const chunks = [];
    for await (const chunk of await model.stream("hi")) chunks.push(chunk);
    expect(chunks).toHaveLength(1);
    const raw = chunks[0]!.additional_kwargs.__raw_response as { choices: { token_ids: number[] }[] };
    expect(raw.choices[0]!.token_ids).toHaveLength(2);
    expect(server.requests[0]!.body).toMatchObject({ return_token_ids: true, logprobs: true });
  });

  it("does not send vLLM's fields to OpenAI itself", () => {
    const model = resolveChatModel("gpt-4o", { OPENAI_API_KEY: KEY }, { recordTokens: true }) as ChatOpenAI;
    expect(model.modelKwargs ?? {}).not.toHaveProperty("return_token_ids");
    const official = { OPENAI_API_KEY: KEY, OPENAI_BASE_URL: "https://api.openai.com/v1" };
    const direct = resolveChatModel("gpt-4o", official, { recordTokens: true }) as ChatOpenAI;
    expect(direct.modelKwargs ?? {}).toEqual({});
  });

  it.each([
    ["offline", { OPENAI_API_KEY: KEY }, {}],
    [undefined, {}, {}],
    ["openai:gpt-4o", {}, {}],
    ["m", { OPENAI_BASE_URL: "localhost:8000" }, {}],
    ["m", { OPENAI_BASE_URL: "file:///etc" }, {}],
    ["m", { OPENAI_API_KEY: KEY }, { temperature: 3 }],
    ["m", { OPENAI_API_KEY: KEY }, { maxTokens: 0 }],
    ["m", { OPENAI_API_KEY: KEY }, { timeoutMs: Number.NaN }],
  ])("refuses %s with %j and %j", (spec, env, options) => {
    expect(codeOf(() => resolveChatModel(spec, env, options))).toBe("AGEMEM_CONFIG_INVALID");
  });
});

describe("describeModelError", () => {
  async function failure(reply: ServerReply, maxRetries = 0): Promise<ModelError> {
    server = await startOpenAIServer(() => reply);
    return fail(server.url, { maxRetries, timeoutMs: 200 });
  }

  async function fail(url: string, options = {}): Promise<ModelError> {
    const env = { OPENAI_BASE_URL: url, OPENAI_API_KEY: KEY };
    const model = resolveChatModel("tiny", env, { maxRetries: 0, ...options });
    const error = await model.invoke("hi").then(
      () => {
        throw new Error("the call should have failed");
      },
      (reason: unknown) => reason,
    );
    return describeModelError(error, { model: "tiny", baseURL: url, secrets: [KEY] });
  }

  it.each([
    [401, undefined, /OPENAI_API_KEY/],
    [403, undefined, /OPENAI_API_KEY/],
    [404, undefined, /AGEMEM_MODEL/],
    [429, undefined, /rate limit/],
    [429, "insufficient_quota", /billing/],
    [400, "context_length_exceeded", /token budget/],
    [400, undefined, /refused/],
    [500, undefined, /log/],
    [503, undefined, /log/],
  ])("HTTP %d %s has a remedy", async (status, code, remedy) => {
    const error = await failure({ status, message: `no (${code}) for ${KEY}`, ...(code && { code }) });
    expect(error).toBeInstanceOf(ModelError);
    const tooLong = code === "context_length_exceeded";
    expect(error.code).toBe(tooLong ? "AGEMEM_MODEL_CONTEXT" : "AGEMEM_MODEL_FAILED");
    expect(error.remedy).toMatch(remedy);
    expect(error.toLine()).toContain('"tiny"');
    expect(inspect(error, { depth: 10 })).not.toContain(KEY);
    expect(error.toLine()).not.toContain("\n");
    if (code !== "context_length_exceeded") expect(error.details.status).toBe(status);
  });

  it.each([
    ["a hanging server", { fault: "hang" }, /timed out/],
    ["a dropped connection", { fault: "drop" }, /dropped|connection failed/],
  ] as const)("%s is unreachable", async (_, reply, message) => {
    const error = await failure(reply);
    expect(error.code).toBe("AGEMEM_MODEL_UNREACHABLE");
    expect(error.message).toMatch(message);
  });

  it("a refused connection and an unknown host are unreachable, and say why", async () => {
    const gone = await startOpenAIServer();
    await gone.close();
    const refused = await fail(gone.url);
    expect(refused.code).toBe("AGEMEM_MODEL_UNREACHABLE");
    expect(refused.message).toContain("refused");
    expect(refused.remedy).toContain("OPENAI_BASE_URL");
    const unknown = await fail("http://no-such-host.invalid/v1");
    expect(unknown.code).toBe("AGEMEM_MODEL_UNREACHABLE");
    expect(unknown.message).toMatch(/host name/);
  });

  it("keeps a ModelError, and blots keys out of anything else", () => {
    const known = new ModelError("AGEMEM_MODEL_FAILED", "known");
    expect(describeModelError(known)).toBe(known);
    const odd = describeModelError(
      new Error("Bearer abc.def at http://user:pass@host/ with sk-12345678", { cause: { key: KEY } }),
    );
    expect(odd.code).toBe("AGEMEM_MODEL_FAILED");
    const shown = inspect(odd, { depth: 10 });
    for (const secret of ["abc.def", "user:pass", "sk-12345678", KEY]) expect(shown).not.toContain(secret);
    expect(describeModelError("just text").message).toContain("just text");
    const circular = new Error("loop");
    circular.cause = circular;
    expect(describeModelError(circular).code).toBe("AGEMEM_MODEL_FAILED");
  });
});
