/** The lean `fetch`: answers as the global one gives them, over connections that stay open. */
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { keepAliveFetch } from "../../../src/rollout/http/keep-alive-fetch.js";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

async function serve(listener: RequestListener): Promise<{ url: string; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer(listener).on("connection", (socket) => sockets.push(socket));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, sockets };
}

const echo: RequestListener = async (request, response) => {
  let body = "";
  for await (const part of request) body += part;
  const { "content-type": type, "content-length": length } = request.headers;
  response.writeHead(201, { "x-one": "1", "set-cookie": ["a=1", "b=2"] });
  response.end(JSON.stringify({ method: request.method, type, length, body }));
};

async function seen(response: Response) {
  const { status, statusText } = response;
  return { status, statusText, one: response.headers.get("x-one"), body: await response.json() };
}

describe("keepAliveFetch", () => {
  it("gives what the global fetch gives, for bodies of any script", async () => {
    const { url } = await serve(echo);
    const init = {
      method: "POST",
      body: '{"text":"żółw \u{1F422}"}',
      headers: { "content-type": "application/json" },
    };
    const expected = await seen(await fetch(url, init));
    expect(await seen(await keepAliveFetch()(url, init))).toEqual(expected);
    expect(await seen(await keepAliveFetch()(url, { ...init, headers: new Headers(init.headers) }))).toEqual(
      expected,
    );
    expect(expected).toMatchObject({ status: 201, one: "1" });
  });

  it("uses one connection for requests that follow each other", async () => {
    const { url, sockets } = await serve(echo);
    const send = keepAliveFetch();
    for (let i = 0; i < 5; i++) await (await send(url, { method: "POST", body: `${i}` })).text();
    expect(sockets).toHaveLength(1);
  });

  it("sends a request again that met a connection the server had closed, and no other", async () => {
    let requests = 0;
    const { url } = await serve((request, response) => {
      if (++requests === 2 || requests === 4) request.socket.resetAndDestroy();
      else response.end("fine");
    });
    const send = keepAliveFetch();
    await (await send(url)).text();
    expect(await (await send(url)).text()).toBe("fine");
    expect(requests).toBe(3);
    await expect(keepAliveFetch()(url)).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(requests).toBe(4);
  });

  it("rejects with the socket's code, and with the signal's reason at once", async () => {
    await expect(keepAliveFetch()("http://127.0.0.1:9/v1")).rejects.toMatchObject({ code: "ECONNREFUSED" });
    const { url } = await serve(() => undefined);
    const controller = new AbortController();
    const waiting = keepAliveFetch()(url, { signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    await expect(keepAliveFetch()(url, { signal: controller.signal })).rejects.toThrow("enough");
  });

  it("rejects when the answer breaks off in the middle", async () => {
    const { url, sockets } = await serve((_, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("half", () => sockets[0]?.destroy());
    });
    await expect(keepAliveFetch()(url)).rejects.toMatchObject({ code: "ECONNRESET" });
  });

  it("follows redirects and reads answers without a body", async () => {
    const { url } = await serve((request, response) => {
      if (request.url === "/v1") response.writeHead(307, { location: "/other" }).end();
      else response.writeHead(request.url === "/other" ? 200 : 204).end();
    });
    expect((await keepAliveFetch()(url)).status).toBe(200);
    expect((await keepAliveFetch()(`${url}/none`)).status).toBe(204);
  });
});
