/** Each component against numbers worked out by hand from AgeMem, appendix A.2. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compressionReward } from "../../src/rewards/compression.js";
import { maintenanceReward } from "../../src/rewards/maintenance.js";
import { roundsPenalty, tokensPenalty } from "../../src/rewards/penalties.js";
import { preservationReward } from "../../src/rewards/preservation.js";
import { preventiveReward } from "../../src/rewards/preventive.js";
import { relevanceReward } from "../../src/rewards/relevance.js";
import { scoreEpisode, scoreTrajectory } from "../../src/rewards/reward.js";
import { REWARD_PART_NAMES, type ScoringInput } from "../../src/rewards/scoring.js";
import { storageReward } from "../../src/rewards/storage.js";
import { taskReward } from "../../src/rewards/task.js";
import type { MessageRecord } from "../../src/trajectory/schema-parts.js";
import { episode, op, step, textStep, trajectory, verdicts } from "../trajectory/records.js";

const item = (id: string, present = true) => ({
  id,
  content: `content of ${id}`,
  memory_type: "fact",
  present,
});
const input = (over: Partial<ScoringInput> = {}): ScoringInput => ({
  steps: [],
  episode: episode(),
  verdicts: verdicts(),
  ...over,
});

describe("R_task", () => {
  it("is the judge's score", () => {
    expect(taskReward(input({ verdicts: verdicts({ answer: 0.75 }) })).value).toBe(0.75);
  });
  it("is -1 without an answer, whatever the judge says", () => {
    expect(taskReward(input({ episode: episode({ answer: null }) })).value).toBe(-1);
    expect(taskReward(input({ episode: episode({ answer: "  " }) })).value).toBe(-1);
  });
  it("is null when the judge failed", () => {
    expect(taskReward(input({ verdicts: verdicts({ answer: null }) })).value).toBeNull();
  });
});

describe("R_context, compression: max(0, 1 - T_used / T_max)", () => {
  const used = (tokens: number | null) =>
    compressionReward({
      steps: [step({ context_tokens: 900 }), step({ step_index: 1, context_tokens: tokens })],
      episode: episode(),
    });
  it("counts the context of the last policy call", () => {
    expect(used(250).value).toBe(0.75); // 1 - 250/1000
    expect(used(1000).value).toBe(0);
    expect(used(1500).value).toBe(0);
    expect(used(0).value).toBe(1);
  });
  it("is null without a count, and does not look at auxiliary calls", () => {
    expect(used(null).value).toBeNull();
    const judge = textStep({ step_index: 2, call_role: "aux", drop_reason: "aux", context_tokens: 10 });
    const steps = [step({ context_tokens: 500 }), judge];
    expect(compressionReward({ steps, episode: episode() }).value).toBe(0.5);
  });
});

describe("R_context, preventive", () => {
  const at = (index: number, tokens: number, ...ops: ReturnType<typeof op>[]) =>
    step({ step_index: index, context_tokens: tokens, memory_ops: ops });
  const value = (...steps: ReturnType<typeof step>[]) =>
    preventiveReward({ steps, episode: episode() }).value;
  it("is 1 for SUMMARY or FILTER before the limit", () => {
    expect(value(at(0, 500, op({ op: "SUMMARY", tokens_before: 700 })))).toBe(1);
    expect(value(at(0, 500), at(1, 900, op({ op: "FILTER", tokens_before: 950 })), at(2, 1200))).toBe(1);
  });
  it("is 0 for none, for other tools, and for a refused one", () => {
    expect(value(at(0, 500))).toBe(0);
    expect(value(at(0, 500, op({ op: "RETRIEVE" })))).toBe(0);
    expect(value(at(0, 500, op({ op: "FILTER", ok: false })))).toBe(0);
  });
  it("is 0 when it came at the limit or after it", () => {
    expect(value(at(0, 1000, op({ op: "SUMMARY", tokens_before: 900 })))).toBe(0);
    expect(value(at(0, 1200), at(1, 400, op({ op: "SUMMARY", tokens_before: 400 })))).toBe(0);
    expect(value(at(0, 900, op({ op: "SUMMARY", tokens_before: 1001 })))).toBe(0);
  });
});

describe("R_context, preservation", () => {
  const value = (...messages: MessageRecord[]) =>
    preservationReward({
      steps: [step({ messages })],
      episode: episode({ question: "Did Ada Lovelace visit Turin in 1842?" }),
    });
  const user = (content: string): MessageRecord => ({ role: "user", content });
  it("is 1 when all key items are there, in messages or in a summary", () => {
    expect(value(user("<summary>Ada Lovelace wrote notes in 1842, after Turin</summary>")).value).toBe(1);
    expect(value(user("ADA  LOVELACE"), user("Turin, 1842")).value).toBe(1);
    expect(
      value({ role: "user", content: [{ type: "text", text: "Ada Lovelace, Turin, 1842" }] }).value,
    ).toBe(1);
  });
  it("is 0 when one is lost, and says which", () => {
    expect(value(user("Ada Lovelace, 1842"))).toEqual({
      value: 0,
      basis: "missing from the context: Turin",
    });
  });
  it("does not count the system prompt", () => {
    expect(value({ role: "system", content: "Ada Lovelace, Turin, 1842" }).value).toBe(0);
  });
  it("does not count the question, or what repeats it", () => {
    const question = "Did Ada Lovelace visit Turin in 1842?";
    const asked = user(`${question} Answer in one word.`);
    const told = user("Ada Lovelace went to Turin in the autumn of 1842.");
    const repeats: MessageRecord[] = [
      { role: "assistant", content: "I look for Ada Lovelace, Turin, 1842." },
      {
        role: "tool",
        content: `<retrieved_memories query="Ada Lovelace Turin 1842" count="0">\n</retrieved_memories>`,
      },
      { role: "tool", content: `Nothing was found for: did ADA Lovelace visit Turin in 1842?` },
    ];
    expect(value(asked, ...repeats)).toEqual({
      value: 0,
      basis: "missing from the context: Ada Lovelace, Turin, 1842",
    });
    expect(value(told, asked, ...repeats).value).toBe(1);
    expect(value(asked, { role: "tool", content: told.content }).value).toBe(1);
    // What the policy wrote before the question was told cannot repeat it.
    expect(value({ role: "assistant", content: "Noted: Ada Lovelace, Turin, 1842" }, asked).value).toBe(1);
    expect(value(user("Ada Lovelace in Turin"), { role: "assistant", content: "1842" }, asked).value).toBe(1);
  });
  it("finds no item across two messages", () => {
    expect(value(user("Ada"), user("Lovelace in Turin, 1842")).value).toBe(0);
  });
  it("is 1 for a query without key items", () => {
    const plain = episode({ question: "which of the two killed most people?" });
    expect(preservationReward({ steps: [step()], episode: plain }).value).toBe(1);
  });
});

describe("R_memory, storage: N_high_quality / max(1, N_total)", () => {
  const added = (id: string, stage: 1 | 2, ok = true) =>
    step({ stage, memory_ops: [op({ memory_ids: [id], ok })] });
  it("takes items added in stage 1, deleted ones included", () => {
    const value = storageReward(
      input({
        steps: [added("m1", 1), added("m2", 1), added("m3", 1), added("m4", 2), added("m5", 1, false)],
        episode: episode({ items: [item("m1"), item("m2", false), item("m3"), item("m4")] }),
        verdicts: verdicts({ storage: { m1: true, m2: true, m3: false } }),
      }),
    ).value;
    expect(value).toBeCloseTo(2 / 3, 12);
  });
  it("is 0 when nothing was stored, and null when a label is missing", () => {
    expect(storageReward(input()).value).toBe(0);
    const one = { steps: [added("m1", 1)], episode: episode({ items: [item("m1")] }) };
    expect(storageReward(input({ ...one, verdicts: verdicts({ storage: null }) })).value).toBeNull();
    expect(storageReward(input({ ...one, verdicts: verdicts({ storage: {} }) })).value).toBeNull();
  });
});

describe("R_memory, maintenance", () => {
  it("is 1 for a successful UPDATE or DELETE", () => {
    for (const kind of ["UPDATE", "DELETE"] as const) {
      expect(maintenanceReward({ steps: [step({ memory_ops: [op({ op: kind })] })] }).value).toBe(1);
      expect(maintenanceReward({ steps: [step({ memory_ops: [op({ op: kind, ok: false })] })] }).value).toBe(
        0,
      );
    }
    expect(maintenanceReward({ steps: [step({ memory_ops: [op()] })] }).value).toBe(0);
  });
});

describe("R_memory, relevance", () => {
  const steps = [step({ stage: 3, memory_ops: [op({ op: "RETRIEVE", memory_ids: ["m1"] })] })];
  const items = episode({ items: [item("m1")] });
  it("is the judge's score of what was retrieved, 0 when nothing was", () => {
    expect(
      relevanceReward(input({ steps, episode: items, verdicts: verdicts({ relevance: 0.4 }) })).value,
    ).toBe(0.4);
    expect(relevanceReward(input({ episode: items })).value).toBe(0);
    expect(
      relevanceReward(input({ steps, episode: items, verdicts: verdicts({ relevance: null }) })).value,
    ).toBeNull();
  });
});

describe("P_penalty", () => {
  it("is -1 for more than N_max rounds in a stage", () => {
    expect(roundsPenalty({ episode: episode({ rounds: [4, 4, 4], n_max: 4 }) }).value).toBe(0);
    expect(roundsPenalty({ episode: episode({ rounds: [1, 1, 5], n_max: 4 }) }).value).toBe(-1);
  });
  it("is -0.5 for a context beyond T_max", () => {
    const value = (tokens: number | null) =>
      tokensPenalty({
        steps: [step({ context_tokens: 10 }), step({ context_tokens: tokens })],
        episode: episode(),
      });
    expect(value(1000).value).toBe(0);
    expect(value(1001).value).toBe(-0.5);
    expect(tokensPenalty({ steps: [step({ context_tokens: null })], episode: episode() }).value).toBeNull();
  });
});

/** One whole episode: question on London; two items stored in stage 1, one of use; filtered in time; retrieved. */
const whole: ScoringInput = {
  steps: [
    step({ stage: 1, context_tokens: 200, memory_ops: [op({ memory_ids: ["m1", "m2"] })] }),
    step({
      stage: 2,
      step_index: 1,
      context_tokens: 600,
      memory_ops: [op({ op: "FILTER", tokens_before: 650 })],
    }),
    step({
      stage: 3,
      step_index: 2,
      context_tokens: 300,
      memory_ops: [op({ op: "RETRIEVE", memory_ids: ["m1"] })],
    }),
    step({
      stage: 3,
      step_index: 3,
      context_tokens: 400,
      messages: [
        { role: "user", content: "Where was Ada Lovelace born?" },
        { role: "tool", content: "Ada Lovelace was born in London." },
      ],
    }),
  ],
  episode: episode({ items: [item("m1"), item("m2")] }),
  verdicts: verdicts({ answer: 0.9, storage: { m1: true, m2: false }, relevance: 0.6 }),
};

