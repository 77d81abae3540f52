/**
 * A memory as benchmarks use it: it is shown a conversation, and asked what it remembers.
 *
 * Owns the interface that agemem's own memory, the built-in baselines and other projects' memories (over HTTP) share;
 * all pass one conformance suite. Leaves out answering (`runs/`) and grading (`suites/`).
 */
import { plus } from "../../lib/call-usage.js";
import type { CallUsage } from "../../types.js";

/** One message of a conversation. */
export interface ObservedMessage {
  role: "user" | "assistant";
  content: string;
  /** Id of the turn in the benchmark, such as LoCoMo's "D3:7"; evidence names such ids. */
  id?: string;
  /** When it was said, in the benchmark's format. */
  time?: string;
  /** Who said it, in conversations between two people. */
  speaker?: string;
}

/** A memory that a system holds. */
export interface RecalledMemory {
  text: string;
  /** Higher is more similar; null if the system gives none. */
  score: number | null;
  /** Ids of the messages that it came from; empty if the system does not know. */
  sources: readonly string[];
}

/** Cost of a system's own model calls; zeros if it calls no model. */
export interface SystemUsage {
  /** Calls of a language model. */
  calls: number;
  /** Null if the server did not report them for some call. */
  promptTokens: number | null;
  responseTokens: number | null;
  /** Requests to an embedding model, and the tokens in them. */
  embeddingCalls: number;
  embeddingTokens: number;
}

/** What {@link MemorySystem.answer} is told. */
export interface AnswerOptions {
  /** How to answer. */
  instruction: string;
  /** Memories of one retrieval, where the system does not choose. */
  k: number;
  signal?: AbortSignal;
}

/** An answer of a system's own agent. */
export interface SystemAnswer {
  text: string;
  /** Memories that its model was shown. */
  memories: readonly RecalledMemory[];
  usage: { policy: CallUsage; auxiliary: CallUsage };
  /** Successful operations by name. */
  operations: Record<string, number>;
}

/** Result of {@link MemorySystem.recall}. */
export interface RecallResult {
  /** Best first. */
  memories: readonly RecalledMemory[];
  usage: SystemUsage;
}

/** A memory under comparison. */
export interface MemorySystem {
  /** Its name in results and tables. */
  readonly name: string;
  /** Forgets everything; what follows belongs to this user. Call it first. */
  reset(scope: { user: string }): Promise<void>;
  /**
   * Shows it messages in the order in which they were said. The system decides what to keep.
   *
   * @throws EnvironmentError `AGEMEM_SYSTEM_FAILED` when another project's memory fails or cannot be reached
   */
  observe(messages: readonly ObservedMessage[]): Promise<SystemUsage>;
  /** What it remembers about a question: at most `k` memories, or everything for a system without selection. */
  recall(query: string, options: { k: number; signal?: AbortSignal }): Promise<RecallResult>;
  /** Everything it holds now, in no particular order. */
  all(): Promise<readonly RecalledMemory[]>;
  /** Answers by itself; a system without it is read by the run's reader, who is shown what `recall` brings. */
  answer?(question: string, options: AnswerOptions): Promise<SystemAnswer>;
  /** Releases what it holds. Safe to call twice. */
  close(): Promise<void>;
}

/** Usage of a system that calls no model. */
export const NO_USAGE: SystemUsage = {
  calls: 0,
  promptTokens: 0,
  responseTokens: 0,
  embeddingCalls: 0,
  embeddingTokens: 0,
};

/** The sum of two usages, or with `sign` -1 their difference, which is what was used between two readings. */
export function combineUsage(a: SystemUsage, b: SystemUsage, sign: 1 | -1 = 1): SystemUsage {
  return {
    calls: a.calls + sign * b.calls,
    promptTokens: plus(a.promptTokens, signed(b.promptTokens, sign)),
    responseTokens: plus(a.responseTokens, signed(b.responseTokens, sign)),
    embeddingCalls: a.embeddingCalls + sign * b.embeddingCalls,
    embeddingTokens: a.embeddingTokens + sign * b.embeddingTokens,
  };
}

function signed(tokens: number | null, sign: 1 | -1): number | null {
  return tokens === null ? null : sign * tokens;
}

/** A message as text, with its speaker and time. */
export function lineOf({ content, speaker, time }: ObservedMessage): string {
  const said = speaker === undefined ? content : `${speaker}: ${content}`;
  return time === undefined ? said : `[${time}] ${said}`;
}
