/** The factory that `langgraph.json` names, and the image it is deployed in. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { graph } from "../../graphs/agent.js";
import { says } from "./helpers.js";

const ROOT = resolve(import.meta.dirname, "../..");
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "agemem-graph-"));
  for (const name of ["OPENAI_API_KEY", "OPENAI_BASE_URL", "AGEMEM_MODEL"]) vi.stubEnv(name, "");
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

describe("graphs/agent.ts", () => {
  it("does not run on a container's own disk", async () => {
    vi.stubEnv("AGEMEM_STORE", undefined);
    await expect(graph()).rejects.toMatchObject({
      code: "AGEMEM_CONFIG_INVALID",
      remedy: expect.stringContaining("faiss:/path/on/a/volume"),
    });
  });

  it("tries again after a store that could not be opened", async () => {
    vi.stubEnv("AGEMEM_STORE", "nowhere:");
    await expect(graph()).rejects.toMatchObject({ code: "AGEMEM_CONFIG_INVALID" });
    vi.stubEnv("AGEMEM_STORE", `faiss:${join(folder, "store")}`);
    await expect(graph()).resolves.toBeDefined();
  });

  it("builds one agent per settings, on one store, and refuses settings that make no sense", async () => {
    const plain = await graph({ configurable: { thread_id: "1", user_id: "ada" } });
    expect(await graph({ configurable: { thread_id: "2" } })).toBe(plain);
    const small = await graph({ configurable: { max_tokens: 2000, response_tokens: 200 } });
    expect(small).not.toBe(plain);
    expect(small.store).toBe(plain.store);
    const wrong = graph({}, { executionRuntime: { context: { protocol: "xml" } } });
    await expect(wrong).rejects.toMatchObject({ code: "AGEMEM_CONFIG_INVALID" });
  });

  it("keeps its store when the server puts another into the graph", async () => {
    const agent = await graph();
    const { store } = agent;
    agent.store = undefined;
    const run = { context: { user_id: "ada" } };
    await agent.invoke(says("My name is Ada and I live in Lisbon."), run);
    const found = await store?.search(["memories", "ada"], { query: "Lisbon" });
    expect(found?.map((item) => item.value.content).join()).toContain("Lisbon");
  });
});

it("langgraphjs builds an image with both graphs and the locked packages", async () => {
  const program = join(ROOT, "node_modules/@langchain/langgraph-cli/dist/cli/cli.mjs");
  const file = join(folder, "Dockerfile");
  const args = [program, "dockerfile", file, "--config", join(ROOT, "langgraph.json")];
  await promisify(execFile)(process.execPath, args, { cwd: folder });
  const image = await readFile(file, "utf8");
  expect(image).toMatch(/^FROM langchain\/langgraphjs-api:20$/m);
  expect(image).toContain('"agent":"./graphs/agent.ts:graph"');
  expect(image).toMatch(/^RUN npm ci$/m);
  expect(image).not.toMatch(/NODE_ENV|LANGGRAPH_API_URL/); // what tells the development server
});
