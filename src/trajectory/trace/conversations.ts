/**
 * Groups the records of a file into conversations: the order of model calls, and what happened between them.
 *
 * A rollout is a conversation. Rollouts without a trajectory record are joined by their thread, because without a
 * rollout id each invocation is recorded as a rollout of its own. Pure.
 */
import { OVERFLOW_CALL_ID } from "../../types.js";
import type { AnyRecord, StepRecord, TrajectoryRecord } from "../schema.js";
import type { MemoryOpRecord } from "../schema-parts.js";

/** One policy call and what happened before the next one. */
export interface RecordedTurn {
  step: StepRecord;
  /** Operations of the overflow guard just before this call. */
  guardOps: MemoryOpRecord[];
  /** Operations that the response asked for, in order. */
  ops: MemoryOpRecord[];
  /** Auxiliary calls between this call and the next: the summarizer's. */
  aux: StepRecord[];
  /** True when the context does not continue that of the last call: a new stage, thread or run. */
  fresh: boolean;
}

/** The turns of one rollout or thread. */
export interface RecordedConversation {
  rolloutId: string;
  threadId: string | null;
  attempt: number;
  /** All calls, auxiliary ones too, in order. */
  steps: StepRecord[];
  /** Auxiliary calls before the first policy call. */
  auxBefore: StepRecord[];
  turns: RecordedTurn[];
  /** Null for a conversation that has not ended, or whose end was not recorded. */
  trajectory: TrajectoryRecord | null;
}

/** Groups records, in order of first appearance. */
export function conversationsOf(records: Iterable<AnyRecord>): RecordedConversation[] {
  const rollouts = new Map<string, { steps: StepRecord[]; trajectory: TrajectoryRecord | null }>();
  for (const record of records) {
    const key = JSON.stringify([record.rollout_id, record.attempt]);
    const rollout = rollouts.get(key) ?? { steps: [], trajectory: null };
    rollouts.set(key, rollout);
    if (record.kind === "step") rollout.steps.push(record);
    else rollout.trajectory = record;
  }
  const joined = new Map<string, { steps: StepRecord[]; trajectory: TrajectoryRecord | null }>();
  for (const [key, { steps, trajectory }] of rollouts) {
    steps.sort((a, b) => a.step_index - b.step_index);
    const thread = trajectory ? null : threadOf(steps);
    const name = thread === null ? key : JSON.stringify(["thread", thread]);
    const known = joined.get(name);
    if (known) known.steps.push(...steps);
    else joined.set(name, { steps: [...steps], trajectory });
  }
  return [...joined.values()].map(({ steps, trajectory }) => conversationOf(steps, trajectory));
}

function conversationOf(steps: StepRecord[], trajectory: TrajectoryRecord | null): RecordedConversation {
  const turns: RecordedTurn[] = [];
  const auxBefore: StepRecord[] = [];
  for (const step of steps) {
    const last = turns.at(-1);
    if (step.call_role === "aux") (last?.aux ?? auxBefore).push(step);
    else turns.push(turnOf(step, last));
  }
  return {
    rolloutId: trajectory?.rollout_id ?? steps[0]?.rollout_id ?? "",
    threadId: threadOf(steps),
    attempt: trajectory?.attempt ?? steps[0]?.attempt ?? 1,
    steps,
    auxBefore,
    turns,
    trajectory,
  };
}

function turnOf(step: StepRecord, last: RecordedTurn | undefined): RecordedTurn {
  const isGuard = (op: MemoryOpRecord): boolean => op.tool_call_id === OVERFLOW_CALL_ID;
  const guardOps = step.memory_ops.filter(isGuard);
  const ops = step.memory_ops.filter((op) => !isGuard(op));
  return { step, guardOps, ops, aux: [], fresh: !last || isFresh(last, step, guardOps) };
}

/** A context that has no message in common with the last one is a new one, unless an edit explains the difference. */
function isFresh(last: RecordedTurn, step: StepRecord, guardOps: readonly MemoryOpRecord[]): boolean {
  if (step.context_edit === "stage_reset") return true;
  if (step.langgraph.thread_id !== last.step.langgraph.thread_id) return true;
  if ([...last.ops, ...guardOps].some(isEdit)) return false;
  const before = new Set(last.step.messages.filter(isTalk).map(talkKey));
  return !step.messages.some((message) => isTalk(message) && before.has(talkKey(message)));
}

/** A SUMMARY or FILTER that changed the context. */
export function isEdit(op: MemoryOpRecord): boolean {
  return op.ok && (op.op === "SUMMARY" || op.op === "FILTER");
}

type Message = StepRecord["messages"][number];

function isTalk({ role }: Message): boolean {
  return role !== "system" && role !== "developer";
}

function talkKey({ role, content, tool_calls }: Message): string {
  return JSON.stringify([role, content, tool_calls ?? []]);
}

function threadOf(steps: readonly StepRecord[]): string | null {
  return steps.find((step) => step.langgraph.thread_id !== null)?.langgraph.thread_id ?? null;
}
