/** Which key the rollout service sends where: only to the addresses that its operator listed. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { endpointKeys, keyFor } from "../../../src/rollout/service/endpoint-keys.js";
import { createRolloutGraph } from "../../../src/rollout/service/graph.js";
import { parseRequest } from "../../../src/rollout/service/request-setup.js";
import { type OpenAIServer, startOpenAIServer } from "../../../src/testing/openai-server.js";
import { memoryStore, personTask } from "../setup.js";

const servers: OpenAIServer[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

describe("keyFor", () => {
  const listed = JSON.stringify({ ONE: ["https://models.example/v1"], TWO: ["http://10.0.0.5:8000"] });
  const env = { ONE: "sk-one", TWO: "sk-two", AGEMEM_ROLLOUT_KEYS: listed };

  it.each([
    ["https://models.example/v1", "sk-one"],
    ["https://models.example/v1/", "sk-one"],
    ["https://models.example/v1/deep", "sk-one"],
    ["https://models.example/v10", undefined],
    ["https://models.example/", undefined],
    ["https://models.example/v1/../v2", undefined],
    ["http://models.example/v1", undefined],
    ["https://models.example:444/v1", undefined],
    ["https://models.example.evil.com/v1", undefined],
    ["https://models.example@evil.com/v1", undefined],
    ["http://10.0.0.5:8000/v1", "sk-two"],
    ["http://10.0.0.5:8001/v1", undefined],
  ])("%s gets %s", (address, key) => {
    expect(keyFor(address, env)).toBe(key);
  });

  it("without a list the key goes to its own server only", () => {
    const own = { OPENAI_API_KEY: "sk", OPENAI_BASE_URL: "http://127.0.0.1:9/v1" };
    expect(keyFor(undefined, own)).toBe("sk");
    expect(keyFor("http://127.0.0.1:9/v1", own)).toBe("sk");
    expect(keyFor("https://api.openai.com/v1", own)).toBeUndefined();
    expect(keyFor(undefined, { OPENAI_API_KEY: "sk" })).toBe("sk");
    expect(keyFor("http://127.0.0.1:9/v1", { OPENAI_API_KEY: "sk" })).toBeUndefined();
  });

  it.each(["{", "[]", '{"A":[]}', '{"A":["models.example"]}', '{"A":"https://a"}'])(
    "refuses the table %s",
    (text) => {
      expect(() => endpointKeys({ AGEMEM_ROLLOUT_KEYS: text })).toThrow(/AGEMEM_ROLLOUT_KEYS/);
    },
  );
});

describe("the rollout graph", () => {
  const { goldFacts, ...task } = personTask();
  const request = (baseURL: string) => ({
    tasks: [{ ...task, gold_facts: goldFacts }],
    k: 1,
    policy: { model: "served", base_url: baseURL },
  });

  it.each([
    ["policy.model", { policy: { model: "gguf:/etc/passwd" } }],
    ["judge", { judge: " GGUF:/etc/passwd" }],
  ])("refuses a request whose %s names a file of the service's machine", (field, part) => {
    const asked = () => parseRequest({ ...request("http://127.0.0.1:9/v1"), ...part });
    expect(asked).toThrow(
      expect.objectContaining({ code: "AGEMEM_INPUT_ARGUMENT", details: expect.objectContaining({ field }) }),
    );
    expect(asked).toThrow(/must name a served model/);
  });

  it("sends no credential to an address that a client named, and the key to one that is listed", async () => {
    vi.stubEnv("OPENAI_API_KEY", "sk-of-the-operator");
    vi.stubEnv("OPENAI_ORG_ID", "org-secret");
    vi.stubEnv("OPENAI_PROJECT_ID", "project-secret");
    vi.stubEnv("OPENAI_CUSTOM_HEADERS", "x-gateway-token: gateway-secret");
    const server = await startOpenAIServer(() => "Porto");
    servers.push(server);
    const graph = createRolloutGraph({ openStore: memoryStore });
    await graph.invoke({ request: request(server.url) });
    expect(server.requests.length).toBeGreaterThan(0);
    for (const { headers } of server.requests) expect(JSON.stringify(headers)).not.toMatch(/sk-of|secret/);
    const before = server.requests.length;
    vi.stubEnv("AGEMEM_ROLLOUT_KEYS", JSON.stringify({ OPENAI_API_KEY: [server.url] }));
    await graph.invoke({ request: request(server.url) });
    expect(JSON.stringify(server.requests[before]?.headers)).toContain("sk-of-the-operator");
  });
});
