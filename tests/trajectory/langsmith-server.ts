/** A local HTTP server that stands in for LangSmith: takes runs and feedback, keeps every byte it was sent. */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/** A run as LangSmith has it after all posts and patches. */
export interface TracedRun {
  id: string;
  name: string;
  run_type: string;
  parent_run_id?: string;
  trace_id: string;
  dotted_order: string;
  tags?: string[];
  error?: string;
  inputs?: unknown;
  outputs?: unknown;
  end_time?: unknown;
  extra?: { metadata?: Record<string, unknown> };
}

export interface FeedbackBody {
  id: string;
  run_id: string;
  key: string;
  score: number;
  comment?: string;
}

export interface LangSmithServer {
  url: string;
  runs: ReadonlyMap<string, TracedRun>;
  feedback: FeedbackBody[];
  /** All bodies and request lines, without headers. */
  wire(): string;
  close(): Promise<void>;
}

/** Starts it; it asks for plain batches, which are easier to read than the multipart form. */
export async function startLangSmith(): Promise<LangSmithServer> {
  const runs = new Map<string, TracedRun>();
  const feedback: FeedbackBody[] = [];
  const wire: string[] = [];
  const take = (body: { post?: TracedRun[]; patch?: TracedRun[] }): void => {
    for (const run of [...(body.post ?? []), ...(body.patch ?? [])]) {
      const known = runs.get(run.id);
      const given = Object.fromEntries(Object.entries(run).filter(([, value]) => value != null));
      runs.set(run.id, { ...known, ...given } as TracedRun);
    }
  };
  const server = createServer(async (request, response) => {
    const text = await read(request);
    wire.push(`${request.method} ${request.url}\n${text}`);
    response.setHeader("content-type", "application/json");
    if (request.url?.startsWith("/info")) {
      response.end(
        JSON.stringify({ version: "0.10.0", batch_ingest_config: { use_multipart_endpoint: false } }),
      );
      return;
    }
    if (request.url === "/runs/batch") take(JSON.parse(text));
    if (request.url?.startsWith("/feedback")) feedback.push(JSON.parse(text));
    response.end(request.url?.startsWith("/feedback") ? text : "{}");
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    runs,
    feedback,
    wire: () => wire.join("\n"),
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
