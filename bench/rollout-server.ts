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
/** Prompts have an id for about every four characters; which ones does not matter here. */
const IDS = Array.from({ length: 20_000 }, (_, i) => 1000 + (i % 50_000));

/** Stores what it is told, answers a question. */
function replyTo({ messages = [] }: WireRequest, characters: number): WireReply {
  const promptTokenIds = IDS.slice(0, characters / 4);
  const last = messages.findLast((message) => message.role === "user");
  const told = String(last?.content ?? "").split("\n\n")[0] ?? "";
  if (told.endsWith("?")) return { content: "Porto", promptTokenIds };
  return { tool_calls: [{ name: "Add_memory", args: { content: told } }], promptTokenIds };
}

let calls = 0;
const server = createServer((incoming, response) => {
  const parts: Buffer[] = [];
  incoming.on("data", (part: Buffer) => parts.push(part));
  incoming.on("end", () => {
    const text = Buffer.concat(parts).toString();
    const request: WireRequest = JSON.parse(text);
    const reply = replyTo(request, text.length);
    const body = JSON.stringify(completionBody(reply, request, `chatcmpl-${++calls}`));
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
