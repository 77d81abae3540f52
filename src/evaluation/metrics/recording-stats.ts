/**
 * Statistics of a recording: what the policy did, its cost and its rewards (the paper's tables 2-4).
 *
 * Owns what is counted and how, in one pass that keeps only the statistics and one reward per rollout. Leaves out how
 * they are shown (`cli/recordings/stats.ts`, `plots.ts`).
 */
import { groupAdvantages } from "../../grpo.js";
import { plus } from "../../lib/call-usage.js";
import type { Rollout } from "../../trajectory/file.js";
import type { RolloutStatus, StepRecord, TrajectoryRecord } from "../../trajectory/schema.js";
import { MEMORY_OPS, type MemoryOp } from "../../types.js";
import { type Figures, FiguresByName, RunningFigures } from "./figures.js";

/** Counts of one operation, over all rollouts. */
interface OperationCount {
  /** How many took effect in stages 1, 2 and 3. */
  done: [number, number, number];
  /** How many were refused (an unknown id, a duplicate, a bad argument). */
  refused: number;
}

/** Everything `agemem stats` shows. */
export interface RecordingStats {
  rollouts: number;
  byStatus: Partial<Record<RolloutStatus, number>>;
  /** Number of failures by code, or else by message. */
  failures: Record<string, number>;
  operations: Record<MemoryOp, OperationCount>;
  /** TC: tool calls per rollout. */
  toolCalls: Figures;
  /** Policy calls per rollout. */
  steps: Figures;
  /** TN: prompt tokens per policy call, overall. */
  promptTokens: Figures;
  promptTokensByStage: Record<string, Figures>;
  /** By position of the policy call, for the plot. */
  promptTokensByStep: Figures[];
  completionTokens: Figures;
  /** Seconds per rollout. */
  seconds: Figures;
  /** MQ, memory quality. */
  memoryQuality: Figures;
  /** J: the judge's score of the answer. */
  judgeScore: Figures;
  /** Without unscored rollouts. */
  reward: Figures;
  rewardParts: Record<string, Figures>;
  groups: GroupSpread;
  formatErrors: number;
  truncated: number;
  /**
   * Calls and tokens of the summarizer and other auxiliary models; tokens are null if the server did not report all.
   */
  auxiliary: { calls: number; promptTokens: number | null; completionTokens: number | null };
  /** Policy steps, and those that a trainer can use. */
  policySteps: number;
  trainableSteps: number;
}

/** How much the rollouts of a group differ. */
interface GroupSpread {
  groups: number;
  zeroVariance: number;
  /** Groups without any reward. */
  unscored: number;
  /** Standard deviation within a group, over the scored groups. */
  std: Figures;
  /** Mean, smallest and largest reward of each scored group, in the order of the file. */
  rewards: { groupId: string; mean: number; min: number; max: number }[];
}

/** Counts over all rollouts. @example recordingStats(readRollouts("run.jsonl")) */
export async function recordingStats(
  rollouts: AsyncIterable<Rollout> | Iterable<Rollout>,
): Promise<RecordingStats> {
  const counter = new Counter();
  for await (const rollout of rollouts) counter.add(rollout);
  return counter.stats();
}

class Counter {
  private readonly byStatus: Partial<Record<RolloutStatus, number>> = {};
  private readonly failures: Record<string, number> = {};
  private readonly operations = Object.fromEntries(
    MEMORY_OPS.map((op) => [op, { done: [0, 0, 0], refused: 0 }]),
  ) as unknown as Record<MemoryOp, OperationCount>;
  private readonly named = new FiguresByName();
  private readonly stages = new FiguresByName();
  private readonly parts = new FiguresByName();
  private readonly byStep: RunningFigures[] = [];
  private readonly rewards = new Map<string, (number | null)[]>();
  private readonly sums = { formatErrors: 0, truncated: 0, policySteps: 0, trainableSteps: 0 };
  private readonly auxiliary: RecordingStats["auxiliary"] = {
    calls: 0,
    promptTokens: 0,
    completionTokens: 0,
  };
  private rollouts = 0;

