/**
 * Judges one response of a model against the right moves of its situation. Pure, no model.
 *
 * Owns the three verdicts: valid (the protocol and the argument schemas hold), right operation, right arguments. Leaves
 * out how the response came about (`decide.ts`) and figures over many (`report.ts`).
 */
import type { ToolCall } from "@langchain/core/messages/tool";
import { OPERATION_SCHEMAS } from "../../tools/schemas.js";
import type { MemoryOp } from "../../types.js";
import { ADDED_ID, type CallCheck, type OperationSituation, type RightMove } from "./situation.js";

/** A response as it was read: calls by operation, or an answer, or nothing that could be read. */
export interface GradedDecision {
  calls: readonly { op: MemoryOp | undefined; call: ToolCall }[];
  /** The text of an answer; null where there is none. */
  answer: string | null;
  /** Why the first response broke the protocol; absent when it did not. */
  formatError?: string;
  /** Id of the memory that the played part added last. */
  addedId?: string;
}

export interface DecisionVerdict {
  /** In the protocol's form at first try, known tools only, arguments as their schemas want them. */
  valid: boolean;
  /** What was done: operations in order joined by "+", "ANSWER", or "INVALID". */
  move: string;
  rightOperation: boolean;
  /** Implies {@link rightOperation}. For an answer: what it had to say, it says. */
  rightArguments: boolean;
}

/**
 * The verdict. A set of operations is right when it is exactly that of a right move; repeating one of them is not.
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

/** What a situation asks for, for a table: the first right move. */
export function rightMoveOf({ right }: OperationSituation): string {
  return right[0]?.calls.map(({ op }) => op).join("+") || "ANSWER";
}

function sameOperations({ calls }: RightMove, ops: readonly MemoryOp[]): boolean {
  const wanted = calls.map(({ op }) => op).sort();
  return wanted.join() === [...ops].sort().join();
}

function argumentsHold({ calls: checks, answer: wanted }: RightMove, decision: GradedDecision): boolean {
  if (checks.length === 0) return saysRight(decision.answer ?? "", wanted ?? {});
  // Each check by a call of its own: two calls with the same content do not cover two facts.
  const open = decision.calls.map(({ op, call }) => ({ op, args: call.args }));
  return checks.every((check) => {
    const at = open.findIndex(({ op, args }) => op === check.op && fits(check, args, decision.addedId));
    if (at >= 0) open.splice(at, 1);
    return at >= 0;
  });
}

/** The one free text of each operation's arguments. */
const TEXT: Readonly<Partial<Record<MemoryOp, string>>> = {
  ADD: "content",
  UPDATE: "content",
  RETRIEVE: "query",
  FILTER: "criteria",
};

function fits(check: CallCheck, args: Record<string, unknown>, addedId: string | undefined): boolean {
  const memoryId = check.memoryId === ADDED_ID ? addedId : check.memoryId;
  if (memoryId !== undefined && args.memory_id !== memoryId) return false;
  // The schema takes a deletion without its confirmation, and the operation then refuses it.
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
