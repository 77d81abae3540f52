/** What LangSmith is sent, against a local server in its place: the run tree, its metadata, feedback, and no keys. */
import { awaitAllCallbacks } from "@langchain/core/callbacks/promises";
import { LangChainTracer } from "@langchain/core/tracers/tracer_langchain";
import { InMemoryStore } from "@langchain/langgraph";
import { Client } from "langsmith";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createAgeMemAgent } from "../../src/agent/agent.js";
import { LexicalEmbeddings } from "../../src/models/lexical-embeddings.js";
import { FaissStore } from "../../src/store/faiss-store.js";
import { ScriptedChatModel } from "../../src/testing/scripted-model.js";
import { hashNamespaces, namespaceHash } from "../../src/tools/tracing.js";
import { sendRewardFeedback } from "../../src/trajectory/langsmith-feedback.js";
import { TrajectoryRecorder } from "../../src/trajectory/recorder.js";
import type { StepRecord } from "../../src/trajectory/schema.js";
import { METADATA } from "../../src/types.js";
import { type LangSmithServer, startLangSmith, type TracedRun } from "./langsmith-server.js";
import { textStep, trajectory } from "./records.js";

const USER = "ada-7f3c";
const NAMESPACE = namespaceHash(["memories", USER]);
const KEYS = { LANGSMITH_API_KEY: "lsv2_pt_0123456789abcdef", OPENAI_API_KEY: "sk-0123456789abcdef" };

/** One run of the agent: stores, condenses, is refused, answers. */
async function runAgent(callbacks: unknown[]): Promise<StepRecord[]> {
  const store = await FaissStore.open(":memory:", { index: { embeddings: new LexicalEmbeddings() } });
  const call = (name: string, args: Record<string, unknown>) => ({ name, args });
  const agent = createAgeMemAgent({
    model: new ScriptedChatModel([
      {
        tool_calls: [
          call("Add_memory", { content: "Lives in Oslo." }),
          call("Summary_context", { span: "all" }),
        ],
      },
      { tool_calls: [call("Delete_memory", { memory_id: "nope", confirmation: true })] },
      "Noted.",
    ]),
    summarizer: new ScriptedChatModel(["They greeted."]),
    store,
  });
  const long = "We talked about the harbour and its ships. ".repeat(20);
  const recorder = new TrajectoryRecorder();
  await agent.invoke(
    {
      messages: [
        { role: "user", content: long },
        { role: "assistant", content: "Yes." },
        { role: "user", content: "I live in Oslo." },
      ],
    },
    {
      context: { user_id: USER },
      callbacks: [recorder, ...callbacks] as never,
      metadata: { [METADATA.rolloutId]: "r1", [METADATA.stage]: 3 },
    },
  );
  await store.close();
  return recorder.take("r1");
}

/** Names of a run's children, in order. */
function childrenOf(server: LangSmithServer, parent: TracedRun | undefined): TracedRun[] {
  return [...server.runs.values()]
    .filter((run) => run.parent_run_id === parent?.id && !run.tags?.includes("langsmith:hidden"))
    .filter((run) => run.name !== "RunnableLambda")
    .sort((a, b) => (a.dotted_order < b.dotted_order ? -1 : 1));
}

