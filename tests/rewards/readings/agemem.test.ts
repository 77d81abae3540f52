/** The guarded parts on hand-made recordings: what earns, what does not, and what does not apply. */
import { describe, expect, it } from "vitest";
import { maintainedFacts } from "../../../src/rewards/readings/guarded/maintenance.js";
import { groundedPreservation } from "../../../src/rewards/readings/guarded/preservation.js";
import { reducedInTime } from "../../../src/rewards/readings/guarded/preventive.js";
import { usefulRelevance, usefulStorage } from "../../../src/rewards/readings/guarded/usefulness.js";
import { scoreEpisode } from "../../../src/rewards/reward.js";
import type { StepRecord } from "../../../src/trajectory/schema.js";
import type { MessageRecord } from "../../../src/trajectory/schema-parts.js";
import { episode, op, step, verdicts } from "../../trajectory/records.js";

const told = (stage: 1 | 2 | 3, turn: number, content: string): MessageRecord => ({
  role: "user",
  id: `r1-s${stage}-t${turn}`,
  content,
});
const at = (index: number, stage: 1 | 2 | 3, messages: MessageRecord[], over: Partial<StepRecord> = {}) =>
  step({ step_index: index, stage, messages, ...over });
const written = (kind: "ADD" | "UPDATE" | "DELETE", id: string, content = "") =>
  op({ op: kind, memory_ids: [id], arguments: JSON.stringify({ content }) });
const item = (id: string, content: string, present = true) => ({ id, content, memory_type: null, present });

describe("maintenance", () => {
  const before = "In May Nora settled in Porto.";
  const after = "In July Nora left Porto and moved to Ghent.";
  const task = { gold_facts: [after], outdated_facts: [before] };
  const value = (steps: StepRecord[], over = {}) =>
    maintainedFacts({ steps, episode: episode({ ...task, ...over }) }).value;
  const store = at(0, 1, [told(1, 0, before)], {
    memory_ops: [written("ADD", "m1", "Nora lives in Porto.")],
  });
  const change = (...ops: ReturnType<typeof op>[]) => at(1, 1, [told(1, 1, after)], { memory_ops: ops });

  it("is earned by an UPDATE or DELETE of what was told to be over", () => {
    expect(value([store, change(written("UPDATE", "m1", "Nora moved to Ghent in July."))])).toBe(1);
    expect(value([store, change(written("DELETE", "m1"))])).toBe(1);
  });
  it("is not earned before the change is told, by the same text, or by a second item beside the first", () => {
    const soon = at(1, 1, [told(1, 0, before)], { memory_ops: [written("DELETE", "m1")] });
    expect(value([store, soon])).toBe(0);
    expect(value([store, change(written("UPDATE", "m1", "Nora lives in Porto."))])).toBe(0);
    expect(value([store, change(written("ADD", "m2", "Nora moved to Ghent in July."))])).toBe(0);
    expect(value([store, change()])).toBe(0);
    expect(value([change()])).toBe(0);
  });
  it("does not apply to a task in which nothing changes", () => {
    const part = maintainedFacts({ steps: [store], episode: episode() });
    expect(part).toMatchObject({ value: null, applies: false });
  });
});

