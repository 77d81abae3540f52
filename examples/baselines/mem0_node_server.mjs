/**
 * Mem0's npm package (mem0ai 3.3.1, "mem0ai/oss"), which only ever adds: one extraction per call, vectors in memory, no history.
 *
 * The contract of `protocol.py`, in JavaScript. Run with the package's folder as the working directory.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const { values: given } = parseArgs({
  options: {
    port: { type: "string" },
    "base-url": { type: "string" },
    "api-key": { type: "string" },
    model: { type: "string", default: "proxied" },
    dims: { type: "string" },
  },
});
const home = mkdtempSync(join(tmpdir(), "agemem-mem0-node-"));
process.env.MEM0_TELEMETRY = "false";
process.env.MEM0_DIR = home;
process.env.HOME = home;

const entry = createRequire(join(process.cwd(), "package.json")).resolve("mem0ai/oss");
const { Memory } = await import(pathToFileURL(entry.replace(/\.js$/, ".mjs")).href);

let memory;
let scope;
let resets = 0;

async function reset(user) {
  resets++;
  scope = user;
  const endpoint = { apiKey: given["api-key"], baseURL: given["base-url"] };
  const dims = Number(given.dims);
  memory = new Memory({
    disableHistory: true,
    llm: { provider: "openai", config: { ...endpoint, model: given.model } },
    embedder: { provider: "openai", config: { ...endpoint, model: "proxied", embeddingDims: dims } },
    vectorStore: {
      provider: "memory",
      config: { collectionName: `c${resets}`, dimension: dims, dbPath: join(home, `${resets}.db`) },
    },
  });
}

function texts({ results }) {
  return results.map(({ memory: text, score }) => ({ text, score: score ?? null }));
}

const ROUTES = {
  "/reset": async ({ user }) => {
    await reset(String(user));
    return {};
  },
  "/add": async ({ messages }) => {
    await memory.add(
      messages.map(({ role, content }) => ({ role, content })),
      { userId: scope },
    );
    return {};
  },
  "/search": async ({ query, k }) => ({
    memories: texts(await memory.search(query, { filters: { user_id: scope }, topK: k })),
  }),
  "/all": async () => ({
    memories: texts(await memory.getAll({ filters: { user_id: scope }, topK: 10_000 })),
  }),
};

function send(response, status, body) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

/** One request at a time, as the Python servers: memories are compared, not raced. */
let busy = Promise.resolve();
const server = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    busy = busy.then(async () => {
      const route = ROUTES[request.url];
      if (request.method === "GET") return send(response, 200, { ok: true });
      if (!route) return send(response, 404, { error: `no route ${request.url}` });
      try {
        send(response, 200, await route(JSON.parse(Buffer.concat(parts).toString("utf8") || "{}")));
      } catch (error) {
        // The memory's failure is its result, told to whoever compares.
        process.stderr.write(`${error?.stack ?? error}\n`);
        send(response, 500, { error: String(error) });
      }
    });
  });
});
// Whoever started it holds its input open; a harness that was killed does not.
process.stdin.on("end", () => {
  rmSync(home, { recursive: true, force: true });
  process.exit(0);
});
process.stdin.resume();
server.listen(Number(given.port), "127.0.0.1");