describe("R(tau)", () => {
  it("adds up as in appendix A.2", () => {
    // context: (0.6 + 1 + 1)/3 = 0.8667; memory: (0.5 + 0 + 0.6)/3 = 0.3667; (0.9 + 0.8667 + 0.3667)/3 = 0.7111
    const { reward, parts } = scoreEpisode(whole);
    expect(parts).toEqual({
      task: 0.9,
      context: expect.closeTo(2.6 / 3, 12),
      "context.compression": 0.6,
      "context.preventive": 1,
      "context.preservation": 1,
      memory: expect.closeTo(1.1 / 3, 12),
      "memory.storage": 0.5,
      "memory.maintenance": 0,
      "memory.relevance": 0.6,
      penalty: 0,
      "penalty.rounds": 0,
      "penalty.tokens": 0,
    });
    expect(reward).toBeCloseTo((0.9 + 2.6 / 3 + 1.1 / 3) / 3, 12);
  });

  it("takes both penalties in full", () => {
    const over = { ...whole, episode: { ...whole.episode, rounds: [9, 1, 1], t_max: 500 } };
    // t_max 500: compression 1 - 400/500 = 0.2; FILTER came at 650 tokens, too late; context (0.2 + 0 + 1)/3 = 0.4
    const { reward, parts } = scoreEpisode(over);
    expect(parts).toMatchObject({ penalty: -1.5, "context.preventive": 0 });
    expect(reward).toBeCloseTo((0.9 + 0.4 + 1.1 / 3) / 3 - 1.5, 12);
  });

  it("knows the ablation and weights of one's own", () => {
    expect(scoreEpisode(whole, { preset: "answer-only" }).reward).toBeCloseTo(0.9, 12);
    const ones = { task: 1, context: 1, memory: 1 };
    expect(scoreEpisode(whole, { weights: ones }).reward).toBeCloseTo(0.9 + 2.6 / 3 + 1.1 / 3, 12);
    expect(scoreEpisode(whole, { weights: { alpha: [1, 0, 0] } }).parts.context).toBeCloseTo(0.6, 12);
    expect(() => scoreEpisode(whole, { weights: { task: Number.NaN } })).toThrowError(
      expect.objectContaining({ code: "AGEMEM_INPUT_ARGUMENT" }),
    );
  });

  it("is null when a part with weight is missing, and only then", () => {
    const blind = { ...whole, verdicts: { ...whole.verdicts, relevance: null } };
    const score = scoreEpisode(blind);
    expect(score).toMatchObject({
      reward: null,
      parts: { task: 0.9, memory: null, "memory.relevance": null },
    });
    expect(score.basis.memory).toContain("gave no relevance");
    expect(scoreEpisode(blind, { preset: "answer-only" }).reward).toBeCloseTo(0.9, 12);
    expect(scoreEpisode(blind, { weights: { beta: [0.5, 0.5, 0] } }).reward).not.toBeNull();
  });

  it("names its parts and says what each rests on", () => {
    const { parts, basis } = scoreEpisode(whole);
    expect(Object.keys(parts)).toEqual([...REWARD_PART_NAMES]);
    expect(basis["context.preventive"]).toBe("FILTER at step 1");
    expect(basis["memory.storage"]).toBe("test: 1 of 2 items useful");
  });

  it("grows with each verdict and stays in its range", () => {
    const score = fc.double({ min: 0, max: 1, noNaN: true });
    void fc.assert(
      fc.property(score, score, score, (a, b, relevance) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        const at = (answer: number) =>
          scoreEpisode({ ...whole, verdicts: { ...whole.verdicts, answer, relevance } }).reward ?? Number.NaN;
        expect(at(low)).toBeLessThanOrEqual(at(high));
        expect(at(high)).toBeLessThanOrEqual(1);
        expect(at(low)).toBeGreaterThanOrEqual(-1 / 3 - 1.5);
      }),
      { seed: 7 },
    );
  });
});

describe("scoreTrajectory", () => {
  const record = trajectory({ episode: whole.episode, verdicts: whole.verdicts, n_steps: 4 });
  it("scores a recording anew and drops the advantage of the old reward", () => {
    const old = trajectory({
      ...record,
      reward: 5,
      advantage: 1,
      advantage_meta: { mean: 0, std: 1, std_kind: "sample", eps: 1e-6, n: 2, zero_variance: false },
    });
    expect(scoreTrajectory(old, whole.steps)).toMatchObject({
      reward: expect.closeTo(0.7111, 4),
      reward_parts: { task: 0.9 },
      advantage: null,
      advantage_meta: null,
    });
  });
  it("leaves unscored what failed or has no verdicts", () => {
    for (const over of [{ status: "timeout" as const }, { verdicts: null }, { episode: null }]) {
      expect(scoreTrajectory({ ...record, ...over }, whole.steps)).toMatchObject({
        reward: null,
        reward_parts: {},
      });
    }
  });
});
