/**
 * The official reading against figures that the authors' own functions gave for the same episodes: `official.jsonl` has the
 * rounds, the replies of a scripted judge, and the figures. Nothing was erased, refused or only mentioned in them, and stage 1
 * added nothing: there both must agree. Where they do not, and why, stands in `docs/rewards.md`.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { scoreEpisode } from "../../../src/rewards/reward.js";
import type { ScoringInput } from "../../../src/rewards/scoring.js";
import type { StepRecord } from "../../../src/trajectory/schema.js";
import type { MessageRecord } from "../../../src/trajectory/schema-parts.js";
import type { MemoryOp } from "../../../src/types.js";
import { episode, op, step, verdicts } from "../../trajectory/records.js";

interface Round {
  stage: 2 | 3;
  told?: string;
  op?: MemoryOp;
  text?: string;
  result?: string;
  args?: { content?: string };
}

interface Case {
  t_max: number;
  answer: number;
  relevance: number;
  useful: number;
  answered: boolean;
  rounds: Round[];
  expected: Record<
    "reward" | "task" | "context" | "memory" | "tool" | "storage" | "maintenance" | "relevance",
    number
  >;
}

const cases = readFileSync(new URL("../../fixtures/rewards/official.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Case);

/** The episode as we would have recorded it. */
function recorded({ rounds, t_max, answer, relevance, useful, answered }: Case): ScoringInput {
  const messages: MessageRecord[] = [{ role: "system", content: "You look after a memory." }];
  const steps: StepRecord[] = [];
  const items: ScoringInput["episode"]["items"] = [];
  for (const round of rounds) {
    if (round.told !== undefined) {
      messages.push({ role: "user", content: round.told });
      continue;
    }
    const response = {
      role: "assistant" as const,
      content: round.text ?? "",
      reasoning: null,
      tool_calls: [],
    };
    const id = round.op === "ADD" ? `m${items.length}` : "m9";
    if (round.op === "ADD") {
      items.push({ id, content: round.args?.content ?? "", memory_type: null, present: true });
    }
    const ops = round.op ? [op({ op: round.op, memory_ids: [id] })] : [];
    steps.push(
      step({
        step_index: steps.length,
        stage: round.stage,
        messages: [...messages],
        response,
        memory_ops: ops,
      }),
    );
    messages.push({ role: "assistant", content: response.content });
    if (round.result !== undefined) messages.push({ role: "tool", content: round.result });
  }
  const shown = { id: "m9", content: "Ada Lovelace was born in London.", memory_type: null, present: true };
  const labels = Object.fromEntries(items.map(({ id }, i) => [id, i < useful]));
  return {
    steps,
    episode: episode({ answer: answered ? "London" : null, n_max: 5, t_max, items: [...items, shown] }),
    verdicts: verdicts({ answer, relevance, useful: labels }),
  };
}

describe("the official reading", () => {
  it.each(cases.map((one, i) => [i, one] as const))("gives the authors' figures, episode %i", (_, one) => {
    const { reward, parts, weights } = scoreEpisode(recorded(one), { preset: "official" });
    const { expected } = one;
    const task = one.answered ? weights.task * (parts.task as number) : -1;
    const near = (value: number | null | undefined, figure: number) =>
      expect(Math.abs((value as number) - figure)).toBeLessThan(1e-9);
    near(task, expected.task);
    near(weights.context * (parts.context as number), expected.context);
    near(weights.memory * (parts.memory as number), expected.memory);
    near(weights.tool * (parts.tool as number), expected.tool);
    near(parts["memory.storage"], expected.storage);
    near(parts["memory.maintenance"], expected.maintenance);
    near(parts["memory.relevance"], expected.relevance);
    near(reward, expected.reward);
  });

  it("has cases at both bounds and between them", () => {
    const rewards = cases.map(({ expected }) => expected.reward);
    expect(rewards.filter((reward) => reward === -1).length).toBeGreaterThan(2);
    expect(rewards.filter((reward) => reward > 0).length).toBeGreaterThan(5);
  });

  it("asks for labels that an older recording lacks", () => {
    const input = recorded(cases.find(({ rounds }) => rounds.some(({ op }) => op === "ADD")) as Case);
    const without = { ...input, verdicts: { ...input.verdicts, useful: null } };
    const { reward, basis } = scoreEpisode(without, { preset: "official" });
    expect(reward).toBeNull();
    expect(basis["memory.storage"]).toContain("judge the recording again");
  });
});
