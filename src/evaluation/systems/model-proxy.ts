/**
 * An OpenAI-compatible endpoint that all compared memories call, so that the cost of each is counted in one place.
 *
 * Serves `/v1/chat/completions`, `/v1/embeddings` and `/v1/models` on 127.0.0.1. A memory's API key is the name of its
 * account, so that several can call at the same time. A client that asks for a stream gets the whole answer in one
 * piece. Leaves out what answers (`proxy-backends.ts`): a model in this process, a real endpoint, or a script.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { messageOf } from "../../errors.js";
import { combineUsage, NO_USAGE, type SystemUsage } from "./memory-system.js";

/** The body of a chat request in OpenAI's API. */
export interface ChatBody {
  model?: string;
  messages: { role: string; content: unknown; tool_calls?: unknown; tool_call_id?: string; name?: string }[];
  tools?: Record<string, unknown>[];
  tool_choice?: unknown;
  response_format?: { type: string; json_schema?: { schema?: Record<string, unknown> } };
  max_tokens?: number;
  max_completion_tokens?: number;
  temperature?: number;
  stream?: boolean;
}

/** A backend's answer. */
export interface ChatAnswer {
  /** `choices[0].message`. */
  message: { role: "assistant"; content: string | null; tool_calls?: unknown[] };
  finishReason: string;
  promptTokens: number;
  responseTokens: number;
}

/** What answers behind the endpoint. */
export interface ProxyBackend {
  chat(body: ChatBody): Promise<ChatAnswer>;
  /** Returns vectors, and the number of tokens embedded. */
  embed(inputs: readonly string[]): Promise<{ vectors: number[][]; tokens: number }>;
}

/** Largest request in bytes; prompts of memories are far smaller. */
const MOST_BYTES = 16 * 1024 * 1024;

/** A running endpoint. */
export class ModelProxy {
  readonly #accounts = new Map<string, SystemUsage>();
  readonly #failed = new Map<string, number>();

  private constructor(
    private readonly backend: ProxyBackend,
    private readonly server: Server,
  ) {}

  /**
   * Starts an endpoint on a free port.
   *
   * @example
   * const proxy = await ModelProxy.start(modelBackend({ model, embeddings }));
   * // run a memory with OPENAI_BASE_URL=proxy.url and OPENAI_API_KEY=mem0
   * proxy.usage("mem0").calls;
   * await proxy.close();
   */
  static async start(backend: ProxyBackend): Promise<ModelProxy> {
    const server = createServer();
    const proxy = new ModelProxy(backend, server);
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      void proxy.#serve(request, response);
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    return proxy;
  }

  /** Address including "/v1", for `OPENAI_BASE_URL`. */
  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1`;
  }

  /** Usage of an account so far; its name is the API key of its requests. */
  usage(account: string): SystemUsage {
    return this.#accounts.get(account) ?? NO_USAGE;
  }

  /** Number of the account's requests that failed. */
  failures(account: string): number {
    return this.#failed.get(account) ?? 0;
  }

  /** Stops listening and drops open connections. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const account = (request.headers.authorization ?? "").replace(/^Bearer /, "") || "none";
    try {
      const path = new URL(request.url ?? "/", this.url).pathname.replace(/^\/v1/, "");
      if (path === "/models") {
        sendJson(response, 200, { object: "list", data: [{ id: "proxied", object: "model" }] });
      } else if (path === "/chat/completions") {
        await this.#chat(account, (await readBody(request)) as ChatBody, response);
      } else if (path === "/embeddings") {
        await this.#embed(account, (await readBody(request)) as EmbeddingBody, response);
      } else
        sendJson(response, 404, { error: { message: `no route ${path}`, type: "invalid_request_error" } });
    } catch (error) {
      this.#failed.set(account, this.failures(account) + 1);
      // 400, because clients would retry after 500, although the same model would fail on the same prompt again.
      sendJson(response, 400, { error: { message: messageOf(error), type: "invalid_request_error" } });
    }
  }

  async #chat(account: string, body: ChatBody, response: ServerResponse): Promise<void> {
    const answer = await this.backend.chat(body).catch((error: unknown) => {
      // A failed call counts too.
      this.#add(account, { ...NO_USAGE, calls: 1 });
      throw error;
    });
    const { promptTokens, responseTokens } = answer;
    this.#add(account, { ...NO_USAGE, calls: 1, promptTokens, responseTokens });
    const usage = {
      prompt_tokens: promptTokens,
      completion_tokens: responseTokens,
      total_tokens: promptTokens + responseTokens,
    };
    const base = { id: "chatcmpl-proxied", created: 0, model: body.model ?? "proxied" };
    if (!body.stream) {
      const choices = [{ index: 0, message: answer.message, finish_reason: answer.finishReason }];
      return sendJson(response, 200, { ...base, object: "chat.completion", choices, usage });
    }
    const calls = answer.message.tool_calls?.map((call, index) => ({ ...(call as object), index }));
    const delta = { ...answer.message, ...(calls ? { tool_calls: calls } : {}) };
    const choices = [{ index: 0, delta, finish_reason: answer.finishReason }];
    response.writeHead(200, { "content-type": "text/event-stream" });
    const chunk = JSON.stringify({ ...base, object: "chat.completion.chunk", choices, usage });
    response.end(`data: ${chunk}\n\ndata: [DONE]\n\n`);
  }

  async #embed(account: string, body: EmbeddingBody, response: ServerResponse): Promise<void> {
    const inputs = [body.input].flat();
    if (!inputs.every((input) => typeof input === "string"))
      throw new TypeError("`input` must be text or a list of texts");
    const { vectors, tokens } = await this.backend.embed(inputs as string[]);
    this.#add(account, { ...NO_USAGE, embeddingCalls: 1, embeddingTokens: tokens });
    const data = vectors.map((vector, index) => ({
      object: "embedding",
      index,
      // OpenAI's clients ask for base64 by default.
      embedding:
        body.encoding_format === "base64"
          ? Buffer.from(Float32Array.from(vector).buffer).toString("base64")
          : vector,
    }));
    const usage = { prompt_tokens: tokens, total_tokens: tokens };
    sendJson(response, 200, { object: "list", model: body.model ?? "proxied", data, usage });
  }

  #add(account: string, usage: SystemUsage): void {
    this.#accounts.set(account, combineUsage(this.usage(account), usage));
  }
}

interface EmbeddingBody {
  model?: string;
  input: unknown;
  encoding_format?: string;
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request) {
    bytes += (part as Buffer).length;
    if (bytes > MOST_BYTES) throw new RangeError(`the request is larger than ${MOST_BYTES} bytes`);
    parts.push(part as Buffer);
  }
  return JSON.parse(Buffer.concat(parts).toString("utf8"));
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}
