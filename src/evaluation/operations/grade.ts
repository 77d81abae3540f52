/**
 * Judges one response of a model by the right moves of its situation, without a model. Pure.
 *
 * Owns the three verdicts: valid (follows the protocol and the argument schemas), right operation, right arguments.
 * Leaves out getting the response (`decide.ts`) and statistics (`report.ts`).
 */
import type { ToolCall } from "@langchain/core/messages/tool";
import { OPERATION_SCHEMAS } from "../../tools/schemas.js";
import type { MemoryOp } from "../../types.js";
import { ADDED_ID, type CallCheck, type OperationSituation, type RightMove } from "./situation.js";

/** A parsed response: calls by operation, or an answer, or neither if it could not be parsed. */
export interface GradedDecision {
  calls: readonly { op: MemoryOp | undefined; call: ToolCall }[];
  /** The text of an answer; null if there is none. */
  answer: string | null;
  /** Why the first response broke the protocol; absent when it did not. */
  formatError?: string;
  /** Id of the memory that was added last in the played part. */
  addedId?: string;
}

export interface DecisionVerdict {
  /** Whether it follows the protocol at the first try, calls only known tools, and its arguments fit their schemas. */
  valid: boolean;
  /** What was done: the operations in order, joined by "+", or "ANSWER", or "INVALID". */
  move: string;
  rightOperation: boolean;
  /** Implies {@link rightOperation}. For an answer: it says what it has to say. */
  rightArguments: boolean;
}

/**
 * Judges a decision. Its operations must be exactly those of a right move; a repeated operation is wrong.
 *
 * @example
 * grade(situation, { calls: [], answer: "Hello!" }).move; // "ANSWER"
 */
export function grade(situation: OperationSituation, decision: GradedDecision): DecisionVerdict {
  const { calls, answer, formatError } = decision;
  const wellFormed = calls.every(
    ({ op, call }) => op !== undefined && OPERATION_SCHEMAS[op].safeParse(call.args).success,
  );
  const valid = formatError === undefined && wellFormed && (calls.length > 0 || answer !== null);
  if (!valid) return { valid, move: "INVALID", rightOperation: false, rightArguments: false };
  const ops = calls.map(({ op }) => op as MemoryOp);
  const move = ops.length > 0 ? ops.join("+") : "ANSWER";
  const candidates = situation.right.filter((right) => sameOperations(right, ops));
  return {
    valid,
    move,
    rightOperation: candidates.length > 0,
    rightArguments: candidates.some((right) => argumentsHold(right, decision)),
  };
}

/** The first right move of a situation, as shown in tables. */
export function rightMoveOf({ right }: OperationSituation): string {
  return right[0]?.calls.map(({ op }) => op).join("+") || "ANSWER";
}

function sameOperations({ calls }: RightMove, ops: readonly MemoryOp[]): boolean {
  const wanted = calls.map(({ op }) => op).sort();
  return wanted.join() === [...ops].sort().join();
}

function argumentsHold({ calls: checks, answer: wanted }: RightMove, decision: GradedDecision): boolean {
  if (checks.length === 0) return saysRight(decision.answer ?? "", wanted ?? {});
  // Each check needs its own call: two calls with the same content do not cover two facts.
  const open = decision.calls.map(({ op, call }) => ({ op, args: call.args }));
  return checks.every((check) => {
    const at = open.findIndex(({ op, args }) => op === check.op && fits(check, args, decision.addedId));
    if (at >= 0) open.splice(at, 1);
    return at >= 0;
  });
}

/** The name of each operation's free-text argument. */
const TEXT: Readonly<Partial<Record<MemoryOp, string>>> = {
  ADD: "content",
  UPDATE: "content",
  RETRIEVE: "query",
  FILTER: "criteria",
};

function fits(check: CallCheck, args: Record<string, unknown>, addedId: string | undefined): boolean {
  const memoryId = check.memoryId === ADDED_ID ? addedId : check.memoryId;
  if (memoryId !== undefined && args.memory_id !== memoryId) return false;
  // The schema accepts a deletion without confirmation, but the operation refuses it.
  if (check.op === "DELETE" && args.confirmation !== true && args.confirmed !== true) return false;
  return saysRight(String(args[TEXT[check.op] ?? ""] ?? ""), check);
}

function saysRight(
  text: string,
  { mentions = [], mentionsAny, avoids = [] }: Pick<CallCheck, "mentions" | "mentionsAny" | "avoids">,
): boolean {
  const lower = text.toLowerCase();
  const has = (part: string): boolean => lower.includes(part.toLowerCase());
  return mentions.every(has) && !avoids.some(has) && (mentionsAny === undefined || mentionsAny.some(has));
}
