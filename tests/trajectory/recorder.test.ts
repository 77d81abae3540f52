import { AIMessage, HumanMessage } from "@langchain/core/messages";
import { describe, expect, it } from "vitest";
import { ScriptedChatModel } from "../../src/testing/scripted-model.js";
import { TrajectoryRecorder } from "../../src/trajectory/recorder.js";
import { type StepRecord, stepSchema } from "../../src/trajectory/schema.js";
import { FORMAT_ERROR_KEY, METADATA, type TokenCounter } from "../../src/types.js";
import { handMadeGraph, toolGraph } from "./graphs.js";

const ask = (text = "I live in Oslo") => ({ messages: [new HumanMessage({ content: text, id: "h1" })] });
const addCall = (content: string, id = "c1") => ({
  tool_calls: [{ name: "Add_memory", args: { content }, id }],
});
const valid = (steps: StepRecord[]): StepRecord[] => {
  for (const step of steps) stepSchema.parse(step);
  return steps;
};

describe("TrajectoryRecorder", () => {
  it("believes the server about the version it served, and itself where the server says none", async () => {
    const recorder = new TrajectoryRecorder({ policyVersion: () => 3 });
    const raw = { policy_version: 7, choices: [] };
    const model = new ScriptedChatModel([
      new AIMessage({ content: "Oslo.", additional_kwargs: { __raw_response: raw } }),
      "Bergen.",
    ]);
    for (const id of ["r1", "r2"]) {
      await toolGraph(model).invoke(ask(), {
        callbacks: [recorder],
        metadata: { [METADATA.rolloutId]: id, "agemem.policy_version": 5 },
      });
    }
    expect(valid([...recorder.take("r1"), ...recorder.take("r2")]).map((s) => s.policy_version)).toEqual([
      7, 5,
    ]);
  });

  it("records a plain LangGraph app: prompts as sent, responses, tools, operations", async () => {
    const recorder = new TrajectoryRecorder();
    const model = new ScriptedChatModel([addCall("Oslo"), "Noted."]);
    await toolGraph(model).invoke(ask(), {
      callbacks: [recorder],
      metadata: {
        [METADATA.rolloutId]: "r1",
        [METADATA.taskId]: "t1",
        [METADATA.groupId]: "g1",
        [METADATA.rolloutIndex]: 2,
        [METADATA.stage]: 1,
        [METADATA.protocol]: "native",
        [METADATA.revision]: 4,
        "agemem.attempt": 2,
        "agemem.policy_version": 7,
      },
    });
    const [first, second] = valid(recorder.steps("r1"));
    expect(first).toMatchObject({
      rollout_id: "r1",
      task_id: "t1",
      group_id: "g1",
      rollout_index: 2,
      attempt: 2,
      stage: 1,
      step_index: 0,
      policy_version: 7,
      protocol: "native",
      call_role: "policy",
      model: "scripted",
      messages: [{ role: "user", content: "I live in Oslo", id: "h1" }],
      response: {
        content: "",
        tool_calls: [{ id: "c1", name: "Add_memory", arguments: '{"content":"Oslo"}' }],
      },
      prompt_token_ids: null,
      response_token_ids: null,
      response_logprobs: null,
      trainable: false,
      drop_reason: "no_token_ids",
      extends_previous: false,
      context_edit: "start",
      memory_ops: [{ op: "ADD", tool_call_id: "c1", ok: true, memory_ids: ["m1"] }],
      tool_runs: [{ tool_call_id: "c1", name: "Add_memory", ok: true }],
      revision_before: 4,
      revision_after: 5,
    });
    expect(first?.tools.map((tool) => (tool.function as { name: string }).name)).toEqual([
      "Add_memory",
      "Filter_context",
    ]);
    expect(first?.langgraph).toMatchObject({ node: "think", step: 1 });
    expect(second).toMatchObject({
      step_index: 1,
      extends_previous: true,
      context_edit: "append",
      response: { content: "Noted.", tool_calls: [] },
    });
    expect(second?.messages.map((m) => m.role)).toEqual(["user", "assistant", "tool"]);
  });

  it("follows a context edit that comes as a Command", async () => {
    const recorder = new TrajectoryRecorder();
    const filterCall = { tool_calls: [{ name: "Filter_context", args: { criteria: "noise" }, id: "f1" }] };
    await toolGraph(new ScriptedChatModel([filterCall, "Done."])).invoke(ask(), {
      callbacks: [recorder],
      metadata: { [METADATA.rolloutId]: "r1" },
    });
    const [first, second] = valid(recorder.take("r1"));
    expect(first?.memory_ops).toMatchObject([{ op: "FILTER", message_ids: ["h1"], edit_id: "e1" }]);
    expect(second).toMatchObject({ extends_previous: false, context_edit: "filter" });
  });

  it("keeps a refused operation apart from a failed tool, and keys out of its message", async () => {
    const recorder = new TrajectoryRecorder();
    const model = new ScriptedChatModel([addCall("", "c1"), addCall("broken disk", "c2"), "Sorry."]);
    await toolGraph(model).invoke(ask(), { callbacks: [recorder], metadata: { [METADATA.rolloutId]: "r1" } });
    const [refused, failed] = valid(recorder.take("r1"));
    expect(refused?.memory_ops).toMatchObject([{ ok: false, error: { code: "AGEMEM_INPUT_ARGUMENT" } }]);
    expect(failed?.memory_ops).toEqual([]);
    expect(failed?.tool_runs).toMatchObject([{ tool_call_id: "c2", ok: false }]);
    expect(failed?.tool_runs[0]?.error?.message).toBe("disk failed, key [redacted]");
  });

  it("tells auxiliary calls from policy calls and leaves them out of the chain of contexts", async () => {
    const recorder = new TrajectoryRecorder();
    const graph = toolGraph(new ScriptedChatModel([addCall("x"), "Noted."]));
    const summarizer = new ScriptedChatModel(["A summary."]);
    const config = { callbacks: [recorder], metadata: { [METADATA.rolloutId]: "r1" } };
    await summarizer.invoke("Summarize", {
      ...config,
      metadata: { ...config.metadata, [METADATA.callRole]: "aux" },
    });
    await graph.invoke(ask(), config);
    const steps = valid(recorder.take("r1"));
    expect(steps.map((s) => [s.step_index, s.call_role, s.drop_reason, s.context_edit])).toEqual([
      [0, "aux", "aux", "start"],
      [1, "policy", "no_token_ids", "start"],
      [2, "policy", "no_token_ids", "append"],
    ]);
  });

  it("keeps concurrent rollouts apart, each with its own operations", async () => {
    const recorder = new TrajectoryRecorder();
    const rollout = async (i: number) => {
      const model = new ScriptedChatModel([addCall(`fact ${i}`), addCall(`more ${i}`, "c2"), `answer ${i}`]);
      await toolGraph(model).invoke(ask(`task ${i}`), {
        callbacks: [recorder],
        metadata: { [METADATA.rolloutId]: `r${i}` },
      });
    };
    await Promise.all(Array.from({ length: 12 }, (_, i) => rollout(i)));
    expect(recorder.rolloutIds()).toHaveLength(12);
    for (let i = 0; i < 12; i++) {
      const steps = valid(recorder.take(`r${i}`));
      expect(steps.map((s) => s.step_index)).toEqual([0, 1, 2]);
      expect(steps.map((s) => s.memory_ops.length)).toEqual([1, 1, 0]);
      expect(steps[1]?.response?.tool_calls[0]?.arguments).toBe(`{"content":"more ${i}"}`);
      expect(steps.every((s) => s.messages[0]?.content === `task ${i}`)).toBe(true);
    }
    expect(recorder.rolloutIds()).toEqual([]);
  });

  it("falls back to the root run where no rollout is named", async () => {
    const recorder = new TrajectoryRecorder();
    const graph = toolGraph(new ScriptedChatModel([addCall("x"), "One.", "Two."]));
    await graph.invoke(ask(), { callbacks: [recorder], runId: "11111111-1111-4111-8111-111111111111" });
    await graph.invoke(ask(), { callbacks: [recorder], runId: "22222222-2222-4222-8222-222222222222" });
    expect(recorder.steps("11111111-1111-4111-8111-111111111111")).toHaveLength(2);
    expect(recorder.take("22222222-2222-4222-8222-222222222222")).toMatchObject([{ context_edit: "start" }]);
  });

  it("hands final steps to a sink in order, once, and forgets unnamed runs", async () => {
    const seen: StepRecord[] = [];
    const recorder = new TrajectoryRecorder({ onStep: (step) => seen.push(step) });
    const graph = toolGraph(new ScriptedChatModel([addCall("x"), "One.", addCall("y", "c2"), "Two."]));
    await graph.invoke(ask(), { callbacks: [recorder] });
    expect(seen.map((s) => [s.step_index, s.memory_ops.length])).toEqual([
      [0, 1],
      [1, 0],
    ]);
    expect(recorder.rolloutIds()).toEqual([]);
    await graph.invoke(ask(), { callbacks: [recorder], metadata: { [METADATA.rolloutId]: "r" } });
    expect(recorder.rolloutIds()).toEqual(["r"]);
    recorder.take("r");
    expect(seen).toHaveLength(4);
  });

  it("records a failing call as data", async () => {
    const recorder = new TrajectoryRecorder();
    const failure = Object.assign(new Error("503 for Bearer abc.def"), { code: "overloaded" });
    const graph = toolGraph(new ScriptedChatModel([failure]));
    const run = graph.invoke(ask(), { callbacks: [recorder], metadata: { [METADATA.rolloutId]: "r" } });
    await expect(run).rejects.toThrow("503");
    expect(valid(recorder.take("r"))).toMatchObject([
      {
        response: null,
        error: { code: "overloaded", message: "503 for Bearer [redacted]" },
        drop_reason: "error",
        trainable: false,
      },
    ]);
  });

  it("closes a call that is still running when the rollout is taken", async () => {
    const recorder = new TrajectoryRecorder();
    let release = (): void => undefined;
    const wait = new Promise<string>((resolve) => {
      release = () => resolve("late");
    });
    const run = toolGraph(new ScriptedChatModel([() => wait])).invoke(ask(), {
      callbacks: [recorder],
      metadata: { [METADATA.rolloutId]: "r" },
    });
    await expect.poll(() => recorder.rolloutIds()).toEqual(["r"]);
    expect(valid(recorder.take("r"))).toMatchObject([{ response: null, drop_reason: "error" }]);
    release();
    await run;
    expect(recorder.rolloutIds()).toEqual([]);
  });

  it("takes over the format error that the agent puts on the message after the call", async () => {
    const recorder = new TrajectoryRecorder();
    const mark = (message: AIMessage) =>
      new AIMessage({
        content: message.content,
        id: message.id,
        additional_kwargs: { [FORMAT_ERROR_KEY]: "no tags" },
      });
    await toolGraph(new ScriptedChatModel(["free text"]), mark).invoke(ask(), {
      callbacks: [recorder],
      metadata: { [METADATA.rolloutId]: "r" },
    });
    expect(recorder.take("r")[0]?.format_error).toBe("no tags");
  });

  it("takes outcomes from a node that answers calls without running a tool, and only the newest", async () => {
    const model = new ScriptedChatModel([addCall("x"), addCall("y"), "Done."]);
    const graph = handMadeGraph(model);
    const recorder = new TrajectoryRecorder();
    await graph.invoke(ask(), { callbacks: [recorder], metadata: { [METADATA.rolloutId]: "r" } });
    // Both calls have the id c1, as weak models do; the second node's output repeats the first answer.
    expect(recorder.take("r").map((s) => s.memory_ops.map((o) => o.tokens_before))).toEqual([[2], [4], []]);
  });

  it("counts the context with a counter where the server reports no usage", async () => {
    const counter: TokenCounter = {
      name: "letters",
      exact: true,
      countText: (text) => text.length,
      countMessage: (message) => message.text.length,
      countTools: (tools) => tools.length * 100,
    };
    const recorder = new TrajectoryRecorder({ counter });
    await toolGraph(new ScriptedChatModel(["ok"])).invoke(ask("four"), {
      callbacks: [recorder],
      metadata: { [METADATA.rolloutId]: "r" },
    });
    expect(recorder.take("r")[0]?.context_tokens).toBe(204);
  });

  it("gives readers copies that later operations do not change", async () => {
    const recorder = new TrajectoryRecorder();
    let during: StepRecord[] = [];
    const graph = toolGraph(
      new ScriptedChatModel([
        addCall("x"),
        () => {
          during = recorder.steps("r");
          return addCall("y", "c2");
        },
        "end",
      ]),
    );
    await graph.invoke(ask(), { callbacks: [recorder], metadata: { [METADATA.rolloutId]: "r" } });
    expect(during).toHaveLength(1);
    expect(recorder.steps("r").map((s) => s.memory_ops.length)).toEqual([1, 1, 0]);
  });
});
