/** What happened in a conversation, as a readable event per operation or answer. Pure. */
import { plus } from "../../lib/call-usage.js";
import type { MemoryOp } from "../../types.js";
import type { StepRecord } from "../schema.js";
import type { MemoryOpRecord } from "../schema-parts.js";
import { argumentOf } from "./context-text.js";
import { isEdit, type RecordedTurn } from "./conversations.js";
import { argumentsOf, type MemoryLedger } from "./memory-ledger.js";
import { answerOf } from "./verdict.js";

/** One memory of an event, with its content as far as known. */
export interface TracedMemory {
  id: string;
  content: string | null;
}

/** One memory operation, or an answer. */
export interface TraceEvent {
  step: number;
  stage: number;
  kind: MemoryOp | "ANSWER";
  /** True when the overflow guard did it, unasked by the model. */
  guard: boolean;
  ok: boolean;
  /** Why it was refused. */
  error: string | null;
  /** What was asked for: the query, criteria or span; for an answer its text. */
  asked: string | null;
  /** Memories stored, changed, deleted or found, best first. */
  memories: TracedMemory[];
  /** Content before an UPDATE. */
  before: string | null;
  editId: string | null;
  /** How many messages an edit removed or shortened. */
  messages: number;
  tokensSaved: number;
  /** Model calls of the operation itself, and their tokens, which are null if the server did not report them. */
  auxiliary: { calls: number; tokens: number | null } | null;
}

const ASKED: Partial<Record<MemoryOp, string>> = { RETRIEVE: "query", SUMMARY: "span", FILTER: "criteria" };

/** Event of an operation that the ledger has applied; `before` is the content before that. */
export function operationEvent(
  op: MemoryOpRecord,
  step: StepRecord,
  ledger: MemoryLedger,
  options: { guard: boolean; before: string | null },
): TraceEvent {
  const args = argumentsOf(op, step);
  const asked = argumentOf(args, ASKED[op.op] ?? "content");
  const writes = op.op === "ADD" || op.op === "UPDATE";
  return {
    step: step.step_index,
    stage: step.stage,
    kind: op.op,
    guard: options.guard,
    ok: op.ok,
    error: op.error?.message ?? null,
    asked: writes && op.ok ? null : asked === undefined ? null : String(asked),
    memories: op.memory_ids.map((id) => ({ id, content: ledger.get(op.namespace, id)?.content ?? null })),
    before: op.op === "UPDATE" ? options.before : null,
    editId: op.edit_id,
    messages: op.message_ids.length,
    tokensSaved: isEdit(op) ? op.tokens_before - op.tokens_after : 0,
    auxiliary: op.auxiliary && {
      calls: op.auxiliary.calls,
      tokens: plus(op.auxiliary.prompt_tokens, op.auxiliary.completion_tokens),
    },
  };
}

/** Event of a response that called no tool; null for other responses. */
export function answerEvent(turn: RecordedTurn): TraceEvent | null {
  const { step } = turn;
  const text = answerOf(turn).trim();
  if (step.format_error !== null || turn.ops.length + step.tool_runs.length > 0 || !text) return null;
  return {
    step: step.step_index,
    stage: step.stage,
    kind: "ANSWER",
    guard: false,
    ok: true,
    error: null,
    asked: text,
    memories: [],
    before: null,
    editId: null,
    messages: 0,
    tokensSaved: 0,
    auxiliary: null,
  };
}
