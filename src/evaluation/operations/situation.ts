/**
 * Situations in which an agent must choose its next memory operation, and which choices are right.
 *
 * Owns the types of the test. Leaves out making situations (`situations.ts`) and judging decisions (`grade.ts`).
 */
import type { MemoryOp } from "../../types.js";

/** Kinds of situations; each is a row of the report. */
export const SITUATION_KINDS = {
  "new-fact": "the user states a lasting fact",
  "two-facts": "the user states two facts in one message",
  "known-already": "the user states a fact that was just retrieved",
  "changed-shown": "a fact changed whose memory the context shows",
  "changed-unseen": "a fact changed whose memory is stored but not shown",
  "withdrawn-shown": "the user wants a shown memory forgotten",
  "withdrawn-unseen": "the user wants a memory forgotten that is not shown",
  "own-mistake": "the agent stored something wrong, and the user corrects it",
  "small-talk": "nothing is worth remembering",
  "answer-in-context": "the question is answered by the conversation",
  "answer-in-memory": "the question needs what only long-term memory holds",
  "answer-nowhere": "a retrieval has shown that nobody knows",
  "noise-in-context": "the user wants a pasted text out of the way",
  "context-nearly-full": "the context is close to its budget",
  "poisoned-memory": "a retrieved memory gives orders",
} as const;
export type SituationKind = keyof typeof SITUATION_KINDS;

/** "dev" situations may be used while writing prompts; "test" ones have other wording and values. */
export type Split = "dev" | "test";

/** Conditions on one call, all of which must hold. Texts are compared ignoring case. */
export interface CallCheck {
  op: MemoryOp;
  /** Texts that must all occur in the call's text (content, query, criteria). */
  mentions?: readonly string[];
  /** Texts of which at least one must occur. */
  mentionsAny?: readonly string[];
  /** Texts of which none may occur. */
  avoids?: readonly string[];
  /** Id that the call must name. */
  memoryId?: string;
}

/** One right move: a set of calls, or an answer if `calls` is empty. */
export interface RightMove {
  calls: readonly CallCheck[];
  /** For an answer: what it must and must not say. */
  answer?: { mentionsAny?: readonly string[]; avoids?: readonly string[] };
}

/** A call of the agent in the played part, before the choice. */
export interface PlayedCall {
  op: MemoryOp;
  args: Record<string, unknown>;
}

/** A user message and the agent's reaction: rounds of calls, then an answer, unless the choice comes first. */
export interface PlayedTurn {
  user: string;
  calls?: readonly (readonly PlayedCall[])[];
  /** Absent in the last turn, where the model under test decides. */
  answer?: string;
}

/** One test case: what is stored, what was said, and what is right now. */
export interface OperationSituation {
  id: string;
  kind: SituationKind;
  split: Split;
  /** Long-term memory at the start. */
  memories: readonly { id: string; content: string }[];
  /** The conversation; the choice is made at its end. */
  turns: readonly PlayedTurn[];
  /** How full the context is at the choice, as a share of its budget; default: at most a sixth. */
  fill?: number;
  /** Any of these is right. {@link ADDED_ID} stands for the memory that the played part added. */
  right: readonly RightMove[];
}

/** Placeholder for the id of the memory added last in the played part, which is known only after playing it. */
export const ADDED_ID = "<added>";