describe("tracing switched on by the environment", () => {
  let server: LangSmithServer;
  let steps: StepRecord[];
  const before = { ...process.env };
  const named = (name: string) => [...server.runs.values()].find((run) => run.name === name);
  const metadataOf = (name: string) => named(name)?.extra?.metadata;

  beforeAll(async () => {
    server = await startLangSmith();
    Object.assign(process.env, KEYS, { LANGSMITH_TRACING: "true", LANGSMITH_ENDPOINT: server.url });
    steps = await runAgent([]);
    await awaitAllCallbacks();
    await vi.waitFor(() => expect(server.runs.get(steps[0]?.root_run_id ?? "")?.end_time).toBeDefined());
  });
  afterAll(async () => {
    process.env = before;
    await server.close();
  });

  it("sends the tree: think, tool, think, tool, think, answer, with the operations below", () => {
    const root = server.runs.get(steps[0]?.root_run_id ?? "");
    expect(root).toMatchObject({ name: "agemem", run_type: "chain", trace_id: root?.id });
    const nodes = childrenOf(server, root);
    expect(nodes.map(({ name }) => name)).toEqual(["think", "tool", "think", "tool", "think", "answer"]);
    const below = nodes.map((node) => childrenOf(server, node).map(({ name, run_type }) => [name, run_type]));
    expect(below).toEqual([
      [["agemem.think", "llm"]],
      [
        ["Add_memory", "tool"],
        ["Summary_context", "tool"],
      ],
      [["agemem.think", "llm"]],
      [["Delete_memory", "tool"]],
      [["agemem.think", "llm"]],
      [],
    ]);
    expect(childrenOf(server, named("Summary_context")).map(({ name }) => name)).toEqual([
      "agemem.summarize",
    ]);
    for (const run of server.runs.values()) {
      expect(run.error, run.name).toBeUndefined();
      expect(run.end_time, run.name).toBeDefined();
      expect(run.extra?.metadata, run.name).toMatchObject({ "agemem.rollout_id": "r1", "agemem.stage": 3 });
    }
  });

  it("has the calls of the recording, by the same ids", () => {
    for (const step of steps) {
      expect(server.runs.get(step.run_id)).toMatchObject({ run_type: "llm", trace_id: step.root_run_id });
      expect(step.revision_before === null).toBe(step.call_role === "aux");
    }
    expect(metadataOf("agemem.think")).toMatchObject({
      "agemem.call_role": "policy",
      "agemem.protocol": "native",
      "agemem.revision": 0,
    });
    const summarizer = named("agemem.summarize");
    expect(summarizer?.tags).toEqual(expect.arrayContaining(["nostream", "agemem:aux"]));
    expect(summarizer?.extra?.metadata).toMatchObject({ "agemem.call_role": "aux", "agemem.op": "SUMMARY" });
  });

  it("tells what each operation did", () => {
    expect(named("Add_memory")?.tags).toContain("agemem:memory");
    expect(metadataOf("Add_memory")).toMatchObject({
      "agemem.op": "ADD",
      "agemem.ok": true,
      "agemem.namespace_hash": NAMESPACE,
      "agemem.memories": 1,
      "agemem.revision": 1,
      "agemem.tokens_saved": 0,
    });
    const op = steps[0]?.memory_ops[1];
    const saved = (op?.tokens_before ?? 0) - (op?.tokens_after ?? 0);
    expect(saved).toBeGreaterThan(50);
    expect(metadataOf("Summary_context")).toMatchObject({
      "agemem.op": "SUMMARY",
      "agemem.edit_id": op?.edit_id,
      "agemem.tokens_saved": saved,
    });
    expect(metadataOf("Delete_memory")).toMatchObject({
      "agemem.op": "DELETE",
      "agemem.ok": false,
      "agemem.error": "AGEMEM_MEMORY_NOT_FOUND",
    });
  });

  it("never sends a key, and no namespace in metadata", () => {
    for (const key of Object.values(KEYS)) expect(server.wire().includes(key), key).toBe(false);
    for (const run of server.runs.values()) {
      expect(JSON.stringify([run.name, run.tags, run.extra]), run.name).not.toContain(USER);
    }
  });

  it("takes rewards as feedback for the run that gave the answer", async () => {
    const scored = trajectory({
      reward: 0.75,
      reward_parts: { task: 1, "context.compression": 0.5, memory: null },
    });
    expect(await sendRewardFeedback({ trajectory: scored, steps }, { sessionId: "s1" })).toEqual([
      "agemem.reward",
      "agemem.task",
      "agemem.context.compression",
    ]);
    const root = steps.at(-1)?.root_run_id;
    expect(server.feedback.map(({ run_id, key, score }) => [run_id, key, score])).toEqual([
      [root, "agemem.reward", 0.75],
      [root, "agemem.task", 1],
      [root, "agemem.context.compression", 0.5],
    ]);
    await sendRewardFeedback({ trajectory: scored, steps }, { sessionId: "s1" });
    expect(server.feedback[0]).toMatchObject({
      session_id: "s1",
      feedback_source: { metadata: { rollout_id: "r1" } },
    });
    expect(server.feedback[3]?.id).toBe(server.feedback[0]?.id);
  });
});

