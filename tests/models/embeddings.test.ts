import { afterEach, describe, expect, it } from "vitest";
import { AgeMemError } from "../../src/errors.js";
import { resolveEmbeddings } from "../../src/models/embeddings.js";
import { LexicalEmbeddings } from "../../src/models/lexical-embeddings.js";
import { type OpenAIServer, startOpenAIServer } from "../../src/testing/openai-server.js";

let server: OpenAIServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise;
  } catch (error) {
    return AgeMemError.isInstance(error) ? error.code : String(error);
  }
  return undefined;
}

describe("resolveEmbeddings", () => {
  it.each([
    [undefined, {}, {}, "lexical-512/2", 512],
    ["lexical", { OPENAI_API_KEY: "sk-x" }, { dims: 256 }, "lexical-256/2", 256],
    [undefined, { OPENAI_API_KEY: "sk-x" }, {}, "openai:text-embedding-3-small", 1536],
    [undefined, { OPENAI_API_KEY: "sk-x" }, { dims: 512 }, "openai:text-embedding-3-small@512", 512],
    [undefined, { OPENAI_API_KEY: "sk-x", OPENAI_BASE_URL: "http://h/v1" }, {}, "lexical-512/2", 512],
    [
      undefined,
      { OPENAI_BASE_URL: "http://h/v1", AGEMEM_EMBEDDINGS: "openai:bge" },
      {},
      "openai:bge",
      undefined,
    ],
  ])("%s with %j and %j is named %s", async (spec, env, options, name, dims) => {
    const resolved = await resolveEmbeddings(spec, env, options);
    expect(resolved.name).toBe(name);
    expect(resolved.dims).toBe(dims);
  });

  it("embeds through an OpenAI-compatible server without a key", async () => {
    server = await startOpenAIServer();
    const { embeddings } = await resolveEmbeddings(
      "openai:tiny",
      { OPENAI_BASE_URL: server.url },
      { dims: 128 },
    );
    const vector = await embeddings.embedQuery("Ada lives in Oslo");
    const [expected] = await new LexicalEmbeddings({ dims: 128 }).embedDocuments(["Ada lives in Oslo"]);
    expect(vector).toEqual(expected);
    expect(server.requests[0]!.body).toMatchObject({
      model: "tiny",
      dimensions: 128,
      encoding_format: "float",
    });
  });

  it.each([
    ["nonsense", {}, {}],
    ["openai:", { OPENAI_API_KEY: "sk-x" }, {}],
    ["openai:tiny", {}, {}],
    ["lexical", {}, { dims: 10 }],
    ["lexical", {}, { maxRetries: -1 }],
    ["openai:tiny", { OPENAI_BASE_URL: "nowhere" }, {}],
  ])("refuses %s with %j and %j", async (spec, env, options) => {
    expect(await codeOf(resolveEmbeddings(spec, env, options))).toBe("AGEMEM_CONFIG_INVALID");
  });

  it("names the package that hf: needs, when it is not installed", async () => {
    const installed = await import("@huggingface/transformers" as string).then(
      () => true,
      () => false,
    );
    if (installed) return;
    const error = await resolveEmbeddings("hf:Xenova/all-MiniLM-L6-v2", {}).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({
      code: "AGEMEM_PACKAGE_MISSING",
      remedy: "Run: npm install @huggingface/transformers",
    });
  });
});
