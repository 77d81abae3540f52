/**
 * The streaming rollout service over HTTP, as a function from `Request` to `Response`, for any server that has these.
 *
 * Owns routes, the size limit of bodies, statuses of errors, and the stream of an answer, which is made line by line as
 * the connection accepts it. Leaves out the lines (`lines.ts`) and the requests (`requests.ts`).
 */
import { z } from "zod";
import { AgeMemError, InputError } from "../../errors.js";
import { callable, checkOptions, type OptionShape, text } from "../../lib/check-options.js";
import type { TokenCounter, VersionedStore } from "../../types.js";
import { limitsOf, type ServiceLimits, serviceLimits } from "./limits.js";
import { linesOf } from "./lines.js";
import {
  acknowledgeBody,
  closeBody,
  openBody,
  ROLLOUTS_PROTOCOL,
  type RolloutLine,
  readBody,
} from "./protocol.js";
import { errorFields } from "./request-run.js";
import { Requests } from "./requests.js";

/** Options of {@link createRolloutService}. */
export interface RolloutServiceOptions {
  /** Opens a new empty store for each request, which is closed after it. */
  openStore: () => Promise<VersionedStore & { close(): Promise<void> }>;
  /** Folder for the rollouts of requests; only one service at a time may work on a request. */
  folder: string;
  /** Counts the context for a named model. Default: `tokenCounter()`. */
  counterFor?: (model: string) => TokenCounter;
  /** Name of the embeddings behind `openStore`: a request is not resumed with others. Default: not compared. */
  embeddings?: string;
  /** Default: from the environment, see docs/rollouts.md. */
  limits?: Partial<ServiceLimits>;
}

const serviceOptions = z.strictObject(
  {
    openStore: callable,
    folder: text,
    counterFor: callable.optional(),
    embeddings: text.optional(),
    limits: serviceLimits.optional(),
  } satisfies OptionShape<RolloutServiceOptions>,
  "must be an object of options",
);

/** The service; `fetch` answers the routes below `/rollouts`. */
export interface RolloutService {
  fetch(request: Request): Promise<Response>;
  /** Suspends all requests: they resume from the folder when they are sent again. */
  close(): Promise<void>;
}

/** HTTP statuses of errors; any other code is 500. */
const STATUSES: Partial<Record<string, number>> = {
  AGEMEM_INPUT_ARGUMENT: 400,
  AGEMEM_CONFIG_INVALID: 400,
  AGEMEM_ROLLOUTS_PROTOCOL: 400,
  AGEMEM_ROLLOUTS_UNKNOWN: 404,
  AGEMEM_RECORDING_SETTINGS: 409,
  AGEMEM_RECORDING_LOCKED: 409,
  AGEMEM_ROLLOUTS_SIZE: 413,
  AGEMEM_ROLLOUTS_BUSY: 429,
};

/**
 * Builds the service of `agemem.rollouts/1`: groups are streamed as they finish and are acknowledged one by one. After
 * a lost connection, a killed reader or a killed service a request resumes without running a finished rollout again.
 * docs/rollouts.md describes the protocol and its limits.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for options that are wrong or unknown
 * @example
 * const service = createRolloutService({ openStore: () => FaissStore.open(":memory:"), folder: ".agemem/rollouts" });
 * app.all("/rollouts/*", (context) => service.fetch(context.req.raw));
 */
export function createRolloutService(options: RolloutServiceOptions): RolloutService {
  checkOptions(serviceOptions, options, "createRolloutService");
  const { openStore, counterFor, embeddings, folder } = options;
  const limits = limitsOf(options.limits ?? {});
  const requests = new Requests(folder, { openStore, counterFor, embeddings }, limits);
  return {
    fetch: async (request) => {
      try {
        return await route(request, requests, limits);
      } catch (error) {
        return refusal(error);
      }
    },
    close: () => requests.end(),
  };
}

async function route(request: Request, requests: Requests, limits: ServiceLimits): Promise<Response> {
  const asked = `${request.method} ${new URL(request.url).pathname.replace(/\/$/, "")}`;
  switch (asked) {
    case "GET /rollouts":
      return Response.json({ protocols: [ROLLOUTS_PROTOCOL], limits, open: requests.ids });
    case "POST /rollouts":
      return answer(readBody(openBody, await readJsonBody(request, limits.requestBytes)), requests, limits);
    case "POST /rollouts/acknowledge": {
      const body = readBody(acknowledgeBody, await readJsonBody(request, limits.requestBytes));
      const { delivery } = await requests.acknowledge(body.request_id, body.groups);
      return Response.json({ held: delivery.held, acknowledged: delivery.acknowledgedCount });
    }
    case "POST /rollouts/close": {
      const body = readBody(closeBody, await readJsonBody(request, limits.requestBytes));
      const id = body.request_id;
      const closed = body.finished ? await requests.finish(id) : await requests.close(id);
      return Response.json({ closed: closed ? id : null });
    }
    default:
      return Response.json({ code: null, message: `No such route: ${asked}`, remedy: null }, { status: 404 });
  }
}

async function answer(
  body: z.infer<typeof openBody>,
  requests: Requests,
  limits: ServiceLimits,
): Promise<Response> {
  const { run, signal, leave } = await requests.connect(body);
  const { format = "records" } = body.request as { format?: typeof run.request.format };
  const lines = linesOf(run, body, format, signal, limits.aliveMs);
  return new Response(toStream(lines, signal, leave), {
    headers: {
      "content-type": "application/x-ndjson",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    },
  });
}

/** Makes a line only when the connection requests one; the rest stays on disk. */
function toStream(
  lines: AsyncGenerator<RolloutLine>,
  signal: AbortSignal,
  leave: () => void,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { value, done } = await lines.next();
          if (!done) return controller.enqueue(encoder.encode(`${JSON.stringify(value)}\n`));
        } catch (error) {
          // Suspending a request closes the recording under its readers; they send the request again.
          if (!signal.aborted) {
            const line: RolloutLine = { event: "error", ...errorFields(error) };
            controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
          }
        }
        controller.close();
        leave();
      },
      cancel() {
        leave();
      },
    },
    { highWaterMark: 16 * 1024, size: (line) => line?.byteLength ?? 0 },
  );
}

/** @throws InputError `AGEMEM_ROLLOUTS_SIZE`, `AGEMEM_INPUT_ARGUMENT` if it is not JSON */
async function readJsonBody(request: Request, limit: number): Promise<unknown> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of request.body ?? []) {
    bytes += piece.length;
    if (bytes > limit) {
      throw new InputError("AGEMEM_ROLLOUTS_SIZE", `The request is larger than ${limit} bytes`, {
        remedy: "Send fewer tasks at a time, or raise AGEMEM_ROLLOUT_MAX_REQUEST_BYTES.",
        details: { limit },
      });
    }
    pieces.push(piece);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString("utf8"));
  } catch (cause) {
    throw new InputError("AGEMEM_INPUT_ARGUMENT", "The request's body is not JSON", {
      cause,
      remedy: "See docs/rollouts.md for the form of the request.",
    });
  }
}

function refusal(error: unknown): Response {
  const status = AgeMemError.isInstance(error) ? (STATUSES[error.code] ?? 500) : 500;
  const headers: Record<string, string> = status === 429 ? { "retry-after": "5" } : {};
  return Response.json(errorFields(error), { status, headers });
}
