import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { END, InMemoryStore, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { openEnvironment } from "../../src/server/environment.js";
import { PlatformStore } from "../../src/server/platform-store.js";
import { FaissStore } from "../../src/store/faiss-store.js";
import { ScriptedChatModel } from "../../src/testing/scripted-model.js";
import { ada, calls, outcomesOf, says, scripted } from "../agent/helpers.js";
import { startPostgres } from "../tools/postgres.js";

describe("AGEMEM_STORE", () => {
  let folder: string;
  let postgres: Awaited<ReturnType<typeof startPostgres>>;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "agemem-environment-"));
    postgres = await startPostgres();
  }, 120_000);
  afterAll(async () => {
    await postgres?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("faiss:DIRECTORY opens a durable store", async () => {
    const env = { AGEMEM_STORE: `faiss:${join(folder, "store")}` };
    for (const known of [0, 1]) {
      const { store } = await openEnvironment({ env });
      expect(store).toBeInstanceOf(FaissStore);
      expect(await store.search(["memories"], {})).toHaveLength(known);
      await store.put(["memories", "ada"], "m1", { content: "x" });
      await (store as FaissStore).close();
    }
  });

  it.each(["postgres:URL", "URL"])("%s opens PostgreSQL, and memory outlives the process", async (form) => {
    const env = { AGEMEM_STORE: form.replace("URL", postgres.url) };
    const user = { context: { user_id: `user_${form}` } };
    const first = await openEnvironment({ env });
    const { agent } = scripted(
      [calls(["Add_memory", { content: "Ada lives in Oslo." }]), "Noted."],
      first.agent,
    );
    await agent.invoke(says("I live in Oslo."), user);
    await first.store.stop();
    const second = await openEnvironment({ env });
    const again = scripted(
      [calls(["Retrieve_memory", { query: "Where does Ada live?" }]), "Oslo."],
      second.agent,
    );
    const { messages } = await again.agent.invoke(says("Where do I live?"), user);
    expect(messages.at(-2)?.text).toContain("Ada lives in Oslo.");
    await second.store.stop();
  });

  it("platform uses the store of whoever runs the graph", async () => {
    const { agent: parts, store } = await openEnvironment({ env: { AGEMEM_STORE: "platform" } });
    expect(store).toBeInstanceOf(PlatformStore);
    const { agent } = scripted(
      [
        calls(
          ["Add_memory", { content: "Ada lives in Oslo." }],
          ["Retrieve_memory", { query: "x" }],
          ["Summary_context", { span: "all" }],
        ),
        "Noted.",
      ],
      { ...parts, summarizer: new ScriptedChatModel(["They talked."]) },
    );
    const served = new InMemoryStore();
    agent.store = served; // as the server does
    const { messages } = await agent.invoke(says("I live in Oslo. ".repeat(10), "I like it."), ada("t"));
    expect(outcomesOf(messages).map((o) => o.ok)).toEqual([true, true, true]);
    expect((await served.search(["memories", "ada"])).map((item) => item.value.content)).toEqual([
      "Ada lives in Oslo.",
    ]);
    expect(await served.search(["agemem-archive", "t"])).toHaveLength(1);
  });

  it("platform outside of a graph that has a store says so", async () => {
    const store = new PlatformStore();
    const alone = new StateGraph(MessagesAnnotation)
      .addNode("get", async () => {
        await store.get(["a"], "b");
        return {};
      })
      .addEdge(START, "get")
      .addEdge("get", END)
      .compile();
    await expect(alone.invoke({ messages: [] })).rejects.toMatchObject({ code: "AGEMEM_CONFIG_INVALID" });
  });

  it.each(["", "faiss:", "redis:x", "postgres:", "platforms"])("refuses %j", async (setting) => {
    const opening = openEnvironment({ env: { AGEMEM_STORE: setting } });
    await expect(opening).rejects.toMatchObject({ code: "AGEMEM_CONFIG_INVALID" });
  });

  it("says what is wrong with a server, without the password", async () => {
    const opening = openEnvironment({ env: { AGEMEM_STORE: "postgres://me:hunter2@127.0.0.1:1/x" } });
    const error = await opening.catch((caught: Error) => caught);
    expect(error).toMatchObject({ code: "AGEMEM_STORE_PATH" });
    expect(JSON.stringify(error) + (error as Error).message).not.toContain("hunter2");
  });
});

describe("a deployed graph without AGEMEM_STORE", () => {
  const dev = { NODE_ENV: "development", LANGGRAPH_API_URL: "http://localhost:2024" };
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "agemem-deployed-"));
    vi.spyOn(process, "cwd").mockReturnValue(folder);
  });
  afterAll(async () => {
    vi.restoreAllMocks();
    await rm(folder, { recursive: true, force: true });
  });

  it.each<NodeJS.ProcessEnv>([
    {},
    { NODE_ENV: "production" },
    { NODE_ENV: "development" },
    { ...dev, NODE_ENV: "production" },
  ])("is refused with %j, and nothing is written", async (env) => {
    await expect(openEnvironment({ env, deployed: true })).rejects.toMatchObject({
      code: "AGEMEM_CONFIG_INVALID",
      remedy: "Set AGEMEM_STORE=faiss:/path/on/a/volume | postgres:URL | platform.",
    });
    expect(await readdir(folder)).toEqual([]);
  });

  it.each([
    ["the development server", { env: dev, deployed: true }],
    ["a script", { env: { NODE_ENV: "production" } }],
  ])("the default is open to %s", async (_, options) => {
    const { store } = await openEnvironment(options);
    await store.stop();
    expect(await readdir(folder)).toEqual([".agemem"]);
    await rm(join(folder, ".agemem"), { recursive: true });
  });

  it("is fine where a store is named", async () => {
    const env = { NODE_ENV: "production", AGEMEM_STORE: "platform" };
    await expect(openEnvironment({ env, deployed: true })).resolves.toBeDefined();
  });
});
