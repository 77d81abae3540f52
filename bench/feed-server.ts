/**
 * The model server of `bench/feed.ts`, in a process of its own: long prompts with token ids, answers that differ.
 *
 * `GET /calls` tells how many calls there were, and when the first one after a `POST /mark` came.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { completionBody, type WireReply, type WireRequest } from "../src/testing/openai-wire.js";

let [calls, salt, marked] = [0, 1, 0];
let firstAfterMark: number | null = null;

/** Words nobody else says, so that the rollouts of a group are not copies that pack to nothing. */
function words(count: number): string {
  const said: string[] = [];
  for (let i = 0; i < count; i++) {
    salt = (salt * 48_271) % 2_147_483_647;
    said.push(salt.toString(36));
  }
  return said.join(" ");
}

/** An id for every four characters of the messages: equal beginnings have equal ids. */
function idsOf(messages: NonNullable<WireRequest["messages"]>): number[] {
  const text = messages.map(({ content }) => String(content ?? "")).join("\n");
  const ids: number[] = [];
  for (let at = 0; at + 4 <= text.length; at += 4) {
    const code = text.charCodeAt(at) * 31 + text.charCodeAt(at + 1) * 17 + text.charCodeAt(at + 2) * 7;
    ids.push(1000 + ((code + text.charCodeAt(at + 3)) % 50_000));
  }
  return ids;
}

function replyTo({ messages = [] }: WireRequest): WireReply {
  const told = String(messages.findLast(({ role }) => role === "user")?.content ?? "");
  const ids = idsOf(messages);
  if (told.trimEnd().endsWith("?")) return { content: `Porto ${words(40)}`, promptTokenIds: ids };
  const content = `${told.slice(0, 120)} ${words(60)}`;
  return { tool_calls: [{ name: "Add_memory", args: { content } }], promptTokenIds: ids };
}

const server = createServer((incoming, response) => {
  const parts: Buffer[] = [];
  incoming.on("data", (part: Buffer) => parts.push(part));
  incoming.on("end", () => {
    const send = (value: unknown): void => {
      const body = JSON.stringify(value);
      response.writeHead(200, {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
      });
      response.end(body);
    };
    if (incoming.url === "/calls") return send({ calls, firstAfterMark });
    if (incoming.url === "/mark") {
      [marked, firstAfterMark] = [Date.now(), null];
      return send({ marked });
    }
    firstAfterMark ??= Date.now();
    const request = JSON.parse(Buffer.concat(parts).toString()) as WireRequest;
    send(completionBody(replyTo(request), request, `chatcmpl-${++calls}`));
  });
});
server.listen(0, "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
// Ends with the process that started it.
process.stdin.resume().on("end", () => process.exit(0));
