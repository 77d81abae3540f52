/** The demo against an OpenAI-compatible server: the same path as a real model, with the rules behind HTTP. */
import { type AIMessage, coerceMessageLikeToMessage } from "@langchain/core/messages";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OfflinePolicy } from "../../src/offline/policy.js";
import { OfflineSummarizer } from "../../src/offline/summarizer.js";
import { SUMMARIZER_PROMPT } from "../../src/prompts.js";
import { type OpenAIServer, startOpenAIServer } from "../../src/testing/openai-server.js";
import type { WireReply, WireRequest } from "../../src/testing/openai-wire.js";
import { readTrajectoryFile } from "../../src/trajectory/file.js";
import { MEMORY_OPS, type MemoryOp } from "../../src/types.js";
import { type Finished, run, temporaryDirectory } from "./program.js";

/** What a served model would do: read the messages and the tools of the request, and nothing else. */
async function serve(request: WireRequest): Promise<WireReply> {
  const messages = (request.messages ?? []).map((message) =>
    coerceMessageLikeToMessage(message as Parameters<typeof coerceMessageLikeToMessage>[0]),
  );
  if (messages[0]?.text === SUMMARIZER_PROMPT) {
    return { content: (await new OfflineSummarizer().invoke(messages)).text };
  }
  const tools = (request.tools ?? []) as Parameters<OfflinePolicy["bindTools"]>[0];
  const response = (await new OfflinePolicy().bindTools(tools).invoke(messages)) as AIMessage;
  const calls = response.tool_calls ?? [];
  return {
    content: response.text,
    ...(calls.length
      ? { tool_calls: calls.map(({ name, args, id }) => ({ name, args, ...(id ? { id } : {}) })) }
      : {}),
  };
}

describe("demo on a served model", () => {
  let server: OpenAIServer;
  let dir: Awaited<ReturnType<typeof temporaryDirectory>>;
  let demo: Finished;

  beforeAll(async () => {
    dir = await temporaryDirectory();
    server = await startOpenAIServer(serve);
    demo = await run(["demo", "--dir", dir.path], {
      OPENAI_BASE_URL: server.url,
      OPENAI_API_KEY: "sk-test-key",
      AGEMEM_MODEL: "served-model",
    });
  }, 120_000);
  afterAll(async () => {
    await server.close();
    await dir.remove();
  });

  it("runs both sessions on it", () => {
    expect(demo.stderr).toBe("");
    expect(demo.code).toBe(0);
    expect(demo.stdout).toContain("model       served-model");
    expect(demo.stdout).toMatch(/agent +.*Lisbon/);
    expect(server.requests.length).toBeGreaterThan(20);
  });

  it("records every operation, the summarizer's calls as auxiliary, and no key", async () => {
    const effective = new Set<MemoryOp>();
    let auxiliary = 0;
    for (const session of [1, 2]) {
      for await (const record of readTrajectoryFile(`${dir.path}/session-${session}.jsonl`)) {
        expect(JSON.stringify(record)).not.toContain("sk-test-key");
        if (record.kind !== "step") continue;
        if (record.call_role === "aux") auxiliary++;
        for (const op of record.memory_ops) if (op.ok) effective.add(op.op);
      }
    }
    expect([...effective].sort()).toEqual([...MEMORY_OPS].sort());
    expect(auxiliary).toBeGreaterThan(0);
  });
});
