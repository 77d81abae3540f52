/**
 * A local OpenAI-compatible HTTP server that answers, or fails, as a test tells it to.
 *
 * Owns the routes, the script and the record of requests. Leaves out the form of the bodies (`openai-wire.ts`). It
 * listens only on 127.0.0.1 and does not check keys.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { LexicalEmbeddings } from "../models/lexical-embeddings.js";
import {
  completionBody,
  completionChunks,
  errorBody,
  type WireReply,
  type WireRequest,
} from "./openai-wire.js";

/** A failure: an HTTP error, silence until the client gives up, or a dropped connection. */
export type ServerFault =
  | { status: number; message?: string; code?: string; retryAfterSeconds?: number }
  | { fault: "hang" | "drop" };

/** The answer to a chat request; a string is its content. `delayMs` delays it. */
export type ServerReply = string | ((WireReply | ServerFault) & { delayMs?: number });

/** Computes the answer from the request body. */
export type ServerHandler = (request: WireRequest) => ServerReply | Promise<ServerReply>;

/** A request as received. */
export interface ServerRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: WireRequest;
}

/** Options of {@link startOpenAIServer}. */
export interface OpenAIServerOptions {
  /** Answers `/v1/embeddings` with vectors of the inputs, or a fault. Default: lexical embeddings. */
  embeddings?: (
    inputs: readonly string[],
    body: WireRequest,
  ) => number[][] | ServerFault | Promise<number[][]>;
  /** Models that `/v1/models` lists; default `["scripted"]`. */
  models?: readonly string[];
}

/** A running server. */
export interface OpenAIServer {
  /** Base URL including "/v1", as expected in `OPENAI_BASE_URL`. */
  readonly url: string;
  /** All requests so far, in order of arrival. */
  readonly requests: readonly ServerRequest[];
  /** Stops listening and drops open connections. */
  close(): Promise<void>;
}

/**
 * Starts the server on a free port.
 *
 * Serves `/v1/chat/completions` (plain and streamed, tool calls, usage, log-probabilities, and with
 * `return_token_ids` vLLM's `prompt_token_ids` and `token_ids`), `/v1/embeddings` and `/v1/models`.
 *
 * @param answers a function of the request, or a list of replies, one per chat request; a request beyond the last one
 * gets HTTP 400, which clients do not retry
 * @example
 * const server = await startOpenAIServer([{ status: 429, retryAfterSeconds: 1 }, "Hello"]);
 * const model = new ChatOpenAI({ model: "any", apiKey: "none", configuration: { baseURL: server.url } });
 * (await model.invoke("Hi")).text; // "Hello", after one retry
 * await server.close();
 */
export async function startOpenAIServer(
  answers: ServerHandler | readonly ServerReply[] = () => "ok",
  options: OpenAIServerOptions = {},
): Promise<OpenAIServer> {
  const requests: ServerRequest[] = [];
  const chat = typeof answers === "function" ? answers : play(answers);
  const server = createServer((incoming, response) => {
    serve(incoming, response, { requests, chat, options }).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else sendJson(response, 400, errorBody(400, `The test server failed: ${String(error)}`));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    requests,
    close: () =>
      new Promise<void>((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}

interface Context {
  readonly requests: ServerRequest[];
  readonly chat: ServerHandler;
  readonly options: OpenAIServerOptions;
}

function play(script: readonly ServerReply[]): ServerHandler {
  let next = 0;
  return () => {
    const reply = script[next++];
    return (
      reply ?? { status: 400, message: `Unexpected request ${next}: the script has ${script.length} replies` }
    );
  };
}

async function serve(incoming: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  const path = (incoming.url ?? "/").split("?", 1)[0] ?? "/";
  const body = await readBody(incoming);
  context.requests.push({ method: incoming.method ?? "GET", path, headers: incoming.headers, body });
  const route = `${incoming.method} ${path}`;
  if (route === "POST /v1/chat/completions") {
    await serveChat(await context.chat(body), body, response, `chatcmpl-${context.requests.length}`);
  } else if (route === "POST /v1/embeddings") {
    await serveEmbeddings(body, response, context.options.embeddings ?? embedLexically);
  } else if (route === "GET /v1/models") {
    const data = (context.options.models ?? ["scripted"]).map((id) => ({ id, object: "model", created: 0 }));
    sendJson(response, 200, { object: "list", data });
  } else {
    sendJson(response, 404, errorBody(404, `No route ${route}`));
  }
}

async function serveChat(
  reply: ServerReply,
  request: WireRequest,
  response: ServerResponse,
  id: string,
): Promise<void> {
  const said = typeof reply === "string" ? { content: reply } : reply;
  if ("delayMs" in said && said.delayMs) await new Promise((resolve) => setTimeout(resolve, said.delayMs));
  if (isFault(said)) return fail(said, response);
  if (!request.stream) return sendJson(response, 200, completionBody(said, request, id));
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  const chunks = completionChunks(said, request, id);
  for (const [i, chunk] of chunks.entries()) {
    if (i === said.cutAfter) {
      response.destroy();
      return;
    }
    await new Promise((resolve) => response.write(`data: ${JSON.stringify(chunk)}\n\n`, resolve));
  }
  response.end("data: [DONE]\n\n");
}

async function serveEmbeddings(
  body: WireRequest,
  response: ServerResponse,
  embed: NonNullable<OpenAIServerOptions["embeddings"]>,
): Promise<void> {
  const inputs = (Array.isArray(body.input) ? body.input : [body.input]).map(String);
  const vectors = await embed(inputs, body);
  if (!Array.isArray(vectors)) return fail(vectors, response);
  const data = vectors.map((vector, index) => ({
    object: "embedding",
    index,
    embedding:
      body.encoding_format === "base64"
        ? Buffer.from(Float32Array.from(vector).buffer).toString("base64")
        : vector,
  }));
  const prompt_tokens = inputs.join(" ").split(/\s+/).length;
  const usage = { prompt_tokens, total_tokens: prompt_tokens };
  sendJson(response, 200, { object: "list", data, model: body.model, usage });
}

function embedLexically(inputs: readonly string[], body: WireRequest): Promise<number[][]> {
  const dims = typeof body.dimensions === "number" ? body.dimensions : 256;
  return new LexicalEmbeddings({ dims }).embedDocuments([...inputs]);
}

function isFault(reply: WireReply | ServerFault): reply is ServerFault {
  return "status" in reply || "fault" in reply;
}

function fail(fault: ServerFault, response: ServerResponse): void {
  if ("fault" in fault) {
    if (fault.fault === "drop") response.destroy();
    return;
  }
  if (fault.retryAfterSeconds !== undefined) {
    response.setHeader("retry-after", String(fault.retryAfterSeconds));
  }
  const message = fault.message ?? `The server was told to answer ${fault.status}`;
  sendJson(response, fault.status, errorBody(fault.status, message, fault.code));
}

async function readBody(incoming: IncomingMessage): Promise<WireRequest> {
  const parts: Buffer[] = [];
  for await (const part of incoming) parts.push(part as Buffer);
  const text = Buffer.concat(parts).toString("utf8");
  return text === "" ? {} : (JSON.parse(text) as WireRequest);
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}
