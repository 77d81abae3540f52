/** What LangSmith is sent of an agent of langchain with `ageMemMiddleware`: nothing of the run's context. */
import { awaitAllCallbacks } from "@langchain/core/callbacks/promises";
import { LangChainTracer } from "@langchain/core/tracers/tracer_langchain";
import { InMemoryStore } from "@langchain/langgraph";
import { createAgent } from "langchain";
import { Client } from "langsmith";
import { expect, it } from "vitest";
import { ageMemMiddleware } from "../../src/agent/middleware/middleware.js";
import { ScriptedChatModel } from "../../src/testing/scripted-model.js";
import { startLangSmith } from "./langsmith-server.js";

const USER = "ada-7f3c";
const SECRET = "tenant-key-99";
const long = "We talked about the harbour and its ships. ".repeat(60);

it("keeps the run's context out of traces: of the model's calls, the summarizer's and the tools'", async () => {
  const server = await startLangSmith();
  const client = new Client({ apiUrl: server.url, apiKey: "lsv2_pt_0123456789abcdef" });
  const model = new ScriptedChatModel([
    { tool_calls: [{ name: "Summary_context", args: { span: "all" } }] },
    "Noted.",
  ]);
  const agent = createAgent({
    model,
    middleware: [
      ageMemMiddleware({
        store: new InMemoryStore(),
        summarizer: new ScriptedChatModel(["They talked.", "They talked of ships."]),
        trigger: { messages: 5 },
        keep: { messages: 3 },
      }),
    ],
  });
  const messages = ["user", "assistant", "user", "assistant", "user"].map((role, i) => ({
    role,
    content: i < 4 ? long : "And?",
  }));
  const result = await agent.invoke(
    { messages },
    {
      context: { user_id: USER, api_key: SECRET } as never,
      callbacks: [new LangChainTracer({ client })] as never,
    },
  );
  await awaitAllCallbacks();
  await client.awaitPendingTraceBatches();
  await server.close();
  expect(result.messages.at(-1)?.text).toBe("Noted.");
  // The guard's summarizer, two calls of the model, and the summarizer of the tool were all traced.
  const models = [...server.runs.values()].filter((run) => run.run_type === "llm");
  expect(models).toHaveLength(4);
  expect(server.wire().includes(SECRET)).toBe(false);
  // The namespace of an operation stands in its answer; `hashNamespaces` is for that.
  const told = models.filter((run) => JSON.stringify(run.extra).includes(USER));
  expect(told.map((run) => run.name)).toEqual([]);
});
