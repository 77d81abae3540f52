/**
 * Sends OpenAI chat completions with a plain `fetch` instead of OpenAI's client.
 *
 * The client's request building, retries and streams cost as much CPU time as the rest of a call. `@langchain/openai`
 * still converts messages, parameters and answers, and the client still supplies the headers and raises the errors:
 * only the transport of the JSON body differs (`tests/models/direct-completions.test.ts` compares both). Leaves out
 * streaming, which goes through the client.
 */
import { ChatOpenAI, ChatOpenAICompletions, type ChatOpenAIFields } from "@langchain/openai";

type Completions = ChatOpenAICompletions["completionWithRetry"];
type Request = Parameters<Completions>[0];
type Options = Parameters<Completions>[1];

/** What all requests of a model share. */
interface Envelope {
  url: string;
  headers: Record<string, string>;
}

/**
 * A `ChatOpenAI` that sends its requests with the given `fetch`: it does not retry, and only the signal ends a request.
 *
 * @example
 * const model = directChatModel({ model: "qwen", apiKey, configuration: { baseURL } }, patient.fetch);
 */
export function directChatModel(fields: ChatOpenAIFields, send: typeof fetch): ChatOpenAI {
  const own = { ...fields, maxRetries: 0, timeout: 86_400_000, useResponsesApi: false };
  return new ChatOpenAI({ ...own, completions: new DirectCompletions(own, send) });
}

class DirectCompletions extends ChatOpenAICompletions {
  private envelope: Promise<Envelope> | undefined;

  constructor(
    private readonly own: ChatOpenAIFields,
    private readonly send: typeof fetch,
  ) {
    super(own);
  }

  override completionWithRetry = ((request: Request, options?: Options) =>
    request.stream
      ? this.throughClient(this.send, request, options)
      : this.post(request, options)) as Completions;

  private async post(request: Request, options: Options): Promise<unknown> {
    this.envelope ??= this.describe();
    const { url, headers } = await this.envelope;
    const signal = options?.signal ?? null;
    const body = bodyOf(request);
    const response = await this.send(url, { method: "POST", headers, body, signal });
    if (response.ok) return JSON.parse(await response.text());
    // Hand the same answer to the client, so that it throws its usual error.
    return this.throughClient(async () => response, request, options);
  }

  /** URL and headers as the client would send them. */
  private async describe(): Promise<Envelope> {
    this._getClientOptions({});
    const { req, url } = await this.client.buildRequest({
      method: "post",
      path: "/chat/completions",
      body: {},
    });
    const headers: Record<string, string> = {};
    req.headers.forEach((value, name) => {
      headers[name] = value;
    });
    return { url, headers };
  }

  private throughClient(send: typeof fetch, request: Request, options: Options) {
    const configuration = { ...this.own.configuration, fetch: send };
    return new ChatOpenAICompletions({ ...this.own, configuration }).completionWithRetry(
      request as never,
      options,
    );
  }
}

/** JSON of each tool: tools are bound once but sent with every call, and make up most of a short request. */
const written = new WeakMap<object, string>();

/** The request as JSON; tools seen before are not serialized again. */
function bodyOf(request: Request): string {
  const { tools } = request;
  if (!tools?.length) return JSON.stringify(request);
  const fields = Object.entries(request).flatMap(([key, value]) => {
    const text = key === "tools" ? `[${tools.map(toolText).join(",")}]` : JSON.stringify(value);
    return text === undefined ? [] : `${JSON.stringify(key)}:${text}`;
  });
  return `{${fields.join(",")}}`;
}

function toolText(tool: object): string {
  const known = written.get(tool) ?? JSON.stringify(tool);
  written.set(tool, known);
  return known;
}