  add({ trajectory, steps }: Rollout): void {
    this.rollouts++;
    this.byStatus[trajectory.status] = (this.byStatus[trajectory.status] ?? 0) + 1;
    if (trajectory.error) {
      const name = trajectory.error.code ?? trajectory.error.message;
      this.failures[name] = (this.failures[name] ?? 0) + 1;
    }
    const policy = steps.filter((step) => step.call_role === "policy");
    for (const [index, step] of policy.entries()) this.addStep(step, index);
    this.named.at("steps").add(policy.length);
    const calls = policy.reduce((sum, step) => sum + (step.response?.tool_calls.length ?? 0), 0);
    // The text protocol has its calls in the text, so their outcomes are counted instead.
    const text = policy.some((step) => step.protocol === "text");
    const outcomes = policy.reduce((sum, step) => sum + step.memory_ops.length, 0);
    this.named.at("toolCalls").add(text ? outcomes : calls);
    this.addTrajectory(trajectory);
  }

  private addStep(step: StepRecord, index: number): void {
    this.sums.policySteps++;
    if (step.trainable) this.sums.trainableSteps++;
    if (step.format_error !== null) this.sums.formatErrors++;
    if (step.truncated) this.sums.truncated++;
    const tokens = step.usage?.prompt_tokens ?? step.context_tokens;
    this.named.at("promptTokens").add(tokens);
    this.stages.at(String(step.stage)).add(tokens);
    this.byStep[index] ??= new RunningFigures();
    this.byStep[index].add(tokens);
    this.named.at("completionTokens").add(step.usage?.completion_tokens);
    for (const { op, ok } of step.memory_ops) {
      const count = this.operations[op];
      if (!ok) count.refused++;
      else if (step.stage > 0) count.done[(step.stage - 1) as 0 | 1 | 2]++;
    }
  }

  private addTrajectory(trajectory: TrajectoryRecord): void {
    this.named.at("seconds").add(trajectory.latency_ms / 1000);
    this.named.at("judgeScore").add(trajectory.verdicts?.answer);
    this.named.at("memoryQuality").add(trajectory.verdicts?.memory_quality);
    this.named.at("reward").add(trajectory.reward);
    for (const [name, value] of Object.entries(trajectory.reward_parts)) this.parts.at(name).add(value);
    const { calls, prompt_tokens, completion_tokens } = trajectory.aux_usage;
    this.auxiliary.calls += calls;
    this.auxiliary.promptTokens = plus(this.auxiliary.promptTokens, prompt_tokens);
    this.auxiliary.completionTokens = plus(this.auxiliary.completionTokens, completion_tokens);
    if (trajectory.group_id === null) return;
    const group = this.rewards.get(trajectory.group_id) ?? [];
    group.push(trajectory.reward);
    this.rewards.set(trajectory.group_id, group);
  }

  stats(): RecordingStats {
    const of = (name: string): Figures => this.named.at(name).figures;
    return {
      rollouts: this.rollouts,
      byStatus: this.byStatus,
      failures: this.failures,
      operations: this.operations,
      toolCalls: of("toolCalls"),
      steps: of("steps"),
      promptTokens: of("promptTokens"),
      promptTokensByStage: this.stages.figures,
      promptTokensByStep: this.byStep.map((tally) => tally.figures),
      completionTokens: of("completionTokens"),
      seconds: of("seconds"),
      memoryQuality: of("memoryQuality"),
      judgeScore: of("judgeScore"),
      reward: of("reward"),
      rewardParts: this.parts.figures,
      groups: spreadOf(this.rewards),
      auxiliary: this.auxiliary,
      ...this.sums,
    };
  }
}

function spreadOf(groups: ReadonlyMap<string, (number | null)[]>): GroupSpread {
  const std = new RunningFigures();
  const spread: GroupSpread = {
    groups: groups.size,
    zeroVariance: 0,
    unscored: 0,
    std: std.figures,
    rewards: [],
  };
  for (const [groupId, rewards] of groups) {
    const advantages = groupAdvantages(rewards);
    if (advantages.zeroVariance) spread.zeroVariance++;
    std.add(advantages.std);
    const known = rewards.filter((reward) => reward !== null);
    if (advantages.mean === null) spread.unscored++;
    else {
      spread.rewards.push({
        groupId,
        mean: advantages.mean,
        min: Math.min(...known),
        max: Math.max(...known),
      });
    }
  }
  return { ...spread, std: std.figures };
}
