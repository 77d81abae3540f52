/**
 * Ben tries to get at Ada's memories and threads on LangGraph's development server with auth, by every field, endpoint
 * and path of the store that a client can send. Starts three servers, which takes a while: `npm run test:deployed`.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "@langchain/langgraph-sdk";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { tokenFor } from "../../examples/auth/auth.js";
import { type OpenAIServer, type ServerHandler, startOpenAIServer } from "../../src/testing/openai-server.js";
import { type DevServer, startDevServer } from "../support/dev-server.js";
import { type Attack, endpointAttacks, fieldAttacks, type Target, threadRunAttacks } from "./attacks.js";
import { craftedRunAttacks, crossedAttacks, windowAttacks } from "./crafted-attacks.js";

const SECRET = "marigold";
const KEY = "sk-of-the-operator";
const OWN_APP = { AUTH_SECRET: "a long random text", AGEMEM_SETTINGS: '{"interrupt_on":["DELETE"]}' };

/** "wait X" is answered when it opens. */
let gate = openable();
function openable(): { opened: Promise<void>; open: () => void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** "remember X", "forget ID", "wait X", and any question; the answer to a question is what was retrieved. */
const model: ServerHandler = async ({ messages = [] }) => {
  const at = messages.findLastIndex((message) => message.role === "user");
  const text = String(messages[at]?.content);
  const result = messages.slice(at).findLast((message) => message.role === "tool");
  if (result) return String(result.content);
  const [verb = "", ...rest] = text.split(" ");
  if (verb === "wait") {
    await gate.opened;
    return "Done.";
  }
  if (verb === "remember") return { tool_calls: [{ name: "Add_memory", args: { content: rest.join(" ") } }] };
  if (verb === "forget")
    return { tool_calls: [{ name: "Delete_memory", args: { memory_id: rest[0], confirmation: true } }] };
  return { tool_calls: [{ name: "Retrieve_memory", args: { query: text } }] };
};

describe.skipIf(!process.env.AGEMEM_TEST_DEPLOYED)("the deployed agent under attack", () => {
  let folder: string;
  let openai: OpenAIServer;
  let server: DevServer;

  beforeAll(async () => {
    vi.stubEnv("AUTH_SECRET", OWN_APP.AUTH_SECRET);
    folder = await mkdtemp(join(tmpdir(), "agemem-attacks-"));
    openai = await startOpenAIServer(model);
  });
  afterEach(() => server?.stop());
  afterAll(async () => {
    vi.unstubAllEnvs();
    await openai.close();
    await rm(folder, { recursive: true, force: true });
  });

  const start = async (config: string, env: NodeJS.ProcessEnv) => {
    const model = { OPENAI_API_KEY: KEY, OPENAI_BASE_URL: openai.url, AGEMEM_MODEL: "openai:scripted" };
    server = await startDevServer(config, { ...model, AGEMEM_EMBEDDINGS: "lexical", ...OWN_APP, ...env });
  };
  const clientOf = (token: string) =>
    new Client({ apiUrl: server.url, apiKey: null, defaultHeaders: { authorization: `Bearer ${token}` } });
  const ask = async (client: Client, user: string, content: string, thread?: string, assistant = "agent") => {
    const threadId = thread ?? (await client.threads.create()).thread_id;
    const payload = { input: { messages: [{ role: "user", content }] }, context: { user_id: user } };
    const values = await client.runs.wait(threadId, assistant, payload as never);
    return { threadId, values: values as { finalAnswer?: string; __interrupt__?: unknown[] } };
  };

  /** Ada's memory, her thread, one that waits for her word, and an assistant of the operator's. */
  const prepare = async (ada: Client, assistant: string, ben: Client): Promise<Target> => {
    const { threadId: thread } = await ask(ada, "ada", `remember The ${SECRET} is in the secret drawer.`);
    const { values } = await ask(ada, "ada", "Where is the secret?", thread);
    const memory = /id="(m\w+)"/.exec(String(values.finalAnswer))?.[1] ?? "";
    expect(values.finalAnswer).toContain(SECRET);
    const { threadId: waiting } = await ask(ada, "ada", `forget ${memory}`);
    const state = await ada.threads.getState(thread);
    const [run] = await ada.runs.list(thread);
    const checkpoint = state.checkpoint.checkpoint_id ?? "";
    const { thread_id: own } = await ben.threads.create();
    return { thread, waiting, run: run?.run_id ?? "", checkpoint, assistant, memory, own };
  };

  /** The answer to a request. A stream may never end: it is read for some seconds. */
  const send = async ({ method, path, body, raw, headers = {}, anonymous }: Attack, token: string) => {
    const login: Record<string, string> = anonymous ? {} : { authorization: `Bearer ${token}` };
    const mayHang = path.includes("stream");
    let text = "";
    try {
      const answer = await fetch(`${server.url}${path}`, {
        method,
        headers: { "content-type": "application/json", ...login, ...headers },
        ...(body === undefined && raw === undefined ? {} : { body: raw ?? JSON.stringify(body) }),
        signal: AbortSignal.timeout(mayHang ? 5_000 : 120_000),
      });
      for await (const part of answer.body ?? []) text += Buffer.from(part);
      return { refused: !answer.ok || text.includes("__error__") || text.includes("event: error"), text };
    } catch (error) {
      if (!mayHang)
        throw new Error(`${method} ${path} ${JSON.stringify(body)?.slice(0, 200)}`, { cause: error });
      return { refused: text.includes("event: error"), text };
    }
  };

  /** Those that got at something of Ada's, or were not refused where they must be. */
  const succeeded = async (
    attacks: Attack[],
    token: string,
    whatAdaHas: () => Promise<string>,
    atOnce = 1,
  ) => {
    const before = await whatAdaHas();
    const through: string[] = [];
    for (let i = 0; i < attacks.length; i += atOnce) {
      const some = attacks.slice(i, i + atOnce);
      const answers = await Promise.all(some.map((attack) => send(attack, token)));
      const changed = (await whatAdaHas()) !== before ? "CHANGED " : "";
      for (const [j, { refused, text }] of answers.entries()) {
        const { name, mustFail } = some[j] as Attack;
        const told = [SECRET, KEY, OWN_APP.AUTH_SECRET].some((secret) => text.includes(secret));
        if (told || changed || (mustFail && !refused))
          through.push(`${name} -> ${changed}${text.slice(0, 200)}`);
      }
    }
    return through;
  };
  const hers = (ada: Client, target: Target, ids: () => Promise<unknown>) => async () => {
    const states = await Promise.all([target.thread, target.waiting].map((id) => ada.threads.getState(id)));
    const threads = await Promise.all([target.thread, target.waiting].map((id) => ada.threads.get(id)));
    const kept = states.map(({ values, next, tasks }) => ({ values, next, tasks: tasks.length }));
    return JSON.stringify([kept, threads.map(({ metadata }) => metadata), await ids()]);
  };
  const told = (attacks: Attack[], through: string[], what: string) =>
    process.stdout.write(`attacks on ${what}: ${through.length} of ${attacks.length} succeeded\n`);

  /** Attacks on Ada's first run on a thread while the model has not answered; it must end well. */
  const underWay = async (ada: Client, token: string) => {
    gate = openable();
    const { thread_id } = await ada.threads.create();
    const input = { messages: [{ role: "user", content: `wait The ${SECRET} is gone.` }] };
    const { run_id } = await ada.runs.create(thread_id, "agent", { input });
    await vi.waitFor(
      async () => expect((await ada.threads.getState(thread_id)).values).toHaveProperty("memoryOwner"),
      { timeout: 60_000, interval: 200 },
    );
    const attacks = windowAttacks(thread_id, run_id);
    const status = async () => `${thread_id} ${(await ada.runs.get(thread_id, run_id)).status}`;
    expect(await status()).toContain("running");
    const through = await succeeded(attacks, token, status);
    gate.open();
    await vi.waitFor(async () => expect(await status()).toContain("success"), {
      timeout: 60_000,
      interval: 200,
    });
    return { attacks, through };
  };
  /** Whether the thread protocol's WebSocket opens. */
  const opensSocket = (thread: string, token: string) =>
    new Promise<boolean>((settle) => {
      const headers = {
        authorization: `Bearer ${token}`,
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
      };
      const asking = request(`${server.url}/threads/${thread}/stream/events`, { headers, timeout: 10_000 });
      asking.on("upgrade", (_, socket) => {
        socket.destroy();
        settle(true);
      });
      for (const event of ["response", "error", "timeout", "close"]) asking.on(event, () => settle(false));
      asking.end();
    });

  it.each([
    ["its own store", (at: string) => ({ AGEMEM_STORE: `faiss:${at}` })],
    [
      "the server's store",
      () => ({
        AGEMEM_STORE: "platform",
        AGEMEM_SETTINGS: '{"interrupt_on":["DELETE"],"namespace":["memories","{langgraph_auth_user_id}"]}',
      }),
    ],
  ])(
    "holds out every field and endpoint with the handlers of the example, on %s",
    async (what, env) => {
      await start("examples/auth/langgraph.json", {
        ...env(join(folder, "one")),
        AGEMEM_TRUST_ASSISTANTS: "1",
      });
      const [ada, ben, operator] = [tokenFor("ada"), tokenFor("ben"), tokenFor("op", ["agemem:operator"])];
      const careful = { graphId: "agent", config: { configurable: { max_steps: 3 } } };
      const { assistant_id } = await clientOf(operator).assistants.create(careful);
      const target = await prepare(clientOf(ada), assistant_id, clientOf(ben));
      const memories = () => clientOf(operator).store.searchItems(["memories"], { limit: 100 });
      const attacks = [
        ...fieldAttacks(),
        ...threadRunAttacks(target),
        ...endpointAttacks(target),
        ...craftedRunAttacks(target),
        ...crossedAttacks(target),
        ...windowAttacks(target.waiting, target.run),
      ];
      const look = hers(clientOf(ada), target, async () =>
        what === "its own store" ? [] : (await memories()).items.length,
      );
      const through = await succeeded(attacks, ben, look);
      const busy = await underWay(clientOf(ada), ben);
      attacks.push(...busy.attacks);
      through.push(...busy.through);
      told(attacks, through, what);
      expect(through).toEqual([]);
      expect(attacks.length).toBeGreaterThan(350);
      expect(await opensSocket(target.thread, ben)).toBe(false);
      // And Ada goes on undisturbed: her memory is there, her thread goes on, her word counts.
      const { values } = await ask(clientOf(ada), "ada", "Where is the secret?", target.thread, assistant_id);
      expect(values.finalAnswer).toContain(target.memory);
      const decide = { command: { resume: { decisions: [{ type: "approve" }] } } };
      const gone = (await clientOf(ada).runs.wait(target.waiting, "agent", decide as never)) as {
        finalAnswer: string;
      };
      expect(gone.finalAnswer).toBe(`Deleted memory ${target.memory}.`);
      if (what === "its own store") return;
      const own = await clientOf(ben).store.searchItems(["memories", "ben"]);
      expect(own.items).toEqual([]);
    },
    900_000,
  );

  it("serves no user where an auth has no handlers, and says so", async () => {
    await start("tests/fixtures/auth/langgraph.json", { AGEMEM_STORE: `faiss:${join(folder, "bare")}` });
    for (const user of ["ada", "ben"]) {
      const refused = ask(clientOf(user), user, "Hello.");
      await expect(refused).rejects.toThrow(/AGEMEM_AUTH_UNGUARDED: .*ownedByUsers.*AGEMEM_TRUST_HANDLERS=1/);
    }
    const nothing = { thread: "", waiting: "", run: "", checkpoint: "", assistant: "", memory: "", own: "" };
    const runs = [...fieldAttacks(), ...craftedRunAttacks(nothing)].filter(
      ({ path }) => path === "/runs/wait",
    );
    const attacks = runs.map((attack) => ({ ...attack, mustFail: true }));
    const through = await succeeded(attacks, "ben", async () => "", 8);
    told(attacks, through, "an auth without handlers");
    expect(through).toEqual([]);
  }, 900_000);

  it("holds out by itself what reaches the graph, with an auth that only says who a user is", async () => {
    await start("tests/fixtures/auth/langgraph.json", {
      AGEMEM_STORE: `faiss:${join(folder, "two")}`,
      AGEMEM_TRUST_HANDLERS: "1",
    });
    const target = await prepare(clientOf("ada"), "", clientOf("ben"));
    // Commands on a thread of Ben's own are for the handlers to refuse; here they must only tell nothing of Ada's.
    const crafted = craftedRunAttacks(target).filter(({ path }) => path === "/runs/wait");
    const fields = [...fieldAttacks(), ...crafted.map((attack) => ({ ...attack, mustFail: false }))];
    const runs = threadRunAttacks(target);
    const attacks = [...fields, ...runs];
    const nothing = async () => "";
    // A refused run leaves nothing in the thread. What the server itself keeps of a thread changes with each run.
    const states = async () => {
      const both = [target.thread, target.waiting].map((id) => clientOf("ada").threads.getState(id));
      return JSON.stringify((await Promise.all(both)).map(({ values, next }) => ({ values, next })));
    };
    // On one thread one after the other: a busy thread would refuse whatever comes.
    const through = [
      ...(await succeeded(fields, "ben", nothing, 8)),
      ...(await succeeded(runs, "ben", states)),
    ];
    told(attacks, through, "the graph alone");
    expect(through).toEqual([]);
    // Code and remedy reach the client.
    const refused = ask(clientOf("ben"), "ben", "Where is the secret?", target.thread);
    await expect(refused).rejects.toThrow(/AccessError.*AGEMEM_THREAD_OWNER: .*Start a thread of your own/);
    const setting = clientOf("ben").runs.wait(null, "agent", {
      input: {},
      context: { interrupt_on: [] },
    } as never);
    await expect(setting).rejects.toThrow(/AGEMEM_AUTH_FORBIDDEN: .*interrupt_on.*AGEMEM_SETTINGS/);
    const { values } = await ask(clientOf("ada"), "ben", "Where is the secret?");
    expect(values.finalAnswer).toContain(SECRET);
    expect(server.output()).toContain("AGEMEM_TRUST_CLIENT");
  }, 900_000);
});