describe("preservation", () => {
  const question = "Did Ada Lovelace visit Turin?";
  const paragraph = told(1, 0, "Ada Lovelace wrote notes. She went to Turin.");
  const value = (messages: MessageRecord[], ops = [written("ADD", "m1", "Ada Lovelace went to Turin.")]) =>
    groundedPreservation({
      steps: [at(0, 1, [paragraph], { memory_ops: ops }), at(1, 3, [...messages, told(3, 0, question)])],
      episode: episode({ question }),
    });
  const shown = (content: string, id = "m1"): MessageRecord => ({
    role: "tool",
    content: `<retrieved_memories query="x" count="1">\n<memory id="${id}">${content}</memory>\n</retrieved_memories>`,
  });
  it("counts memories stored before the question, passages and early summaries", () => {
    expect(value([shown("Ada Lovelace went to Turin.")]).value).toBe(1);
    expect(value([told(2, 0, "Ada Lovelace in Turin")]).value).toBe(1);
    const summary =
      '<context_summary edit="e" messages="2" rounds="1">\nAda Lovelace, Turin\n</context_summary>';
    expect(value([{ role: "user", id: "s1", content: summary }]).value).toBe(1);
  });
  it("does not count memories stored later, refused calls, or text of the policy", () => {
    expect(value([shown("Did Ada Lovelace visit Turin", "m9")]).value).toBe(0);
    expect(value([shown("Ada Lovelace, Turin and more")]).value).toBe(0);
    expect(value([{ role: "tool", content: "There is no memory Did Ada Lovelace visit Turin" }]).value).toBe(
      0,
    );
    expect(value([{ role: "assistant", content: "Ada Lovelace, Turin" }]).value).toBe(0);
  });
  it("does not count a summary of stage 3 that names what the context had lost", () => {
    const summary =
      '<context_summary edit="e" messages="2" rounds="1">\nAda Lovelace, Turin\n</context_summary>';
    const late = at(2, 3, [{ role: "user", id: "s2", content: summary }, told(3, 0, question)]);
    const steps = [at(0, 1, [paragraph]), at(1, 3, [told(3, 0, question)]), late];
    expect(groundedPreservation({ steps, episode: episode({ question }) }).value).toBe(0);
    const kept = [
      at(0, 1, [paragraph]),
      at(1, 3, [told(2, 0, "Ada Lovelace in Turin"), told(3, 0, question)]),
      late,
    ];
    expect(groundedPreservation({ steps: kept, episode: episode({ question }) }).value).toBe(1);
  });
  it("does not ask for what no message named", () => {
    const part = groundedPreservation({
      steps: [at(0, 1, [paragraph])],
      episode: episode({ question: "Who directed Quo Vadis?" }),
    });
    expect(part).toMatchObject({ value: null, applies: false });
  });
});

describe("preventive", () => {
  const part = (
    length: number,
    kept: number,
    ops = [op({ op: "FILTER", tokens_before: 700, tokens_after: 300 })],
  ) => {
    const one = told(2, 0, "x".repeat(length));
    const left = kept > 0 ? [told(2, 0, "x".repeat(kept))] : [];
    return reducedInTime({
      steps: [
        at(0, 2, [one], { context_tokens: length, memory_ops: ops }),
        at(1, 3, [...left, told(3, 0, "y")], { context_tokens: kept + 1 }),
      ],
      episode: episode({ t_max: 1000 }),
    });
  };
  it("does not apply where what was told is less than half of T_max, whatever was filtered", () => {
    expect(part(280, 0)).toMatchObject({ value: null, applies: false });
  });
  it("is 1 for a reduction in time and 0 for none, a token one, or one after the limit", () => {
    expect(part(700, 0).value).toBe(1);
    expect(part(700, 700, []).value).toBe(0);
    expect(part(700, 690).value).toBe(0);
    expect(part(1000, 0).value).toBe(0);
  });
});

describe("storage and relevance", () => {
  const items = [
    item("m1", "Ada Lovelace was born in London"),
    item("m2", "Ada Lovelace was born in London again"),
    item("m3", "Where was Ada Lovelace born"),
  ];
  const found = (...ids: string[]) => op({ op: "RETRIEVE", memory_ids: ids });
  const input = (...ids: string[]) => ({
    steps: [
      at(0, 1, [], { memory_ops: [written("ADD", "m1"), written("ADD", "m2")] }),
      at(1, 3, [], { memory_ops: [written("ADD", "m3"), found(...ids)] }),
    ],
    episode: episode({ items }),
    verdicts: verdicts({ relevance: 0.8, useful: { m1: true, m2: true, m3: true } }),
  });
  it("a near copy is one more item and not a useful one", () => {
    expect(usefulStorage(input("m1")).value).toBe(0.5);
    expect(usefulRelevance(input("m1", "m2")).value).toBeCloseTo(0.4, 12);
  });
  it("relevance is the judge's times the useful share, and what was stored after the question is none", () => {
    expect(usefulRelevance(input("m1")).value).toBe(0.8);
    expect(usefulRelevance(input("m1", "m3")).value).toBeCloseTo(0.4, 12);
    expect(usefulRelevance(input("m3")).value).toBe(0);
  });
});

it("what does not apply leaves its weight to the other parts of its term", () => {
  const { parts, reward } = scoreEpisode(
    {
      steps: [at(0, 3, [told(3, 0, "Where?")], { context_tokens: 250 })],
      episode: episode(),
      verdicts: verdicts({ useful: {} }),
    },
    { preset: "agemem" },
  );
  expect(parts).toMatchObject({
    "context.preventive": null,
    "context.preservation": null,
    "memory.maintenance": null,
  });
  expect(parts.context).toBeCloseTo(0.75, 12);
  expect(reward).toBeCloseTo((1 + 0.75 + 0) / 3, 12);
});
