/**
 * A `fetch` over Node's own http client with connections that stay open.
 *
 * Node's global `fetch` spends about half a millisecond of processor time on a small request, most of it on streams
 * that a JSON answer does not need. Owns sending a text body and reading a whole answer. Leaves out retries
 * (`patient-fetch.ts`), streaming, and bodies of other kinds, which go to the global `fetch`.
 */
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Answers that cannot have a body. */
const EMPTY = new Set([101, 204, 205, 304]);

/**
 * Makes a `fetch` with connections of its own; they close when idle and do not keep the process alive.
 *
 * It resolves when the whole answer is there, and rejects with the socket's error (`code` such as ECONNREFUSED) or the
 * signal's reason.
 *
 * @param sockets connections to one server at most; default unlimited
 * @example
 * const { fetch } = new PatientFetch({ fetch: keepAliveFetch() });
 */
export function keepAliveFetch(sockets = Number.POSITIVE_INFINITY): typeof fetch {
  const settings = { keepAlive: true, maxSockets: sockets, scheduling: "lifo" as const };
  const agents = { "http:": new HttpAgent(settings), "https:": new HttpsAgent(settings) };
  return async (input, init) => {
    const url = typeof input === "string" || input instanceof URL ? new URL(input) : undefined;
    const body = init?.body ?? undefined;
    const plain = url && (url.protocol === "http:" || url.protocol === "https:");
    if (!plain || (body !== undefined && typeof body !== "string")) return fetch(input, init);
    const own = { ...init, body, agent: agents[url.protocol as keyof typeof agents] };
    const answer = await again(() => exchange(url, own));
    return REDIRECTS.has(answer.status)
      ? fetch(input, init)
      : (new WholeResponse(url.href, answer) as unknown as Response);
  };
}

interface Sent extends Omit<RequestInit, "body"> {
  body: string | undefined;
  agent: HttpAgent;
}

interface Answer {
  status: number;
  statusText: string;
  headers: IncomingMessage["headers"];
  body: Buffer;
}

/** The server closed the idle connection while the request was on its way: it is worth another one at once. */
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

function exchange(url: URL, sent: Sent): Promise<Answer> {
  const { body, agent } = sent;
  const headers: Record<string, string> = { "accept-encoding": "identity", ...plainHeaders(sent.headers) };
  if (body !== undefined) headers["content-length"] = String(Buffer.byteLength(body));
  const open = url.protocol === "https:" ? requestHttps : requestHttp;
  const signal = sent.signal ?? undefined;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const request = open(url, { method: sent.method ?? "GET", headers, agent });
    let answered = false;
    const stop = () => request.destroy(signal?.reason);
    const fail = (error: Error & { code?: string }) => {
      signal?.removeEventListener("abort", stop);
      const stale = request.reusedSocket && !answered && error.code === "ECONNRESET" && !signal?.aborted;
      reject(stale ? new StaleConnection() : signal?.aborted ? signal.reason : error);
    };
    signal?.addEventListener("abort", stop, { once: true });
    request.once("error", fail);
    request.once("response", (response) => {
      answered = true;
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.once("error", fail);
      response.once("end", () => {
        signal?.removeEventListener("abort", stop);
        const { statusCode: status = 0, statusMessage: statusText = "" } = response;
        resolve({ status, statusText, headers: response.headers, body: Buffer.concat(parts) });
      });
    });
    request.end(body);
  });
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
 * A response whose body is there. Status and text, which is all that a JSON call needs, are read without the streams
 * of the standard class; everything else is the standard class's, made when asked for.
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
  /** A text can be read more than once, which the standard does not allow and nobody relies on. */
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
      headers: Object.entries(this.answer.headers).flatMap(([name, value]) =>
        [value ?? []].flat().map((each): [string, string] => [name, each]),
      ),
    });
    return this.made;
  }
}
