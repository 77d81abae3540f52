/**
 * What a request costs this process over each HTTP client: the reason for `src/rollout/http/keep-alive-fetch.ts`.
 *
 * The same bodies, 64 at once, to the server of `rollout-server.ts`; clients take turns, the best of three rounds each.
 */
import pLimit from "p-limit";
import { Agent, request, fetch as undiciFetch } from "undici";
import { keepAliveFetch } from "../src/rollout/http/keep-alive-fetch.js";

const headers = { "content-type": "application/json" };
type Send = (url: string, body: string) => Promise<string>;

function clients(): Record<string, Send> {
  const own = keepAliveFetch();
  const dispatcher = new Agent({ pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });
  return {
    keep_alive_fetch: async (url, body) => (await own(url, { method: "POST", headers, body })).text(),
    undici_agent_request: async (url, body) =>
      (await request(url, { method: "POST", headers, body, dispatcher })).body.text(),
    undici_fetch: async (url, body) =>
      (await undiciFetch(url, { method: "POST", headers, body, dispatcher })).text(),
    global_fetch: async (url, body) => (await fetch(url, { method: "POST", headers, body })).text(),
  };
}

/** The library alone: undici's `Agent` and the standard `Response`, for whole rollouts. */
export function agentFetch(): typeof fetch {
  const dispatcher = new Agent({ pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });
  return async (input, init) => {
    const { statusCode, headers, body } = await request(String(input), {
      method: (init?.method ?? "GET") as "POST",
      headers: Object.fromEntries(new Headers(init?.headers)),
      body: (init?.body as string | undefined) ?? null,
      signal: init?.signal ?? null,
      dispatcher,
    });
    const known = Object.entries(headers).flatMap(([name, value]) => (value ? [[name, String(value)]] : []));
    return new Response(await body.text(), { status: statusCode, headers: known as [string, string][] });
  };
}

/** Milliseconds of processor time per request of each client. */
export async function httpCost(
  baseURL: string,
  bodies: readonly string[],
  concurrency: number,
): Promise<Record<string, number>> {
  const best: Record<string, number> = {};
  const url = `${baseURL}/chat/completions`;
  for (let round = -1; round < 3; round++) {
    for (const [name, send] of Object.entries(clients())) {
      const limit = pLimit(concurrency);
      const before = process.cpuUsage();
      await Promise.all(bodies.map((body) => limit(() => send(url, body))));
      const { user, system } = process.cpuUsage(before);
      const cost = (user + system) / 1000 / bodies.length;
      if (round >= 0) best[`${name}_cpu_ms`] = Math.min(best[`${name}_cpu_ms`] ?? cost, cost);
    }
  }
  return best;
}
