/**
 * The model server of `bench/rollout.ts`, in a process of its own: answers after 50 ms, always the same.
 *
 * Bodies are those of the test server; what that keeps of every request would cost processor time here, which the
 * measured process needs on a machine of two cores.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { completionBody, type WireReply, type WireRequest } from "../src/testing/openai-wire.js";

const DELAY_MS = 50;

/** Stores what it is told, answers a question. */
function replyTo({ messages = [] }: WireRequest): WireReply {
  const last = messages.findLast((message) => message.role === "user");
  const told = String(last?.content ?? "").split("\n\n")[0] ?? "";
  if (told.endsWith("?")) return { content: "Porto" };
  return { tool_calls: [{ name: "Add_memory", args: { content: told } }] };
}

let calls = 0;
const server = createServer((incoming, response) => {
  const parts: Buffer[] = [];
  incoming.on("data", (part: Buffer) => parts.push(part));
  incoming.on("end", () => {
    const request: WireRequest = JSON.parse(Buffer.concat(parts).toString());
    const body = JSON.stringify(completionBody(replyTo(request), request, `chatcmpl-${++calls}`));
    setTimeout(() => {
      response.writeHead(200, {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
      });
      response.end(body);
    }, DELAY_MS);
  });
});
server.listen(0, "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`);
});
// Ends with the process that started it.
process.stdin.resume().on("end", () => process.exit(0));
