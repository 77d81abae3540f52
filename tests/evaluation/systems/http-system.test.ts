/** A memory behind HTTP: the contract, and servers that die, hang or answer nonsense. */
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { HttpMemorySystem } from "../../../src/evaluation/systems/http-system.js";
import { NO_USAGE } from "../../../src/evaluation/systems/memory-system.js";
import { memorySystemConformance } from "./conformance.js";

const servers: Server[] = [];
async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
const stop = () => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
};

/** Keeps every message, and finds those that share a word with the question. */
function plainMemory(): RequestListener {
  let kept: { content: string; id?: string }[] = [];
  return async (request, response) => {
    let text = "";
    for await (const part of request) text += part;
    const body = text === "" ? {} : JSON.parse(text);
    const shown = (list: typeof kept) => ({
      memories: list.map(({ content, id }) => ({ text: content, sources: id ? [id] : [] })),
    });
    if (request.url === "/reset") kept = [];
    if (request.url === "/add") kept.push(...body.messages);
    const words =
      String(body.query ?? "")
        .toLowerCase()
        .match(/\w{4,}/g) ?? [];
    const found = kept.filter(({ content }) => words.some((word) => content.toLowerCase().includes(word)));
    response.end(JSON.stringify(request.url === "/search" ? shown(found) : shown(kept)));
  };
}

memorySystemConformance(
  "behind HTTP",
  async () =>
    new HttpMemorySystem({ name: "plain", url: await listen(plainMemory()), meter: () => NO_USAGE }),
  {
    recalls: true,
    chooses: true,
  },
);
afterAll(stop);

describe("a memory's server that fails", () => {
  afterEach(stop);
  const code = "AGEMEM_SYSTEM_FAILED";

  it.each([
    [
      "with an error",
      (_: unknown, response: { writeHead(status: number): { end(text: string): void } }) =>
        response.writeHead(500).end('{"error":"KeyError: facts"}'),
      /refused \/search with 500: .*KeyError/,
    ],
    [
      "with what is not JSON",
      (_: unknown, response: { end(text: string): void }) => response.end("<html>"),
      /not JSON/,
    ],
    [
      "with another protocol",
      (_: unknown, response: { end(text: string): void }) => response.end('{"results":[]}'),
      /not its protocol/,
    ],
  ] as const)("%s", async (_, listener, message) => {
    const system = new HttpMemorySystem({ name: "broken", url: await listen(listener as RequestListener) });
    await expect(system.recall("q", { k: 1 })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  it("by hanging, or not being there", async () => {
    const url = await listen(() => undefined);
    const system = new HttpMemorySystem({ name: "slow", url, timeoutMs: 50 });
    await expect(system.all()).rejects.toMatchObject({
      code,
      message: expect.stringMatching(/within 50 ms/),
    });
    stop();
    const gone = new HttpMemorySystem({ name: "gone", url });
    await expect(gone.reset({ user: "ada" })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(/cannot be reached/),
    });
    await expect(gone.ready(10)).rejects.toMatchObject({ code });
  });

  it("and lets the caller give up with a reason of its own", async () => {
    const system = new HttpMemorySystem({ name: "slow", url: await listen(() => undefined) });
    const asked = system.recall("q", { k: 1, signal: AbortSignal.timeout(20) });
    await expect(asked).rejects.toMatchObject({ name: "TimeoutError" });
  });
});

it("does not know what its calls cost without a meter", async () => {
  const system = new HttpMemorySystem({ name: "plain", url: await listen(plainMemory()) });
  await system.reset({ user: "ada" });
  const { promptTokens, responseTokens } = await system.observe([{ role: "user", content: "Hello there." }]);
  expect([promptTokens, responseTokens]).toEqual([null, null]);
  stop();
});

it("says what each call cost by its meter", async () => {
  let calls = 0;
  const plain = plainMemory();
  const url = await listen((request, response) => {
    if (request.url === "/add") calls += 3;
    plain(request, response);
  });
  const system = new HttpMemorySystem({ name: "metered", url, meter: () => ({ ...NO_USAGE, calls }) });
  await system.reset({ user: "ada" });
  expect((await system.observe([{ role: "user", content: "Runa plays the cello." }])).calls).toBe(3);
  expect((await system.recall("cello", { k: 1 })).usage.calls).toBe(0);
  stop();
});
