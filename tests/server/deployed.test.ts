/**
 * The deployed agent over `langgraphjs dev`, driven by the SDK. Starts a server twice, which takes a while:
 * `npm run test:deployed`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Client } from "@langchain/langgraph-sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type OpenAIServer, type ServerHandler, startOpenAIServer } from "../../src/testing/openai-server.js";
import { MEMORY_EVENT } from "../../src/types.js";
import { freePort } from "../support/free-port.js";

const ROOT = resolve(import.meta.dirname, "../..");
const PROGRAM = join(ROOT, "node_modules/@langchain/langgraph-cli/dist/cli/cli.mjs");

/** "remember X", "forget ID", and any question; the answer to a question is what was retrieved. */
const model: ServerHandler = ({ messages = [] }) => {
  const at = messages.findLastIndex((message) => message.role === "user");
  const text = String(messages[at]?.content);
  const result = messages.slice(at).findLast((message) => message.role === "tool");
  if (result) return String(result.content);
  const [verb = "", ...rest] = text.split(" ");
  if (verb === "remember") return { tool_calls: [{ name: "Add_memory", args: { content: rest.join(" ") } }] };
  if (verb === "forget")
    return { tool_calls: [{ name: "Delete_memory", args: { memory_id: rest[0], confirmation: true } }] };
  return { tool_calls: [{ name: "Retrieve_memory", args: { query: text } }] };
};

type Values = {
  finalAnswer?: string;
  ltmVersion?: { branch: string; revision: number };
  __interrupt__?: unknown[];
};

describe.skipIf(!process.env.AGEMEM_TEST_DEPLOYED)("the deployed agent", () => {
  let folder: string;
  let openai: OpenAIServer;
  let child: ChildProcess | undefined;
  let client: Client;

  const start = async () => {
    const port = await freePort();
    const args = ["dev", "--no-browser", "--port", String(port), "--config", join(ROOT, "langgraph.json")];
    const settings = {
      LANGSMITH_TRACING: "false",
      OPENAI_API_KEY: "sk-of-the-server",
      OPENAI_BASE_URL: openai.url,
      AGEMEM_MODEL: "openai:scripted",
      AGEMEM_EMBEDDINGS: "lexical",
      AGEMEM_STORE: `faiss:${join(folder, "store")}`,
    };
    child = spawn(process.execPath, [PROGRAM, ...args], {
      cwd: ROOT,
      env: { ...process.env, ...settings },
      stdio: "ignore",
      detached: true,
    });
    client = new Client({ apiUrl: `http://127.0.0.1:${port}` });
    for (let tries = 0; ; tries++) {
      const found = await client.assistants.search({ graphId: "agent" }).catch(() => []);
      if (found.length > 0) return;
      if (tries > 240) throw new Error("the server did not start");
      await new Promise((wait) => setTimeout(wait, 500));
    }
  };
  /** The server has children of its own. */
  const kill = (signal: NodeJS.Signals) => {
    if (child?.pid) process.kill(-child.pid, signal);
    child = undefined;
  };
  const ask = async (user: string, text: string, thread?: string, assistant = "agent", more = {}) => {
    const threadId = thread ?? (await client.threads.create()).thread_id;
    const input = { messages: [{ role: "user", content: text }] };
    const payload = { input, context: { user_id: user }, ...more };
    const values = (await client.runs.wait(threadId, assistant, payload as never)) as Values;
    return { threadId, values, answer: String(values.finalAnswer) };
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "agemem-deployed-"));
    openai = await startOpenAIServer(model);
    await start();
  }, 150_000);
  afterAll(async () => {
    kill("SIGTERM");
    await openai.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("shares memory between a user's threads and not with others, and streams memory events", async () => {
    const { thread_id } = await client.threads.create();
    const ops: unknown[] = [];
    for await (const { event, data } of client.runs.stream(thread_id, "agent", {
      input: { messages: [{ role: "user", content: "remember Ada lives in Oslo." }] },
      context: { user_id: "ada" },
      streamMode: ["custom"],
    } as never)) {
      const told = data as { event?: string; op?: string; ok?: boolean };
      if (event === "custom" && told.event === MEMORY_EVENT) ops.push([told.op, told.ok]);
    }
    expect(ops).toEqual([["ADD", true]]);
    expect((await ask("ada", "Where does Ada live?")).answer).toContain("Ada lives in Oslo.");
    expect((await ask("bob", "Where does Ada live?")).answer).toContain('count="0"');
    await expect(client.runs.wait(null, "agent", { input: { messages: "Hi" } })).rejects.toThrow(/user_id/);
  }, 120_000);

  it("keeps memory when the server is killed", async () => {
    kill("SIGKILL");
    await start();
    expect((await ask("ada", "Where does Ada live?")).answer).toContain("Ada lives in Oslo.");
  }, 150_000);

  it("stops for approval and goes on with the decision", async () => {
    const careful = await client.assistants.create({
      graphId: "agent",
      config: { configurable: { interrupt_on: ["DELETE"] } },
    });
    const id = /id="(m\w+)"/.exec((await ask("ada", "Where does Ada live?")).answer)?.[1];
    const stopped = await ask("ada", `forget ${id}`, undefined, careful.assistant_id);
    expect(stopped.values.__interrupt__).toHaveLength(1);
    const decide = (type: string) => ({ input: undefined, command: { resume: { decisions: [{ type }] } } });
    const no = await ask("ada", "", stopped.threadId, careful.assistant_id, decide("reject"));
    expect(no.answer).toContain("AGEMEM_OPERATION_REJECTED");
    const again = await ask("ada", `forget ${id}`, undefined, careful.assistant_id);
    const yes = await ask("ada", "", again.threadId, careful.assistant_id, decide("approve"));
    expect(yes.answer).toBe(`Deleted memory ${id}.`);
    expect((await ask("ada", "Where does Ada live?")).answer).toContain('count="0"');
  }, 120_000);

  it('goes back in both memories with memory_consistency "checkpoint"', async () => {
    const config = { configurable: { memory_consistency: "checkpoint" } };
    const { assistant_id } = await client.assistants.create({ graphId: "agent", config });
    const { threadId } = await ask("eve", "remember Eve lives in Rome.", undefined, assistant_id);
    const then = await client.threads.getState(threadId);
    const future = await ask("eve", "remember Eve moved to Paris.", threadId, assistant_id);
    const now = await ask("eve", "Where does Eve live? moved", threadId, assistant_id);
    expect(now.answer).toContain("Eve moved to Paris.");
    const checkpointId = then.checkpoint.checkpoint_id;
    const past = await ask("eve", "Where does Eve live? moved", threadId, assistant_id, { checkpointId });
    expect(past.answer).toContain("Eve lives in Rome.");
    expect(past.answer).not.toContain("Paris");
    expect(past.values.ltmVersion?.branch).not.toBe(future.values.ltmVersion?.branch);
  }, 120_000);
});
