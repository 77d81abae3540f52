/** The factory that `langgraph.json` names, and the image it is deployed in. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { MemorySaver } from "@langchain/langgraph";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { graph } from "../../graphs/agent.js";
import { PROTECTED_SETTINGS } from "../../src/server/assistant.js";
import { servedAgent } from "../../src/server/served-agent.js";
import { says } from "../agent/helpers.js";

const ROOT = resolve(import.meta.dirname, "../..");
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "agemem-graph-"));
  for (const name of ["OPENAI_API_KEY", "OPENAI_BASE_URL", "AGEMEM_MODEL"]) vi.stubEnv(name, "");
  vi.stubEnv("AGEMEM_STORE", `faiss:${join(folder, "store")}`);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

describe("graphs/agent.ts", () => {
  it("is a factory that says nothing at import where no client names its user", () => {
    expect(graph).toBeTypeOf("function");
  });

  it("does not run on a container's own disk", async () => {
    vi.stubEnv("AGEMEM_STORE", undefined);
    await expect(graph()).rejects.toMatchObject({
      code: "AGEMEM_CONFIG_INVALID",
      remedy: expect.stringContaining("faiss:/path/on/a/volume"),
    });
  });
});

describe("servedAgent", () => {
  /** As `ownedByUsers` lets it through. */
  const guarded = { metadata: { agemem_guarded: true } };
  const of = (user: string, more = {}) => ({
    configurable: { langgraph_auth_user_id: user, ...more },
    ...guarded,
  });
  const env = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
    ...process.env,
    AGEMEM_STORE: `faiss:${join(folder, "store")}`,
    LANGGRAPH_AUTH: '{"path":"./auth.ts:auth"}',
    ...more,
  });
  const open = { LANGGRAPH_AUTH: undefined, AGEMEM_TRUST_CLIENT: "1" };
  const development = {
    LANGGRAPH_AUTH: undefined,
    NODE_ENV: "development",
    LANGGRAPH_API_URL: "http://localhost:2024",
  };
  beforeEach(() => {
    vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("tries again after a store that could not be opened", async () => {
    const vars = env({ AGEMEM_STORE: "nowhere:" });
    const factory = servedAgent(vars);
    const failed = await factory(of("ada")).catch((error: Error) => error);
    expect(failed).toMatchObject({ code: "AGEMEM_CONFIG_INVALID" });
    vars.AGEMEM_STORE = `faiss:${join(folder, "store")}`;
    await expect(factory(of("ada"))).resolves.toBeDefined();
  });

  it("gives each run a graph of its own on one store, since the server sets checkpointer and store on it", async () => {
    const factory = servedAgent(env());
    const [one, two] = [await factory(of("ada")), await factory(of("ben"))];
    const { store } = two;
    expect(store).toBe(one.store);
    one.checkpointer = new MemorySaver();
    one.store = undefined;
    expect(two.checkpointer).toBeUndefined();
    expect(two.store).toBe(store);
    expect(two.nodes).toBe(one.nodes);
  });

  it("keeps its store when the server puts another into the graph", async () => {
    const agent = await servedAgent(env())(of("ada"));
    const { store } = agent;
    agent.store = undefined;
    await agent.invoke(says("My name is Ada and I live in Lisbon."), of("ada"));
    const found = await store?.search(["memories", "ada"], { query: "Lisbon" });
    expect(found?.map((item) => item.value.content).join()).toContain("Lisbon");
  });

  it.each<[string, NodeJS.ProcessEnv, object, string | undefined]>([
    ["auth, and a user", {}, of("ada"), undefined],
    ["auth without handlers", {}, { ...of("ada"), metadata: {} }, "AGEMEM_AUTH_UNGUARDED"],
    ["auth with other handlers", { AGEMEM_TRUST_HANDLERS: "1" }, { ...of("ada"), metadata: {} }, undefined],
    [
      "auth without handlers, on the development server",
      development,
      { ...of("ada"), metadata: { owner: "ada" } },
      "AGEMEM_AUTH_UNGUARDED",
    ],
    ["auth, and nobody", {}, { context: { user_id: "ada" } }, "AGEMEM_AUTH_REQUIRED"],
    ["auth, and an empty identity", {}, of(""), "AGEMEM_AUTH_REQUIRED"],
    ["no auth", { LANGGRAPH_AUTH: undefined }, { context: { user_id: "ada" } }, "AGEMEM_AUTH_REQUIRED"],
    [
      "no auth, and a stamp that a client can forge",
      { LANGGRAPH_AUTH: undefined },
      of("ada"),
      "AGEMEM_AUTH_REQUIRED",
    ],
    ["no auth, and clients that are trusted", open, { context: { user_id: "ada" } }, undefined],
    ["the development server", development, { context: { user_id: "ada" } }, undefined],
    [
      "no auth, and one memory for all",
      { LANGGRAPH_AUTH: undefined, AGEMEM_SETTINGS: '{"namespace":["memories","all"]}' },
      { context: { user_id: "ada" } },
      undefined,
    ],
  ])("with %s", async (_, more, config, code) => {
    const built = servedAgent(env(more))(config);
    if (code === undefined) await expect(built).resolves.toBeDefined();
    else
      await expect(built).rejects.toMatchObject({
        code,
        message: expect.stringMatching(`^${code}: .*\\. .*\\.$`),
      });
  });

  it.each(PROTECTED_SETTINGS)("takes %s from the operator only", async (name) => {
    const value = { interrupt_on: [], namespace: ["memories", "ada"], limits: {} }[name] ?? 1000;
    const refused = { code: "AGEMEM_AUTH_FORBIDDEN", details: { settings: [name] } };
    await expect(servedAgent(env())(of("ben", { [name]: value }))).rejects.toMatchObject(refused);
    await expect(servedAgent(env())({ ...of("ben"), context: { [name]: value } })).rejects.toMatchObject(
      refused,
    );
    const runtime = { accessContext: "threads.create_run", executionRuntime: { context: { [name]: value } } };
    await expect(servedAgent(env())(of("ben"), runtime)).rejects.toMatchObject(refused);
  });

  it("takes settings of assistants where the operator says so, over those of the server", async () => {
    const settings = { AGEMEM_SETTINGS: '{"max_steps":1,"interrupt_on":["DELETE"]}' };
    const run = { ...of("ada"), context: { max_steps: 3, max_tokens: 2000 } };
    await expect(servedAgent(env(settings))(run)).rejects.toMatchObject({ code: "AGEMEM_AUTH_FORBIDDEN" });
    const factory = servedAgent(env({ ...settings, AGEMEM_TRUST_ASSISTANTS: "1" }));
    await expect(factory(run)).resolves.toBeDefined();
    await expect(factory({ ...of("ada"), context: { protocol: "xml" } })).rejects.toMatchObject({
      code: "AGEMEM_CONFIG_INVALID",
    });
  });

  it.each([
    [{ maxTokens: 900 }, /unknown setting "maxTokens" \(did you mean "max_tokens"\?\)/],
    [{ interupt_on: ["DELETE"] }, /unknown setting "interupt_on" \(did you mean "interrupt_on"\?\)/],
    [{ interruptOn: ["DELETE"] }, /unknown setting "interruptOn" \(did you mean "interrupt_on"\?\)/],
    [{ approve: ["DELETE"] }, /setting "approve" is now called "interrupt_on"/],
    [{ "max-steps": 3 }, /"max-steps" \(did you mean "max_steps"\?\)/],
    [{ limits: { deletion: 1 } }, /"limits\.deletion" \(did you mean "deletions"\?\)/],
    [{ mode: "chat" }, /unknown setting "mode" \(did you mean "model"\?\)/],
  ])("refuses what was meant as a setting: %j", async (wrong, message) => {
    const refused = { code: "AGEMEM_CONFIG_INVALID", message: expect.stringMatching(message) };
    const factory = servedAgent(env(open));
    const user = { user_id: "ada" };
    await expect(factory({ configurable: { ...user, ...wrong } })).rejects.toMatchObject(refused);
    await expect(factory({ configurable: user, context: wrong })).rejects.toMatchObject(refused);
    const assistant = servedAgent(env({ AGEMEM_TRUST_ASSISTANTS: "1" }));
    await expect(assistant(of("ada", wrong))).rejects.toMatchObject(refused);
  });

  it("leaves alone what belongs to the server, the namespace and the application", async () => {
    const server = {
      thread_id: "t",
      run_id: "r",
      graph_id: "agent",
      assistant_id: "a",
      checkpoint_ns: "",
      langgraph_request_id: "q",
      "x-model": "m",
      __request_start_time_ms__: 1,
    };
    const run = { configurable: { ...server, user_id: "ada", locale: "de", page_title: "Home" } };
    await expect(servedAgent(env(open))(run)).resolves.toBeDefined();
    const template = { AGEMEM_SETTINGS: '{"namespace":["memories","{mode}"]}' };
    const named = { configurable: { ...server, mode: "chat" } };
    await expect(servedAgent(env({ ...open, ...template }))(named)).resolves.toBeDefined();
    const own = { configurable: { mode: "chat" }, context: { namespace: ["memories", "{mode}"] } };
    await expect(servedAgent(env(open))(own)).resolves.toBeDefined();
  });

  it("reads a thread whatever its runs brought along", async () => {
    const poisoned = of("ada", { namespace: "nonsense", interrupt_on: 5 });
    const read = servedAgent(env())(poisoned, { accessContext: "threads.read", executionRuntime: null });
    await expect(read).resolves.toBeDefined();
  });

  it.each([
    [{ AGEMEM_SETTINGS: "{" }],
    [{ AGEMEM_SETTINGS: '{"interupt_on":["DELETE"]}' }],
    [{ AGEMEM_SETTINGS: '{"interrupt_on":["Delete_memory"]}' }],
  ])("refuses %j", async (more) => {
    const built = servedAgent(env(more))(of("ada"));
    await expect(built).rejects.toMatchObject({ code: "AGEMEM_CONFIG_INVALID" });
    const hint = /unknown option "interupt_on" \(did you mean "interrupt_on"\?\)/;
    if (more.AGEMEM_SETTINGS.includes("interupt")) await expect(built).rejects.toThrow(hint);
  });

  it("says once, when the server loads it, that runs may name their user", () => {
    servedAgent(env());
    expect(process.emitWarning).not.toHaveBeenCalled();
    servedAgent(env(open));
    servedAgent(env(development));
    expect(vi.mocked(process.emitWarning).mock.calls.map(([text]) => text)).toEqual([
      expect.stringMatching(/^AGEMEM_TRUST_CLIENT=1: /),
      expect.stringMatching(/^Development server: /),
    ]);
    expect(() => servedAgent(env({ AGEMEM_TRUST_CLIENT: "yes" }))).toThrow(/AGEMEM_TRUST_CLIENT/);
  });
});

it("langgraphjs builds an image with the agent alone and the locked packages", async () => {
  const program = join(ROOT, "node_modules/@langchain/langgraph-cli/dist/cli/cli.mjs");
  const file = join(folder, "Dockerfile");
  const args = [program, "dockerfile", file, "--config", join(ROOT, "langgraph.json")];
  await promisify(execFile)(process.execPath, args, { cwd: folder });
  const image = await readFile(file, "utf8");
  expect(image).toMatch(/^FROM langchain\/langgraphjs-api:20$/m);
  expect(image).toContain('"agent":"./graphs/agent.ts:graph"');
  expect(image).not.toContain("rollout.ts");
  expect(image).toMatch(/^RUN npm ci$/m);
  expect(image).not.toMatch(/NODE_ENV|LANGGRAPH_API_URL/); // what tells the development server
});