it("with inputs and outputs hidden, the trace still tells what was done, and nothing of whom or what", async () => {
  const server = await startLangSmith();
  const client = new Client({
    apiUrl: server.url,
    apiKey: KEYS.LANGSMITH_API_KEY,
    hideInputs: true,
    hideOutputs: true,
  });
  await runAgent([new LangChainTracer({ client })]);
  await awaitAllCallbacks();
  await client.awaitPendingTraceBatches();
  const operations = [...server.runs.values()].filter((run) => run.run_type === "tool");
  expect(operations.map((run) => run.extra?.metadata?.["agemem.op"]).sort()).toEqual([
    "ADD",
    "DELETE",
    "SUMMARY",
  ]);
  for (const text of [USER, "Oslo", "harbour", "greeted", ...Object.values(KEYS)]) {
    expect(server.wire().includes(text), text).toBe(false);
  }
  await server.close();
});

it("with namespaces hashed, contents stay readable and the user's name is nowhere", async () => {
  const server = await startLangSmith();
  const client = new Client({
    apiUrl: server.url,
    apiKey: KEYS.LANGSMITH_API_KEY,
    hideInputs: hashNamespaces,
    hideOutputs: hashNamespaces,
  });
  await runAgent([new LangChainTracer({ client })]);
  await awaitAllCallbacks();
  await client.awaitPendingTraceBatches();
  const has = (text: string) => server.wire().includes(text);
  expect([has("Lives in Oslo."), has(`"namespace":["sha256:${NAMESPACE}"]`), has(USER)]).toEqual([
    true,
    true,
    false,
  ]);
  await server.close();
});

it("hashes namespaces in copies, through messages and circles", () => {
  const outcome = { kind: "agemem.op/1", op: "ADD", namespace: ["memories", USER] };
  const circle: Record<string, unknown> = { outcome, list: [outcome], plain: { namespace: ["kept"] } };
  circle.self = circle;
  const hashed = hashNamespaces(circle);
  expect(hashed).toEqual({
    outcome: { ...outcome, namespace: [`sha256:${NAMESPACE}`] },
    list: [{ ...outcome, namespace: [`sha256:${NAMESPACE}`] }],
    plain: { namespace: ["kept"] },
    self: "[circular]",
  });
  expect(hashNamespaces(hashed)).toEqual(hashed);
  expect(outcome.namespace).toEqual(["memories", USER]);
});

it("puts the overflow guard's summarizer below the think node it came before", async () => {
  const server = await startLangSmith();
  const client = new Client({ apiUrl: server.url, apiKey: KEYS.LANGSMITH_API_KEY });
  const long = "We talked about the harbour and its ships. ".repeat(100);
  const agent = createAgeMemAgent({
    model: new ScriptedChatModel(["Yes."]),
    summarizer: new ScriptedChatModel(["They talked."]),
    store: new InMemoryStore(),
    budget: { maxTokens: 2000, responseTokens: 200 },
  });
  const messages = ["user", "assistant", "user"].map((role, i) => ({ role, content: i < 2 ? long : "And?" }));
  await agent.invoke(
    { messages },
    { context: { user_id: USER }, callbacks: [new LangChainTracer({ client })] as never },
  );
  await awaitAllCallbacks();
  await client.awaitPendingTraceBatches();
  const root = [...server.runs.values()].find((run) => run.name === "agemem");
  const [think] = childrenOf(server, root);
  expect(childrenOf(server, think).map(({ name }) => name)).toEqual(["agemem.summarize", "agemem.think"]);
  await server.close();
});

describe("sendRewardFeedback", () => {
  const steps = [textStep({ root_run_id: null })];
  const client = { createFeedback: () => Promise.reject(new Error("not reached")) };

  it("sends nothing for an unscored rollout", async () => {
    expect(await sendRewardFeedback({ trajectory: trajectory(), steps }, { client })).toEqual([]);
  });

  it("says so when the recording names no root run", async () => {
    const rollout = { trajectory: trajectory({ reward: 1 }), steps };
    await expect(sendRewardFeedback(rollout, { client })).rejects.toMatchObject({
      code: "AGEMEM_INPUT_ARGUMENT",
    });
  });
});
