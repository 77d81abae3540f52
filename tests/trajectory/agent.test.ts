/** The recorder on agemem's own agent: what only this agent does. */
import { InMemoryStore } from "@langchain/langgraph";
import { describe, expect, it } from "vitest";
import { createAgeMemAgent } from "../../src/agent/agent.js";
import { preventiveReward } from "../../src/rewards/preventive.js";
import { ScriptedChatModel, type ScriptedStep } from "../../src/testing/scripted-model.js";
import { TrajectoryRecorder } from "../../src/trajectory/recorder.js";
import { type StepRecord, stepSchema } from "../../src/trajectory/schema.js";
import { METADATA, OVERFLOW_CALL_ID } from "../../src/types.js";
import { episode } from "./records.js";

async function record(
  script: ScriptedStep[],
  options: Partial<Parameters<typeof createAgeMemAgent>[0]> = {},
  text = "I live in Oslo.",
  configurable: Record<string, unknown> = {},
): Promise<StepRecord[]> {
  const recorder = new TrajectoryRecorder();
  const agent = createAgeMemAgent({
    model: new ScriptedChatModel(script),
    store: new InMemoryStore(),
    ...options,
  });
  await agent.invoke(
    { messages: [text] } as never,
    {
      callbacks: [recorder],
      context: { user_id: "ada" },
      configurable,
      metadata: { [METADATA.rolloutId]: "r" },
    } as never,
  );
  const steps = recorder.take("r");
  for (const step of steps) stepSchema.parse(step);
  return steps;
}
const call = (name: string, args: Record<string, unknown>, id: string) => ({
  tool_calls: [{ name, args, id }],
});

describe("TrajectoryRecorder on createAgeMemAgent", () => {
  it("joins operations to the calls that asked for them", async () => {
    const steps = await record([
      call("Add_memory", { content: "Lives in Oslo." }, "c1"),
      call("Update_memory", { memory_id: "nope", content: "x" }, "c2"),
      call("Retrieve_memory", { query: "Oslo" }, "c4"),
      "Hello.",
    ]);
    expect(steps.map((s) => s.memory_ops.map((o) => [o.op, o.tool_call_id, o.ok]))).toEqual([
      [["ADD", "c1", true]],
      [["UPDATE", "c2", false]],
      [["RETRIEVE", "c4", true]],
      [],
    ]);
    expect(steps.map((s) => s.context_edit)).toEqual(["start", "append", "append", "retrieve"]);
    expect(steps.every((s) => s.protocol === "native" && s.call_role === "policy")).toBe(true);
    expect(steps[2]?.memory_ops[0]?.arguments).toBe('{"query":"Oslo"}');
    expect(new Set(steps.map((s) => s.root_run_id))).toEqual(new Set([expect.any(String)]));
    expect(steps[0]?.memory_ops[0]?.memory_ids).toEqual(steps[2]?.memory_ops[0]?.memory_ids);
  });

  it("joins operations of the text protocol, whose calls have no ids in the response", async () => {
    const tags = (body: string) => `<think>hm</think>${body}`;
    const steps = await record(
      [
        tags('<tool_call>[{"name": "Add_memory", "arguments": {"content": "Lives in Oslo."}}]</tool_call>'),
        tags("<answer>Noted.</answer>"),
      ],
      { protocol: "text" },
    );
    expect(steps.map((s) => [s.protocol, s.memory_ops.map((o) => o.op), s.response?.tool_calls])).toEqual([
      ["text", ["ADD"], []],
      ["text", [], []],
    ]);
    expect(steps[0]?.memory_ops[0]?.arguments).toBe('{"content":"Lives in Oslo."}');
    expect(steps[1]?.extends_previous).toBe(true);
  });

  it("keeps each operation on its step when an edit repeats the whole context", async () => {
    const tags = (name: string, args: object) =>
      `<think>hm</think><tool_call>${JSON.stringify([{ name, arguments: args }])}</tool_call>`;
    const steps = await record(
      [
        tags("Add_memory", { content: "Lives in Oslo." }),
        tags("Retrieve_memory", { query: "Oslo" }),
        tags("Filter_context", { criteria: "Lives in Oslo." }),
        tags("Delete_memory", { memory_id: "none" }),
        "<think>hm</think><answer>Done.</answer>",
      ],
      { protocol: "text", theta: 0.1 },
    );
    expect(steps.map((s) => s.memory_ops.map((o) => [o.op, o.ok]))).toEqual([
      [["ADD", true]],
      [["RETRIEVE", true]],
      [["FILTER", true]],
      [["DELETE", false]],
      [],
    ]);
  });

  it.each([{}, { agemem_run_key: "r/s3/t0" }])(
    "marks broken responses: the one that was repaired and the one that ends the run (%j)",
    async (configurable) => {
      const steps = await record(
        ["no tags at all", "none again"],
        { protocol: "text" },
        "Hello",
        configurable,
      );
      expect(steps).toHaveLength(2);
      expect(steps[0]?.format_error).toContain("asked for again");
      expect(steps[1]?.format_error).toEqual(expect.any(String));
      expect(steps[1]?.format_error).not.toContain("asked for again");
      const repaired = await record(["no tags", "<think>x</think><answer>Hi</answer>"], { protocol: "text" });
      expect(repaired.map((s) => s.format_error !== null)).toEqual([true, false]);
    },
  );

  it("records the overflow guard's summary apart from the policy's, on the call it came before", async () => {
    const recorder = new TrajectoryRecorder();
    const agent = createAgeMemAgent({
      model: new ScriptedChatModel(["One.", "Two.", "Three.", "Four."]),
      store: new InMemoryStore(),
      budget: { maxTokens: 2400, responseTokens: 200 },
      summarizer: new ScriptedChatModel(["Short.", "Short.", "Short."]) as never,
    });
    const part = "The harbour of Oslo was built over many years by many people. ".repeat(40);
    let messages: unknown[] = [];
    for (let i = 0; i < 4; i++) {
      const input = { messages: [...messages, { role: "user", content: `Part ${i}. ${part}` }] };
      const run = {
        callbacks: [recorder],
        context: { user_id: "ada" },
        metadata: { [METADATA.rolloutId]: "r" },
      };
      messages = ((await agent.invoke(input as never, run as never)) as { messages: unknown[] }).messages;
    }
    const steps = recorder.take("r");
    for (const step of steps) stepSchema.parse(step);
    const summarizer = steps.findIndex((s) => s.call_role === "aux");
    expect(summarizer).toBeGreaterThan(0);
    const guarded = steps[summarizer + 1];
    expect(guarded).toMatchObject({
      call_role: "policy",
      context_edit: "summary",
      memory_ops: [{ op: "SUMMARY", tool_call_id: OVERFLOW_CALL_ID, ok: true }],
    });
    expect(guarded?.memory_ops[0]?.tokens_before).toBeGreaterThan(2400 - 200);
    expect(guarded?.memory_ops[0]?.tokens_after).toBeLessThan(2400);
    expect(preventiveReward({ steps, episode: episode({ t_max: 100_000 }) }).value).toBe(0);
  });
});
