/**
 * One whole trajectory, recorded from a scripted run of three stages, against a file that is kept for ever: any change
 * of what is recorded shows as a difference. `AGEMEM_UPDATE_GOLDEN=1 npx vitest run tests/trajectory/golden.test.ts`
 * writes it anew; doing so is a change of the schema and belongs in the CHANGELOG.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AIMessage, HumanMessage } from "@langchain/core/messages";
import { expect, it } from "vitest";
import { scoreTrajectory } from "../../src/rewards/reward.js";
import { ScriptedChatModel } from "../../src/testing/scripted-model.js";
import { readRollouts, TrajectoryWriter, validateFile } from "../../src/trajectory/file.js";
import { TrajectoryRecorder } from "../../src/trajectory/recorder.js";
import type { StepRecord } from "../../src/trajectory/schema.js";
import { summaryRecord } from "../../src/trajectory/summary-record.js";
import { METADATA, type TokenCounter } from "../../src/types.js";
import { toolGraph } from "./graphs.js";
import { episode, verdicts } from "./records.js";

const golden = fileURLToPath(new URL("../fixtures/trajectory/golden-1.jsonl", import.meta.url));
const earlier = fileURLToPath(new URL("../fixtures/trajectory/golden-1-first.jsonl", import.meta.url));

/** A token a word. */
const counter: TokenCounter = {
  name: "words",
  exact: true,
  countText: (text) => text.split(/\s+/).length,
  countMessage: (message) => message.text.split(/\s+/).length,
  countTools: (tools) => 10 * tools.length,
};

/** Ids and run ids differ from run to run; numbers in order of appearance do not. */
function stable(steps: StepRecord[]): StepRecord[] {
  const names = new Map<string, string>();
  const name = (id: string): string => {
    const known = names.get(id) ?? `id-${names.size + 1}`;
    names.set(id, known);
    return known;
  };
  return steps.map((step) => ({
    ...step,
    run_id: name(step.run_id),
    root_run_id: step.root_run_id && name(step.root_run_id),
    messages: step.messages.map((m) => (m.id ? { ...m, id: name(m.id) } : m)),
    memory_ops: step.memory_ops.map((o) => ({ ...o, message_ids: o.message_ids.map(name) })),
    langgraph: { ...step.langgraph, checkpoint_ns: null, checkpoint_id: null },
  }));
}

/** What a vLLM server says beside the text. */
const raw = {
  prompt_token_ids: [11, 12, 13],
  choices: [{ token_ids: [7, 8], logprobs: { content: [{ logprob: -0.5 }, { logprob: -0.25 }] } }],
};

async function recordEpisode(): Promise<StepRecord[]> {
  let time = Date.UTC(2026, 0, 2);
  const recorder = new TrajectoryRecorder({ counter, policyVersion: () => 3, now: () => (time += 5) });
  const call = (tool: string, args: Record<string, unknown>, id: string) => ({
    tool_calls: [{ name: tool, args, id }],
  });
  const model = new ScriptedChatModel([
    call("Add_memory", { content: "Ada Lovelace was born in London." }, "c1"),
    new AIMessage({ content: "Stored.", additional_kwargs: { __raw_response: raw } }),
    call("Filter_context", { criteria: "advertising" }, "c2"),
    "Removed.",
    "London",
  ]);
  const graph = toolGraph(model);
  const texts = ["Ada Lovelace was born in London.", "Buy cheap tea!", "Where was Ada Lovelace born?"];
  for (const [i, text] of texts.entries()) {
    await graph.invoke(
      { messages: [new HumanMessage(text)] },
      {
        callbacks: [recorder],
        metadata: {
          [METADATA.rolloutId]: "g1-r0",
          [METADATA.taskId]: "t1",
          [METADATA.groupId]: "g1",
          [METADATA.rolloutIndex]: 0,
          [METADATA.stage]: i + 1,
          [METADATA.revision]: 4,
        },
      },
    );
  }
  return stable(recorder.take("g1-r0"));
}

it("records, scores, writes and reads back the trajectory of the golden file", async () => {
  const steps = await recordEpisode();
  const record = summaryRecord(steps, {
    rollout_id: "g1-r0",
    task_id: "t1",
    group_id: "g1",
    rollout_index: 0,
    k: 1,
    status: "ok",
    ts: "2026-01-02T00:00:00.000Z",
    episode: episode({
      items: [{ id: "m1", content: "Ada Lovelace was born in London.", memory_type: "fact", present: true }],
    }),
    verdicts: verdicts({ answer: 1, storage: { m1: true }, relevance: null, memory_quality: 1 }),
  });
  const folder = await mkdtemp(join(tmpdir(), "agemem-golden-"));
  const path = join(folder, "run.jsonl");
  const writer = await TrajectoryWriter.open(path);
  await writer.appendRollout({ trajectory: scoreTrajectory(record, steps), steps });
  await writer.close();
  const written = await readFile(path, "utf8");
  await rm(folder, { recursive: true });
  if (process.env.AGEMEM_UPDATE_GOLDEN) await writeFile(golden, written);
  expect(written.split("\n")).toEqual((await readFile(golden, "utf8")).split("\n"));
});

it("still reads the golden file, and its score still follows from what it holds", async () => {
  expect(await validateFile(golden)).toMatchObject({ steps: 5, trainable: 1, trajectories: 1, problems: [] });
  for await (const { trajectory, steps } of readRollouts(golden)) {
    expect(steps.map((s) => [s.stage, s.context_edit, s.context_tokens])).toEqual([
      [1, "start", 26],
      [1, "append", 34],
      [2, "stage_reset", 23],
      [2, "filter", 24],
      [3, "stage_reset", 25],
    ]);
    // R_task 1; context (1 - 25/1000 + 1 + 0)/3, only the question names Ada Lovelace; memory (1 + 0 + 0)/3, nothing
    // was retrieved
    expect(trajectory.reward).toBeCloseTo((1 + 1.975 / 3 + 1 / 3) / 3, 12);
    expect(scoreTrajectory(trajectory, steps)).toEqual(trajectory);
  }
});

it("reads a recording made before fields were added, and says null where it cannot know", async () => {
  expect(await validateFile(earlier)).toMatchObject({ steps: 5, trajectories: 1, problems: [] });
  for await (const { steps } of readRollouts(earlier)) {
    expect(steps.map((s) => s.root_run_id)).toEqual([null, null, null, null, null]);
    expect(steps[0]?.memory_ops[0]).toMatchObject({ op: "ADD", arguments: null });
  }
});
