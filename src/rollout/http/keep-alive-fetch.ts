/**
 * A `fetch` on undici's bare clients, whose connections stay open.
 *
 * Node's global `fetch` spends about half a millisecond of processor time on a small request, most of it on streams
 * that a JSON answer does not need; Node's http client spends twice as much as undici's dispatcher. Owns connections,
 * sending a text body and reading a whole answer. Leaves out retries (`patient-fetch.ts`), streaming, and other kinds
 * of bodies, which go to the global `fetch`.
 */
import { Client, type Dispatcher } from "undici";

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Answers that cannot have a body. */
const EMPTY = new Set([101, 204, 205, 304]);

/**
 * Makes a `fetch` with its own connections, one per concurrent request; they close when idle and do not
 * keep the process alive.
 *
 * It resolves once the whole answer has arrived, and rejects with the socket's error (`code` such as ECONNREFUSED) or
 * the signal's reason.
 *
 * @example
 * const { fetch } = new PatientFetch({ fetch: keepAliveFetch() });
 */
export function keepAliveFetch(): typeof fetch {
  const servers = new Map<string, Connections>();
  return async (input, init) => {
    const url = typeof input === "string" || input instanceof URL ? new URL(input) : undefined;
    const body = init?.body ?? undefined;
    const plain = url && (url.protocol === "http:" || url.protocol === "https:");
    if (!plain || (body !== undefined && typeof body !== "string")) return fetch(input, init);
    const connections = servers.get(url.origin) ?? new Connections(url.origin);
    servers.set(url.origin, connections);
    const answer = await again(() => exchange(connections, url, { ...init, body }));
    return REDIRECTS.has(answer.status)
      ? fetch(input, init)
      : (new WholeResponse(url.href, answer) as unknown as Response);
  };
}

interface Connection {
  readonly client: Client;
  open: boolean;
}

/** Idle connections to one server. The last one used is taken next, so that spare ones time out. */
class Connections {
  private readonly idle: Connection[] = [];

  constructor(private readonly origin: string) {}

  take(): Connection {
    return this.idle.pop() ?? this.make();
  }

  giveBack(connection: Connection): void {
    this.idle.push(connection);
  }

  private make(): Connection {
    // The caller's signal limits the time of a request.
    const limits = { headersTimeout: 0, bodyTimeout: 0, connect: { timeout: 0 } };
    const client = new Client(this.origin, { pipelining: 1, ...limits });
    const connection = { client, open: false };
    client.on("connect", () => {
      connection.open = true;
    });
    client.on("disconnect", () => {
      connection.open = false;
    });
    return connection;
  }
}

interface Sent extends Omit<RequestInit, "body"> {
  body: string | undefined;
}

interface Answer {
  status: number;
  statusText: string;
  /** Names and values alternate, as received. */
  headers: readonly Buffer[];
  body: Buffer;
}

/** The server closed the idle connection just as the request was sent, so it is sent again at once. */
class StaleConnection extends Error {
  override readonly name = "StaleConnection";
}

async function again(send: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error;
    }
  }
}

function exchange(connections: Connections, url: URL, sent: Sent): Promise<Answer> {
  const signal = sent.signal ?? undefined;
  const request: Dispatcher.DispatchOptions = {
    method: (sent.method ?? "GET") as Dispatcher.HttpMethod,
    path: `${url.pathname}${url.search}`,
    headers: { "accept-encoding": "identity", ...plainHeaders(sent.headers) },
    body: sent.body ?? null,
  };
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const connection = connections.take();
    const reused = connection.open;
    const answer: Answer = { status: 0, statusText: "", headers: [], body: Buffer.alloc(0) };
    const parts: Buffer[] = [];
    let abort: ((reason: Error) => void) | undefined;
    const stop = () => {
      reject(signal?.reason);
      abort?.(signal?.reason);
    };
    const done = () => {
      signal?.removeEventListener("abort", stop);
      connections.giveBack(connection);
    };
    signal?.addEventListener("abort", stop, { once: true });
    connection.client.dispatch(request, {
      onConnect: (cancel) => {
        abort = cancel;
        // An abort while connecting found nothing to cancel.
        if (signal?.aborted) cancel(signal.reason);
      },
      onHeaders: (status, headers, _resume, statusText) => {
        // Interim answers (100 to 199) come before the final one.
        if (status >= 200) Object.assign(answer, { status, statusText, headers });
        return true;
      },
      onData: (part) => {
        parts.push(part);
        return true;
      },
      onComplete: () => {
        done();
        answer.body = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
        resolve(answer);
      },
      onError: (error) => {
        done();
        const failure = socketError(error);
        const stale = reused && answer.status === 0 && failure.code === "ECONNRESET" && !signal?.aborted;
        reject(stale ? new StaleConnection() : signal?.aborted ? signal.reason : failure);
      },
    });
  });
}

/** Replaces undici's code for a connection that the server closed by the code of Node's sockets. */
function socketError(error: Error & { code?: string }): Error & { code?: string } {
  if (error.code !== "UND_ERR_SOCKET") return error;
  return Object.assign(new Error(error.message, { cause: error }), { code: "ECONNRESET" });
}

function plainHeaders(given: RequestInit["headers"]): Record<string, string> {
  if (given && !(given instanceof Headers) && !Array.isArray(given)) return given as Record<string, string>;
  const headers: Record<string, string> = {};
  new Headers(given).forEach((value, name) => {
    headers[name] = value;
  });
  return headers;
}

/**
 * A response whose body has arrived. Status and text, all that a JSON call needs, are read without the streams of the
 * standard class; anything else comes from a standard response, made when it is asked for.
 */
class WholeResponse implements Omit<Response, "bytes"> {
  readonly redirected = false;
  readonly type = "default" as const;
  private made: Response | undefined;

  constructor(
    readonly url: string,
    private readonly answer: Answer,
  ) {}

  get status(): number {
    return this.answer.status;
  }
  get statusText(): string {
    return this.answer.statusText;
  }
  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }
  get headers(): Headers {
    return this.standard.headers;
  }
  get body(): Response["body"] {
    return this.standard.body;
  }
  get bodyUsed(): boolean {
    return this.standard.bodyUsed;
  }
  /** Can be called more than once, unlike the standard's; nobody relies on that error. */
  async text(): Promise<string> {
    return this.answer.body.toString("utf8");
  }
  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }
  clone(): Response {
    return this.standard.clone();
  }
  arrayBuffer(): Promise<ArrayBuffer> {
    return this.standard.arrayBuffer();
  }
  blob(): ReturnType<Response["blob"]> {
    return this.standard.blob();
  }
  formData(): ReturnType<Response["formData"]> {
    return this.standard.formData();
  }

  private get standard(): Response {
    const { status, statusText, body } = this.answer;
    this.made ??= new Response(EMPTY.has(status) ? null : new Uint8Array(body), {
      status,
      statusText,
      headers: headerPairs(this.answer.headers),
    });
    return this.made;
  }
}

function headerPairs(raw: readonly Buffer[]): [string, string][] {
  const text = raw.map((part) => part.toString("latin1"));
  return text.flatMap((name, i): [string, string][] => (i % 2 === 0 ? [[name, text[i + 1] ?? ""]] : []));
}
